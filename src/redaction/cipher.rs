//! Keyed pseudonyms: a permutation of all texts of one shape, which only the key undoes.
//!
//! A Feistel network over characters instead of bits: every digit becomes a digit, every letter a letter of the same
//! alphabet, and what is neither is not given to it. HMAC-SHA-256 (RFC 2104) is the round function; each character
//! is added modulo the size of its own alphabet, so that the result has the same shape and can be undone.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Rounds; even ones change the first half, odd ones the second.
const ROUNDS: u8 = 10;
/// Characters of a value that are replaced together.
const PIECE: usize = 512;
/// Characters of the key's name.
const ID_LENGTH: usize = 8;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From what is real to its pseudonym.
    Pseudonymize,
    /// Back.
    Restore,
}

/// The permutation of one key.
#[derive(Clone)]
pub(super) struct Cipher([u8; 32]);

/// A character as a place in its alphabet.
struct Symbol {
    alphabet: Alphabet,
    size: usize,
    index: usize,
    is_upper: bool,
}

/// The characters that one may become.
#[derive(Clone, Copy)]
enum Alphabet {
    Digits,
    /// ASCII letters; their case is kept beside them.
    Letters,
    /// Those of hexadecimal.
    HexLetters,
    /// Those of the same kind as this one among its sixteen neighbours, by which Unicode groups kindred characters.
    Kindred(char),
}

impl Cipher {
    /// The permutation of that key.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A name for the key that does not tell it.
    pub(super) fn id(&self) -> String {
        let hash = Sha256::digest([b"conax-gateway redaction key ".as_slice(), &self.0].concat());
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>().chars().take(ID_LENGTH).collect()
    }

    /// A digest of bytes that nobody can make without the key.
    pub(super) fn mark(&self, bytes: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(bytes);
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Replaces digits and letters, all of them as one value; whatever else is among them stays. Hexadecimal stays so, and
    /// nothing else becomes it: whatever is walked over on the way there is walked over on the way back. A very long value
    /// is replaced in several pieces.
    pub(super) fn apply(&self, direction: Direction, chars: &[char]) -> Vec<char> {
        let is_hex = |chars: &[char]| chars.iter().all(|c| c.is_ascii_hexdigit() || !c.is_alphanumeric());
        let hex = is_hex(chars);
        let mut chars = chars.to_vec();
        loop {
            chars = chars.chunks(PIECE).flat_map(|piece| self.apply_to_piece(direction, piece, hex)).collect();
            if is_hex(&chars) == hex {
                return chars;
            }
        }
    }

    fn apply_to_piece(&self, direction: Direction, chars: &[char], hex: bool) -> Vec<char> {
        let mut symbols: Vec<_> = chars.iter().map(|c| Symbol::of(*c, hex)).collect();
        let mut known: Vec<&mut Symbol> = symbols.iter_mut().flatten().collect();
        let half = known.len() / 2;
        for round in 0..ROUNDS {
            let round = if direction == Direction::Pseudonymize { round } else { ROUNDS - 1 - round };
            let (first, second) = known.split_at_mut(half);
            let (changed, other) = if round % 2 == 0 { (first, second) } else { (second, first) };
            let keys = self.round(round, other, changed);
            for (symbol, key) in changed.iter_mut().zip(keys) {
                let key = usize::try_from(key % u64::try_from(symbol.size).unwrap_or(1)).unwrap_or(0);
                let shift = if direction == Direction::Pseudonymize { key } else { symbol.size - key };
                symbol.index = (symbol.index + shift) % symbol.size;
            }
        }
        symbols.iter().zip(chars).map(|(symbol, c)| symbol.as_ref().and_then(Symbol::char).unwrap_or(*c)).collect()
    }

    /// One number for each character of a half, from all of the other half.
    fn round(&self, round: u8, other: &[&mut Symbol], changed: &[&mut Symbol]) -> Vec<u64> {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
        let mut message = Sha256::new();
        message.update([round]);
        message.update(number(other.len()));
        for symbol in other {
            message.update(symbol.alphabet.base());
            message.update(number(symbol.index));
        }
        changed.iter().for_each(|symbol| message.update(symbol.alphabet.base()));
        let message = message.finalize();
        let mut keys = Vec::with_capacity(changed.len());
        let mut block = 0_usize;
        while keys.len() < changed.len() {
            let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
            mac.update(&message);
            mac.update(&number(block));
            let bytes = mac.finalize().into_bytes();
            keys.extend(bytes.chunks_exact(8).map(|chunk| chunk.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))));
            block += 1;
        }
        keys
    }
}

