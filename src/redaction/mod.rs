//! Takes personal data out of recorded traffic, so that recordings can be given away.
//!
//! | | what stands in a text | what becomes of it | file |
//! |---|---|---|---|
//! | 1 | elements, attributes and parameters with a personal name, and all inside of them | a pseudonym, whole | `names`, `markup` |
//! | 2 | pairs of such a name and a value: JSON, forms, `the PIN is 1212` | a pseudonym, whole | `names` |
//! | 3 | the same values elsewhere, from 8 letters and digits on | their pseudonym, in every file | `values` |
//! | 4 | shorter ones | their pseudonym, in their exchange | `scope` |
//! | 5 | any of these escaped or in base64, up to 16 layers deep; what is deeper | as it is written; a pseudonym, whole | `walk`, `escapes` |
//! | 6 | runs that nobody can read: hexadecimal, packed, mixed letters and digits | other such characters, whole | `opaque` |
//! | 7 | bytes that nobody can read | a keyed digest | `cipher` |
//! | 8 | a text that is a word of the protocol, and messages of Conax and the gateway themselves | stays | `names` |
//! | 9 | names of XML, namespaces, media types, charsets | stay, but for values of row 3 with digits | `walk` |
//! | 10 | all else | stays | |
//!
//! docs/recording.md has the same table for users, with what recording leaves out. Pseudonyms are a keyed permutation
//! (`cipher`), the same for the same value, so whoever has the key (`key`) gets back what was recorded, and a replay answers
//! with it.

mod cipher;
mod escapes;
mod key;
mod markup;
mod names;
mod opaque;
mod scope;
mod values;
mod walk;

use std::cell::RefCell;
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Config;
use crate::contract::Contract;
use crate::secret::Secret;
use cipher::Cipher;
pub use cipher::Direction;
use escapes::{Decoded, replace};
pub use key::{KeyFault, check_key, find_key, load_key};
use names::NameSet;
pub use names::Names;
pub use scope::Scope;
use values::Values;
use walk::{Places, Walk};

/// Makes pseudonyms and undoes them, with one key.
pub struct Pseudonymizer {
    names: Names,
    cipher: Cipher,
    /// Long values seen anywhere, real and as pseudonyms.
    real: RwLock<Values>,
    pseudonyms: RwLock<Values>,
}

impl Pseudonymizer {
    /// The pseudonymizer with the key that the configuration names; makes a key if there is none.
    ///
    /// # Errors
    /// The key's file cannot be read or made.
    pub fn open(config: &Config, contract: &Contract) -> Result<Arc<Self>, KeyFault> {
        let key = load_key(config.fixtures.key_file.as_deref(), &config.store.data_dir)?;
        Ok(Self::with_key(config, contract, key))
    }

    /// The pseudonymizer with this key, for the names of the contract and the configuration.
    pub fn with_key(config: &Config, contract: &Contract, key: [u8; 32]) -> Arc<Self> {
        let pseudonymizer = Self::new(Names::from_contract(contract, &config.fixtures.redact), key);
        // An answer of Conax may have the name of the user that signed in.
        let password = config.upstream.password.as_ref().map(|password| password.expose());
        config.upstream.username.as_deref().into_iter().chain(password).for_each(|value| pseudonymizer.remember(value));
        Arc::new(pseudonymizer)
    }

    /// A pseudonymizer without values.
    pub fn new(names: Names, key: [u8; 32]) -> Self {
        Self { names, cipher: Cipher::new(key), real: RwLock::default(), pseudonyms: RwLock::default() }
    }

    /// The name of the key.
    pub fn key_id(&self) -> String {
        self.cipher.id()
    }

    /// The names of personal data.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Remembers a value that is personal wherever it stands, in the texts of every exchange.
    pub fn remember(&self, value: &str) {
        self.remember_both(value, &self.turned(Direction::Pseudonymize, value));
    }

