//! Reads the bindings' rules for an operation's answers: those of the request type, or the defaults for all types.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bindings::{AnswerBinding, BindingsFile, Text};
use super::finding::{Findings, Reported};
use super::plan::Message;
use super::simple::SimpleType;
use super::verdict::{FaultTest, StatusTest, Verdicts};
use crate::request::Classification;

/// The rules for the answers of one request type: each its own, or else the default.
pub(super) struct AnswerRules<'b> {
    file: &'b BindingsFile,
    own: &'b AnswerBinding,
    default: &'b AnswerBinding,
}

/// A path into an answer. A default path may lead nowhere in some answers; a request type's own path must lead somewhere.
#[derive(Clone, Copy)]
pub(super) struct AnswerPath<'b> {
    pub(super) path: &'b Text,
    pub(super) is_own: bool,
}

impl<'b> AnswerRules<'b> {
    pub(super) fn new(file: &'b BindingsFile, own: &'b AnswerBinding) -> Self {
        Self { file, own, default: &file.bindings.answer }
    }

    /// The path of the status; `None` if an answer of that shape has none.
    pub(super) fn status(&self, output: Option<&Message>) -> Option<&'b Text> {
        match (&self.own.status, &self.default.status) {
            (Some(own), _) => Some(own).filter(|path| !path.get_ref().is_empty()),
            // Where an answer can hold nothing, nothing is missing.
            (None, _) if output.is_none_or(Message::is_void) => None,
            (None, default) => default.as_ref().filter(|path| !path.get_ref().is_empty()),
        }
    }

    /// The path of the status, for an answer of any shape.
    pub(super) fn any_status(&self) -> Option<&'b Text> {
        self.own.status.as_ref().or(self.default.status.as_ref()).filter(|path| !path.get_ref().is_empty())
    }

    pub(super) fn reference(&self) -> Option<AnswerPath<'b>> {
        own_or_default(self.own.reference.as_ref(), self.default.reference.as_ref())
    }

    pub(super) fn message(&self) -> Option<AnswerPath<'b>> {
        own_or_default(self.own.message.as_ref(), self.default.message.as_ref())
    }

    /// The meanings of statuses and faults; `status` is the type of the status.
    pub(super) fn verdicts(
        &self,
        at: &Text,
        output: Option<&Message>,
        status: Option<Arc<SimpleType>>,
        findings: &Findings,
    ) -> Result<Verdicts, Reported> {
        let codes = self.own.status_codes.as_ref().or(self.default.status_codes.as_ref());
        let mut statuses = self.classes(codes, StatusTest::parse, findings);
        let has = |statuses: &[(StatusTest, Classification)], wanted: fn(&StatusTest) -> bool| {
            statuses.iter().any(|(test, class)| wanted(test) && *class == Classification::Completed)
        };
        let is_absent_said = statuses.iter().any(|(test, _)| *test == StatusTest::Absent);
        let location = |text: Option<&Text>| self.file.location(text.unwrap_or(at));
        let outcome = match &status {
            Some(_) if !has(&statuses, |_| true) => {
                let path = self.own.status.as_ref().or(self.default.status.as_ref());
                Err(findings.report(&location(path), "no status code means 'completed'"))
            }
            Some(simple) => self.check_codes(simple, findings),
            None if is_absent_said => Ok(()),
            None if output.is_none_or(Message::is_void) => {
                statuses.push((StatusTest::Absent, Classification::Completed));
                Ok(())
            }
            None => {
                let message =
                    format!("{} has no status: \"\" in status_codes has to say what that means", at.get_ref());
                Err(findings.report(&location(self.own.status.as_ref()), message))
            }
        };
        let mut faults = Vec::new();
        for (own, default, test) in [
            (&self.own.fault_codes, &self.default.fault_codes, FaultTest::code as fn(&str) -> FaultTest),
            (&self.own.fault_strings, &self.default.fault_strings, FaultTest::string),
            (&self.own.fault_details, &self.default.fault_details, FaultTest::detail),
        ] {
            faults.extend(self.classes(own.as_ref().or(default.as_ref()), test, findings));
        }
        outcome.map(|()| Verdicts::new(statuses, faults, status))
    }

    /// Reports a request type's own code that no status can be.
    fn check_codes(&self, simple: &SimpleType, findings: &Findings) -> Result<(), Reported> {
        let mut outcome = Ok(());
        for code in self.own.status_codes.iter().flat_map(BTreeMap::keys) {
            if let Err(must) = StatusTest::parse(code.get_ref()).check(simple) {
                let message = format!("no status is '{}': it {must}", code.get_ref());
                outcome = Err(findings.report(&self.file.location(code), message));
            }
        }
        outcome
    }

    fn classes<T>(
        &self,
        codes: Option<&BTreeMap<Text, Text>>,
        test: impl Fn(&str) -> T,
        findings: &Findings,
    ) -> Vec<(T, Classification)> {
        let known = codes.into_iter().flatten().filter_map(|(code, class)| {
            let meant = class_named(class.get_ref());
            if meant.is_none() {
                let message = format!("'{}' is none of completed, rejected, retry, login", class.get_ref());
                findings.report(&self.file.location(class), message);
            }
            Some((test(code.get_ref()), meant?))
        });
        known.collect()
    }
}

fn own_or_default<'b>(own: Option<&'b Text>, default: Option<&'b Text>) -> Option<AnswerPath<'b>> {
    let (path, is_own) = own.map(|path| (path, true)).or(default.map(|path| (path, false)))?;
    Some(AnswerPath { path, is_own }).filter(|found| !found.path.get_ref().is_empty())
}

/// The class of that name in the bindings.
fn class_named(name: &str) -> Option<Classification> {
    match name {
        "completed" => Some(Classification::Completed),
        "rejected" => Some(Classification::Rejected),
        "retry" => Some(Classification::RetryLater),
        "login" => Some(Classification::SessionEnded),
        _ => None,
    }
}
