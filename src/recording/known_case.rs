//! What a recorder knows of the cases in its folder: enough to find out which of them an exchange belongs to.

use super::case::{Case, Exchange, FailureStage};
use super::index::Index;
use super::message::{Digest, Message};
use super::message_rules::MessageRules;

/// A case in the folder, without its bodies: a long recording would fill the memory with them.
pub(super) struct KnownCase {
    pub(super) name: String,
    volatile: Vec<String>,
    answer: Answer,
}

/// What two exchanges of the same request are compared by.
#[derive(PartialEq, Eq)]
struct Answer {
    body: Option<Digest>,
    http_status: Option<u16>,
    failure: Option<FailureStage>,
}

/// A case with its messages read.
pub(super) struct ReadCase {
    pub(super) case: Case,
    pub(super) request: Message,
    pub(super) response: Option<Message>,
}

impl ReadCase {
    pub(super) fn new(case: Case) -> Self {
        let exchange = &case.exchange;
        let request = Message::read(case.request.as_deref().unwrap_or_default(), Some(exchange.request_type()));
        let response = case.response.as_ref().map(|body| Message::read(body, exchange.response_type()));
        Self { case, request, response }
    }

    /// What is compared, without the elements that are volatile here.
    fn answer(&self, message_rules: &MessageRules, volatile: &[String]) -> Answer {
        let volatile = [message_rules.volatile.as_slice(), volatile].concat();
        Answer {
            body: self.response.as_ref().map(|response| response.digest(&volatile)),
            http_status: self.case.exchange.http_status,
            failure: self.case.exchange.failure.as_ref().map(|failure| failure.stage),
        }
    }

    /// Adds the case to those that are known; returns its place there.
    pub(super) fn add_to(self, index: &mut Index<KnownCase>, message_rules: &MessageRules) -> usize {
        let answer = self.answer(message_rules, &self.case.exchange.volatile);
        let Case { name, exchange: Exchange { volatile, .. }, .. } = self.case;
        index.add(&self.request, &volatile.clone(), KnownCase { name, volatile, answer })
    }

    /// How many of these cases come before the first that has this case's answer.
    pub(super) fn find_answer(
        &self,
        index: &Index<KnownCase>,
        places: &[usize],
        message_rules: &MessageRules,
    ) -> Option<usize> {
        let mut last: Option<(&[String], Answer)> = None;
        places.iter().position(|place| {
            let Some(KnownCase { volatile, answer, .. }) = index.get(*place) else { return false };
            // Most have the same volatile elements as the one before.
            if last.as_ref().is_none_or(|(last, _)| last != volatile) {
                last = Some((volatile, self.answer(message_rules, volatile)));
            }
            last.as_ref().is_some_and(|(_, own)| own == answer)
        })
    }
}
