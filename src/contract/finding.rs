//! Findings: the faults of a contract, with file and line. All faults are collected; a function that fails has already
//! reported the reason.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The place of a declaration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// File, relative to the contract's folder.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A fault of a contract.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The place of the fault.
    pub location: Location,
    /// The fault, for the person who can change the file.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)
    }
}

/// Proof that a finding was reported, returned by a failing function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// The findings so far, each once.
#[derive(Default)]
pub(super) struct Findings(RefCell<BTreeSet<Finding>>);

impl Findings {
    pub(super) fn report(&self, location: &Location, message: impl Into<String>) -> Reported {
        self.0.borrow_mut().insert(Finding { location: location.clone(), message: message.into() });
        Reported
    }

    /// Takes over findings of an attempt.
    pub(super) fn absorb(&self, found: impl IntoIterator<Item = Finding>) {
        self.0.borrow_mut().extend(found);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// All findings, by file and line.
    pub(super) fn to_sorted(&self) -> Vec<Finding> {
        self.0.borrow().iter().cloned().collect()
    }
}

/// All the results, or [`Reported`] if any failed; unlike `collect`, it runs the iterator to its end, so that every
/// fault is reported.
pub(super) fn all<T>(results: impl Iterator<Item = Result<T, Reported>>) -> Result<Vec<T>, Reported> {
    let (mut values, mut outcome) = (Vec::new(), Ok(()));
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(reported) => outcome = Err(reported),
        }
    }
    outcome.map(|()| values)
}