    fn remember_both(&self, real: &str, pseudonym: &str) {
        self.real.write().unwrap_or_else(PoisonError::into_inner).add(real);
        self.pseudonyms.write().unwrap_or_else(PoisonError::into_inner).add(pseudonym);
    }

    /// Opens a scope of texts that belong together: short values (PINs) are replaced inside this scope only.
    pub fn scope(&self, direction: Direction) -> Scope<'_> {
        Scope::new(self, direction, true)
    }

    /// Opens a scope whose values are forgotten afterwards.
    pub fn passing_scope(&self, direction: Direction) -> Scope<'_> {
        Scope::new(self, direction, false)
    }

    /// Replaces letters and digits of a text by others of their kind; all other characters stay.
    fn turned(&self, direction: Direction, text: &str) -> String {
        let known: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
        let mut turned = self.cipher.apply(direction, &known).into_iter();
        text.chars().map(|c| if c.is_alphanumeric() { turned.next().unwrap_or(c) } else { c }).collect()
    }

    /// Replaces an opaque text, whose shape stays opaque, so that the way back skips the same texts as the way there.
    fn turned_opaque(&self, direction: Direction, run: &str) -> String {
        let mut turned = self.turned(direction, run);
        while opaque::has_shape(run) && !opaque::has_shape(&turned) {
            turned = self.turned(direction, &turned);
        }
        turned
    }

    /// A digest in place of opaque bytes: the same for the same bytes.
    pub fn mark(&self, bytes: &[u8]) -> Vec<u8> {
        if bytes.starts_with(REPLACED) {
            bytes.to_vec()
        } else {
            [REPLACED, self.cipher.mark(bytes).as_bytes()].concat()
        }
    }
}

/// The beginning of a digest that stands for bytes.
const REPLACED: &[u8] = b"replaced whole: ";

/// The values in a text whose names mark them as secret.
pub fn secrets_in(names: &Names, text: &str) -> Vec<String> {
    values_in(&names.secret, text)
}

/// The values in a text whose names mark them as personal.
pub fn personal_in(names: &Names, text: &str) -> Vec<String> {
    values_in(&names.personal, text)
}

fn values_in(names: &NameSet, text: &str) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    walk::by_name(names, text, &|value| found.borrow_mut().push(value.to_owned()));
    found.into_inner()
}

/// Masks the values in a text whose names mark them as secret, and the given secrets wherever they stand by themselves.
pub fn mask(names: &Names, secrets: &[Secret], text: &str) -> String {
    let found = |places: &mut Places<'_>, _| {
        let found = secrets.iter().flat_map(|secret| secret.find_in(places.text)).collect::<Vec<_>>();
        found.into_iter().for_each(|at| places.put(at, Secret::mask()));
    };
    Walk { names: &names.secret, named: &|_| Secret::mask(), found: &found }.text(text, false)
}

/// Replaces each value whose name marks it as secret.
pub fn replace_secrets(names: &Names, new: &str, text: &str) -> String {
    Walk { names: &names.secret, named: &|_| new.to_owned(), found: &|_, _| {} }.text(text, false)
}

/// Rewrites the contents of the elements of these local names, at any depth, and the values of their attributes.
pub fn rewrite_inside(text: &str, names: &[&str], new: impl Fn(&str) -> String) -> String {
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let mut edits = Vec::new();
    markup::contents(text, |path, pieces| {
        let is_declaration = path.last().is_some_and(|name| name == markup::DECLARATION);
        if !is_declaration && path.iter().any(|name| names.contains(name)) {
            let said = Decoded::join(text, pieces);
            edits.extend(said.back(replace(&said.text, &(0..said.text.len()), &new(&said.text))));
        }
    });
    escapes::apply(text, edits)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::contract::ContractSource;

    /// A pseudonymizer with the names of the embedded contract, and this key.
    pub(crate) fn pseudonymizer(key: u8) -> Pseudonymizer {
        let contract = Contract::load(&ContractSource::Embedded).unwrap();
        Pseudonymizer::new(Names::from_contract(&contract, &[]), [key; 32])
    }
}
