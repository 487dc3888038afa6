//! Keyed pseudonyms: a permutation of all texts of one shape, which only the key undoes.
//!
//! A Feistel network over characters instead of bits: every digit becomes a digit, every letter a letter of the same
//! alphabet. HMAC-SHA-256 (RFC 2104) is the round function; each character is added modulo the size of its own alphabet,
//! so that the result has the same shape and can be undone.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Rounds; even ones change the first half, odd ones the second.
const ROUNDS: u8 = 10;
/// Characters of a value that are replaced together.
const PIECE: usize = 512;
/// Characters of the key's name.
const ID_LENGTH: usize = 8;

/// The direction in which values are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the real value to the pseudonym.
    Pseudonymize,
    /// From the pseudonym back to the real value.
    Restore,
}

/// The permutation that a key makes.
pub(super) struct Cipher([u8; 32]);

/// A character as a position in its alphabet; upper and lower case are two alphabets.
struct Symbol {
    alphabet: Vec<char>,
    index: usize,
}

impl Cipher {
    /// The permutation that `key` makes.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The key's name, from which the key cannot be computed.
    pub(super) fn id(&self) -> String {
        let hash = Sha256::digest([b"conax-gateway redaction key ".as_slice(), &self.0].concat());
        in_hexadecimal(&hash).chars().take(ID_LENGTH).collect()
    }

    /// A keyed digest of bytes.
    pub(super) fn mark(&self, bytes: &[u8]) -> String {
        // No round asks for the code of such a message: they begin with the number of the round.
        in_hexadecimal(&self.mac(b"mark").chain_update(bytes).finalize().into_bytes())
    }

    /// Replaces the letters and digits of a text as one value, a very long value in several pieces. Hexadecimal stays
    /// hexadecimal and nothing else becomes hexadecimal, so that the way back skips the same texts as the way there.
    pub(super) fn apply(&self, direction: Direction, chars: &[char]) -> Vec<char> {
        let is_hex = |chars: &[char]| chars.iter().all(char::is_ascii_hexdigit);
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
        let mut symbols: Vec<_> = chars.iter().map(|c| Symbol::new(*c, hex)).collect();
        let half = symbols.len() / 2;
        for round in 0..ROUNDS {
            let round = if direction == Direction::Pseudonymize { round } else { ROUNDS - 1 - round };
            let (first, second) = symbols.split_at_mut(half);
            let (changed, other) = if round % 2 == 0 { (first, second) } else { (second, first) };
            let keys = self.round_keys(round, other, changed);
            for (Symbol { alphabet, index }, key) in changed.iter_mut().zip(keys) {
                let key = usize::try_from(key % alphabet.len() as u64).expect("less than the size of an alphabet");
                *index += if direction == Direction::Pseudonymize { key } else { alphabet.len() - key };
                *index %= alphabet.len();
            }
        }
        symbols.iter().zip(chars).map(|(symbol, c)| *symbol.alphabet.get(symbol.index).unwrap_or(c)).collect()
    }

    /// A number for each character of a half, from all of the other half.
    fn round_keys(&self, round: u8, other: &[Symbol], changed: &[Symbol]) -> Vec<u64> {
        let mut message = vec![u32::from(round), to_u32(other.len())];
        message.extend(other.iter().flat_map(|symbol| [symbol.base(), to_u32(symbol.index)]));
        message.extend(changed.iter().map(Symbol::base));
        let message = self.mac(&message.into_iter().flat_map(u32::to_be_bytes).collect::<Vec<u8>>());
        let block = |number: usize| message.clone().chain_update(to_u32(number).to_be_bytes()).finalize().into_bytes();
        let numbers = |block: &[u8]| {
            let chunks = block.chunks_exact(8);
            chunks.map(|chunk| chunk.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))).collect::<Vec<_>>()
        };
        (0..changed.len().div_ceil(4)).flat_map(|number| numbers(&block(number))).collect()
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length").chain_update(bytes)
    }
}

impl Symbol {
    fn new(c: char, hex: bool) -> Self {
        let alphabet: Vec<char> = match (c, hex) {
            ('0'..='9', _) => ('0'..='9').collect(),
            ('a'..='f', true) => ('a'..='f').collect(),
            ('A'..='F', true) => ('A'..='F').collect(),
            ('a'..='z', _) => ('a'..='z').collect(),
            ('A'..='Z', _) => ('A'..='Z').collect(),
            // Characters of the same kind among sixteen neighbours: Unicode groups kindred characters so.
            _ => {
                let kind = |c: char| (c.is_alphabetic(), c.is_numeric());
                let first = u32::from(c) & !0xF;
                (first..first + 16).filter_map(char::from_u32).filter(|other| kind(*other) == kind(c)).collect()
            }
        };
        let index = alphabet.iter().position(|other| *other == c).unwrap_or_default();
        Self { alphabet, index }
    }

    /// The alphabet's number; both cases of a letter have the same.
    fn base(&self) -> u32 {
        self.alphabet.first().map_or(0, |first| u32::from(first.to_ascii_lowercase()))
    }
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn in_hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_shape_and_is_undone_by_its_key_only() {
        let (cipher, other) = (Cipher::new([1; 32]), Cipher::new([2; 32]));
        for text in
            ["01450253313", "1212", "THMOD00110002", "SeñorÅngström", "中文привет", "a", "g", "7", "", "¼½", "4C2D1b5a"]
        {
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
