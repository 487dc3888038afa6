//! Joint calls.
//!
//! Rule: the answer to a joint call stands once, with the call; the attempts that were made in it show it from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ReadColumns;
use crate::request::{Attempt, JointCall};
use crate::store::AttemptCommit;

/// The answer to the attempt `a`, as SQL: that of a joint call stands with the call. Without a status no answer came, whatever came
/// to others in the call.
pub(in crate::store) const RESPONSE: &str = "coalesce(a.response, \
     (SELECT answered.response FROM joint_call answered WHERE answered.id = a.joint_call AND a.http_status IS NOT NULL))";

/// Reads the columns `joint_id`, `joint_numbers` and `joint_body`.
pub(super) fn read_joint_call<C: ReadColumns>(row: &C) -> Result<Option<Arc<JointCall>>, C::Error> {
    let Some(id) = row.optional("joint_id")? else { return Ok(None) };
    Ok(Some(Arc::new(JointCall { id, numbers: row.json("joint_numbers")?, body: row.get("joint_body")? })))
}

/// The answers to the joint calls of attempts, by the ids of the calls.
pub(in crate::store) fn joint_responses(batch: &[AttemptCommit]) -> BTreeMap<&str, &Arc<str>> {
    let attempts = batch.iter().filter_map(|commit| commit.attempt.as_ref());
    attempts.filter_map(|a| Some((a.joint_call.as_ref()?.id.as_str(), a.response.as_ref()?))).collect()
}

/// The answer that is written with an attempt.
pub(in crate::store) fn own_response(attempt: &Attempt) -> Option<&Arc<str>> {
    attempt.response.as_ref().filter(|_| attempt.joint_call.is_none())
}
