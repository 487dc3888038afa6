//! The cases of a folder as the recorder keeps them in memory: enough to find the case that an exchange belongs to.

use super::case::{Case, Exchange, FailureStage};
use super::index::{Index, RequestKey};
use super::message::{Digest, Message};
use super::message_rules::MessageRules;

/// A case in the folder, without its bodies, which would fill the memory in a long recording.
pub(super) struct KnownCase {
    pub(super) name: String,
    volatile: Vec<String>,
    answer: Answer,
}

/// The parts of an answer by which two exchanges with the same request are compared.
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
        let request = Message::from_body(case.request.as_deref().unwrap_or_default(), Some(exchange.request_type()));
        let response = case.response.as_ref().map(|body| Message::from_body(body, exchange.response_type()));
        Self { case, request, response }
    }

    /// The answer for comparison, without the elements that are volatile here.
    fn answer(&self, message_rules: &MessageRules, volatile: &[String]) -> Answer {
        let volatile = [message_rules.volatile.as_slice(), volatile].concat();
        Answer {
            body: self.response.as_ref().map(|response| response.digest(&volatile)),
            http_status: self.case.exchange.http_status,
            failure: self.case.exchange.failure.as_ref().map(|failure| failure.stage),
        }
    }

    /// The case as the recorder keeps it in memory, and its key in the index.
    pub(super) fn into_known(self, message_rules: &MessageRules) -> (RequestKey, KnownCase) {
        let answer = self.answer(message_rules, &self.case.exchange.volatile);
        let Case { name, exchange: Exchange { volatile, .. }, .. } = self.case;
        (RequestKey::new(&self.request, &volatile), KnownCase { name, volatile, answer })
    }

    /// The position of the first of these cases that has the same answer.
    pub(super) fn find_answer(
        &self,
        index: &Index<KnownCase>,
        places: &[usize],
        message_rules: &MessageRules,
    ) -> Option<usize> {
        let mut last: Option<(&[String], Answer)> = None;
        places.iter().position(|place| {
            let Some(KnownCase { volatile, answer, .. }) = index.get(*place) else { return false };
            // Computed again only if the volatile elements differ from those of the case before.
            if last.as_ref().is_none_or(|(last, _)| last != volatile) {
                last = Some((volatile, self.answer(message_rules, volatile)));
            }
            last.as_ref().is_some_and(|(_, own)| own == answer)
        })
    }
}
