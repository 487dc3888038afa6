//! Joint calls: requests of the same type and content, each for cards of its own, sent in one call for all of the cards.
//!
//! Rule: each request stays a record of its own, with its own attempts and outcome. All values rendered from the
//! requests, except their cards, have to be equal. A request that may have arrived at Conax, or was rejected in a joint
//! call, is sent alone.

use sha2::{Digest as _, Sha256};

use super::history::Attempt;
use super::record::{NewRequest, ProvisioningRequest};
use crate::words::Word as _;

/// A call for several requests, stored before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JointCall {
    /// Id of the call.
    pub id: String,
    /// Numbers of the requests, in the order of their cards in the call.
    pub numbers: Vec<i64>,
    /// The SOAP request, with secrets masked.
    pub body: String,
}

impl NewRequest {
    /// The key shared by requests that may be sent in one call; `None` for a request that is sent alone.
    pub fn joint_key(&self) -> Option<[u8; 32]> {
        let fields = self.joint_fields.as_ref()?;
        let (family, priority) = (self.family.as_str(), self.priority.as_str());
        let content = serde_json::json!([family, self.request_type.as_str(), priority, fields]);
        Some(Sha256::digest(content.to_string()).into())
    }
}

impl ProvisioningRequest {
    /// The SOAP request of the last attempt, with secrets masked.
    pub fn last_text(&self) -> Option<&str> {
        match &self.joint_call {
            Some(call) => Some(&call.body),
            None => self.last_envelope().map(|envelope| envelope.redacted.as_str()),
        }
    }

    /// The SOAP request of an attempt, with secrets masked.
    pub fn text_of<'r>(&'r self, attempt: &'r Attempt) -> Option<&'r str> {
        match &attempt.joint_call {
            Some(call) => Some(&call.body),
            None => self.envelope_of(attempt.part).map(|envelope| envelope.redacted.as_str()),
        }
    }

    /// Lets the request be sent alone from now on.
    pub fn send_alone(&mut self) {
        if self.content.joint_fields.is_some() {
            std::sync::Arc::make_mut(&mut self.content).joint_fields = None;
        }
    }
}
