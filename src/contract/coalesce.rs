//! `coalesce`: whether requests of the same content are sent in one call, a record each. Checks that their messages can be equal but
//! for the cards, and that an answer for all of them is one for each.

use super::bindings::RequestBinding;
use super::finding::Reported;
use super::operation::Operation;
use super::request::RequestLoader;
use crate::request::{CARD_ID, CONTEXT, SEQUENCE_NUMBER};

impl RequestLoader<'_, '_> {
    /// Reports why requests cannot be sent in one call, if `request` wants that.
    pub(super) fn check_coalesce(&self, request: &RequestBinding, operation: &Operation) -> Result<(), Reported> {
        let Some(written) = request.coalesce.as_ref().filter(|coalesce| *coalesce.get_ref()) else { return Ok(()) };
        let fault = |message: String| Err(self.findings.report(&self.file.location(written), message));
        let request_type = operation.request_type;
        // `batch` has seen that a call takes so many cards, and that no other set is paired with them.
        if operation.batch.is_none_or(|batch| batch.get() < 2) {
            return fault("coalesce needs batch, how many cards one call takes: at least 2".to_owned());
        }
        if request_type.is_query() {
            return fault(format!("{request_type} is a query, whose answer is for one request"));
        }
        if let Some(secret) = request_type.secret() {
            return fault(format!("{request_type} has a secret, {secret}, which is kept for its request alone"));
        }
        if request_type.fields().any(|field| field.name == SEQUENCE_NUMBER) {
            return fault(format!("{request_type} has a {SEQUENCE_NUMBER} of its own in each message"));
        }
        let mut names = operation.templates().flat_map(|template| template.names());
        if let Some(name) = names.find(|name| CONTEXT.contains(name)) {
            return fault(format!("a value of {request_type} has '{name}', which differs from request to request"));
        }
        let mut headers = operation.headers.iter().flat_map(|piece| piece.templates());
        if headers.any(|template| template.names().any(|name| name == CARD_ID)) {
            return fault(format!("a header of {request_type} names one card"));
        }
        Ok(())
    }
}
