//! The requests of a folder of cases for a replay. They are read before the key is known: a start first checks the
//! folder, and then replays it.

use std::path::{Path, PathBuf};

use super::case::{Case, CaseFault};
use super::files::{read_cases, read_each};
use super::index::{IndexedCase, RequestKey};
use super::message::Message;
use super::redact;
use crate::redaction::Pseudonymizer;

/// A folder of cases by their requests; the answers stay in their files.
pub struct ReplayFolder {
    pub(super) root: PathBuf,
    /// The cases that have a request.
    pub(super) cases: Vec<(RequestKey, IndexedCase)>,
    /// The folders of cases with pseudonyms, each with the id of their key.
    redacted: Vec<(PathBuf, String)>,
}

impl ReplayFolder {
    /// Reads the requests of a folder.
    ///
    /// # Errors
    /// A list of all files that cannot be used.
    pub fn read(root: &Path) -> Result<Self, Vec<CaseFault>> {
        let (mut cases, mut redacted) = (Vec::new(), Vec::new());
        let read = read_cases(root, |folder| {
            let case = Case::read_request(folder)?;
            let key = case.exchange.redacted_with.clone().map(|key| (folder.to_owned(), key));
            let indexed = case.request.as_ref().map(|request| {
                let message = Message::from_body(request, Some(case.exchange.request_type()));
                (RequestKey::new(&message, &case.exchange.volatile), message)
            });
            Ok((indexed.map(|(request, message)| (request, IndexedCase::new(case, &message))), key))
        })?;
        for (case, key) in read {
            cases.extend(case);
            redacted.extend(key);
        }
        Ok(Self { root: root.to_owned(), cases, redacted })
    }

    /// Lets the pseudonymizer learn the cases with pseudonyms of its key; returns true if there are any.
    pub(super) fn learn(&self, pseudonymizer: &Pseudonymizer) -> Result<bool, Vec<CaseFault>> {
        let key = pseudonymizer.key_id();
        let own: Vec<_> = self.redacted.iter().filter(|(_, id)| *id == key).map(|(folder, _)| folder.clone()).collect();
        let learnt = read_each(&own, |folder| Ok(redact::learn_own(pseudonymizer, &Case::from_folder(folder)?)))?;
        Ok(!learnt.is_empty())
    }
}