impl Symbol {
    /// `None` for what is neither a digit nor a letter.
    fn of(c: char, hex: bool) -> Option<Self> {
        let alphabet = match c {
            '0'..='9' => Alphabet::Digits,
            'a'..='z' | 'A'..='Z' if hex => Alphabet::HexLetters,
            'a'..='z' | 'A'..='Z' => Alphabet::Letters,
            _ if c.is_ascii() || !c.is_alphanumeric() => return None,
            _ => Alphabet::Kindred(c),
        };
        let index = alphabet.chars().position(|m| m == c.to_ascii_lowercase())?;
        Some(Self { alphabet, size: alphabet.chars().count(), index, is_upper: c.is_ascii_uppercase() })
    }

    fn char(&self) -> Option<char> {
        let c = self.alphabet.chars().nth(self.index)?;
        Some(if self.is_upper { c.to_ascii_uppercase() } else { c })
    }
}

impl Alphabet {
    fn chars(self) -> impl Iterator<Item = char> {
        let (first, count) = match self {
            Self::Digits => (u32::from('0'), 10),
            Self::Letters => (u32::from('a'), 26),
            Self::HexLetters => (u32::from('a'), 6),
            Self::Kindred(c) => (u32::from(c) & !0xF, 16),
        };
        let kind = |c: char| (c.is_alphabetic(), c.is_numeric());
        let is_kindred = move |m: &char| if let Self::Kindred(c) = self { kind(*m) == kind(c) } else { true };
        (first..first + count).filter_map(char::from_u32).filter(is_kindred)
    }

    /// Tells it from all others.
    fn base(self) -> [u8; 4] {
        self.chars().next().map_or(0, u32::from).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_shape_and_is_undone_by_its_key_only() {
        let (cipher, other) = (Cipher::new([1; 32]), Cipher::new([2; 32]));
        for text in [
            "01450253313",
            "1212",
            "THMOD001-10002",
            "Señor Ångström, pay!",
            "中文 привет",
            "a",
            "g",
            "7",
            "",
            "¼ ½",
            "4C2D1b5a",
        ] {
            let chars: Vec<char> = text.chars().collect();
            let hidden = cipher.apply(Direction::Pseudonymize, &chars);
            assert_eq!(cipher.apply(Direction::Restore, &hidden), chars, "{text}");
            assert_eq!(hidden.len(), chars.len());
            let is_hex = |chars: &[char]| chars.iter().all(char::is_ascii_hexdigit);
            assert_eq!(is_hex(&hidden), is_hex(&chars), "{text}");
            for (a, b) in chars.iter().zip(&hidden) {
                let kind = |c: &char| (c.is_alphabetic(), c.is_numeric(), c.is_ascii(), c.is_ascii_uppercase());
                assert_eq!(kind(a), kind(b), "{text}");
            }
            if chars.len() > 5 {
                assert_ne!(hidden, chars);
                assert_ne!(hidden, other.apply(Direction::Pseudonymize, &chars));
            }
        }
        assert_ne!(cipher.id(), other.id());
    }

    #[test]
    fn no_two_values_share_a_pseudonym() {
        let cipher = Cipher::new([7; 32]);
        let all: std::collections::HashSet<_> = (0..10_000)
            .map(|pin| cipher.apply(Direction::Pseudonymize, &format!("{pin:04}").chars().collect::<Vec<_>>()))
            .collect();
        assert_eq!(all.len(), 10_000);
    }
}
