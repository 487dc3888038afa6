//! Takes what is personal out of recorded traffic, so that it can be given away. docs/recording.md has the rules as a table.
//!
//! What is personal by its name (`names`) becomes a pseudonym as a whole, and is remembered; what was remembered becomes
//! its pseudonym wherever else it stands (`values`); and what nobody can look into is replaced whole (`opaque`). All of it
//! in texts inside texts (`walk`): in markup (`markup`), escaped (`escapes`), and in base64. Pseudonyms are a keyed
//! permutation (`cipher`), the same for the same value, so whoever has the key (`key`) gets back what was recorded, and a
//! replay answers with it.

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
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use crate::request::Secret;
use cipher::Cipher;
pub use cipher::Direction;
use escapes::Edit;
pub use key::{KeyFault, check_key, find_key, load_key};
pub use names::Names;
use names::Wanted;
pub use scope::Scope;
use values::Values;
use walk::Walk;

/// Makes pseudonyms and undoes them, with one key.
pub struct Pseudonymizer {
    names: Names,
    cipher: Cipher,
    /// Long values seen anywhere, as they are and as pseudonyms.
    real: RwLock<Values>,
    pseudonyms: RwLock<Values>,
}

impl Pseudonymizer {
    /// One that knows no value yet.
    pub fn new(names: Names, key: [u8; 32]) -> Self {
        Self { names, cipher: Cipher::new(key), real: RwLock::default(), pseudonyms: RwLock::default() }
    }

    /// The name of the key.
    pub fn key_id(&self) -> String {
        self.cipher.id()
    }

    /// What is personal by its name.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Remembers a value that is personal wherever it stands, in texts that belong to another one, too.
    pub fn remember(&self, value: &str) {
        self.remember_both(value, &self.turned(Direction::Pseudonymize, value));
    }

    fn remember_both(&self, real: &str, pseudonym: &str) {
        self.real.write().unwrap_or_else(PoisonError::into_inner).add(real);
        self.pseudonyms.write().unwrap_or_else(PoisonError::into_inner).add(pseudonym);
    }

    /// Begins with texts that belong together: what is short (a PIN) is replaced in these only.
    pub fn scope(&self, direction: Direction) -> Scope<'_> {
        Scope::new(self, direction, true)
    }

    /// The same, and what they name is forgotten afterwards.
    pub fn passing_scope(&self, direction: Direction) -> Scope<'_> {
        Scope::new(self, direction, false)
    }

    /// Letters and digits of a text as others of their kind; all else in it stays.
    fn turned(&self, direction: Direction, text: &str) -> String {
        let known: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
        let mut turned = self.cipher.apply(direction, &known).into_iter();
        text.chars().map(|c| if c.is_alphanumeric() { turned.next().unwrap_or(c) } else { c }).collect()
    }

    /// The same for what nobody can look into, which keeps the shape that tells so: whatever is walked over on the way
    /// there is walked over on the way back.
    fn turned_opaque(&self, direction: Direction, run: &str) -> String {
        let mut turned = self.turned(direction, run);
        while opaque::has_shape(run) && !opaque::has_shape(&turned) {
            turned = self.turned(direction, &turned);
        }
        turned
    }

    /// Stands for bytes that nobody can look into: always the same for the same bytes.
    pub fn mark(&self, bytes: &[u8]) -> Vec<u8> {
        if bytes.starts_with(REPLACED) {
            bytes.to_vec()
        } else {
            [REPLACED, self.cipher.mark(bytes).as_bytes()].concat()
        }
    }
}

/// How what stands for bytes begins.
const REPLACED: &[u8] = b"replaced whole: ";

/// What is secret by name in a text.
pub fn secrets_in(names: &Names, text: &str) -> Vec<String> {
    named_in(names, Wanted::Secret, text)
}

/// What is personal by name in a text.
pub fn personal_in(names: &Names, text: &str) -> Vec<String> {
    named_in(names, Wanted::Personal, text)
}

fn named_in(names: &Names, wanted: Wanted, text: &str) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    walk::by_name(names, wanted, text, &|value| found.borrow_mut().push(value.to_owned()));
    found.into_inner()
}

/// Masks what is secret by name in a text, and these secrets wherever they stand by themselves in its contents.
pub fn mask(names: &Names, secrets: &[Secret], text: &str) -> String {
    let found = |_, text: &str| {
        let mut places: Vec<Range<usize>> = secrets.iter().flat_map(|secret| secret.find_in(text)).collect();
        places.sort_by_key(|place| place.start);
        places.dedup_by(|next, before| next.start < before.end);
        places.into_iter().map(|at| Edit { at, text: Secret::mask() }).collect()
    };
    Walk { names, wanted: Wanted::Secret, named: &|_| Secret::mask(), found: &found }.text(text)
}

/// Puts another text where something secret by name stands.
pub fn replace_secrets(names: &Names, new: &str, text: &str) -> String {
    Walk { names, wanted: Wanted::Secret, named: &|_| new.to_owned(), found: &|_, _| Vec::new() }.text(text)
}

/// Rewrites what is inside the elements of these local names, at any depth, and the values of their attributes.
pub fn rewrite_inside(text: &str, names: &[&str], new: impl Fn(&str) -> String) -> String {
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let mut edits = Vec::new();
    markup::contents(text, |markup::Content { path, attribute, pieces }| {
        if attribute != Some(markup::DECLARATION) && path.iter().any(|name| names.contains(name)) {
            let said: String = pieces.iter().filter_map(|piece| text.get(piece.clone())).collect();
            let mut new = Some(new(&said));
            edits.extend(pieces.iter().map(|at| Edit { at: at.clone(), text: new.take().unwrap_or_default() }));
        }
    });
    escapes::apply(text, edits)
}
