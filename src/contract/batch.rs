//! `batch`: how many cards one call takes, where a set may have more. Checks that the operation can be called so.
//!
//! Rule: a set is split by its cards alone; everything else of a request stands in each of its calls.

use std::num::NonZeroUsize;

use super::bindings::RequestBinding;
use super::finding::Reported;
use super::operation::BoundField;
use super::plan::{Content, ElementPlan, Group, Message, Particle};
use super::request::RequestLoader;
use crate::request::{CARD_ID, RequestType};

impl RequestLoader<'_, '_> {
    /// How many cards a call of `request` takes at most, if that is limited.
    pub(super) fn batch(
        &self,
        request_type: RequestType,
        request: &RequestBinding,
        message: &Message,
        fields: &[BoundField],
    ) -> Result<Option<NonZeroUsize>, Reported> {
        let Some(written) = &request.batch else { return Ok(None) };
        let fault = |message: String| self.findings.report(&self.file.location(written), message);
        let batch = usize::try_from(*written.get_ref()).ok().and_then(NonZeroUsize::new);
        let batch = batch.ok_or_else(|| fault("batch is a number of cards, at least 1".to_owned()))?;
        if !request_type.fields().any(|field| field.name == CARD_ID && field.many) {
            return Err(fault(format!("{request_type} has no set of cards that could be split by batch")));
        }
        let mut places = fields.iter().filter(|field| field.source.fields().contains(&CARD_ID)).peekable();
        if places.peek().is_none() {
            return Err(fault(format!("batch splits by {CARD_ID}, which stands nowhere in the request")));
        }
        if let Some(single) = places.find(|field| !field.many && batch.get() > 1) {
            return Err(fault(format!("'{}' takes one card: batch can only be 1", single.path)));
        }
        let mut repeating = Vec::new();
        find_repeating(&message.root, &mut repeating);
        for Repeating { name, most, by } in repeating {
            if let Some(most) = most.filter(|most| *most < batch.get()) {
                return Err(fault(format!("batch is {batch}, and '{name}' takes at most {most} cards")));
            }
            let is_set = |name: &&String| request_type.fields().any(|field| field.name == *name && field.many);
            if let Some(other) = by.iter().filter(|name| *name != CARD_ID).find(is_set) {
                return Err(fault(format!("'{name}' pairs {other} with the cards, which batch would take apart")));
            }
        }
        Ok(Some(batch))
    }
}

/// An element or group that is written once per card.
struct Repeating<'p> {
    name: &'p str,
    most: Option<usize>,
    by: &'p [String],
}

fn find_repeating<'p>(plan: &'p ElementPlan, found: &mut Vec<Repeating<'p>>) {
    if let Content::Complex(group) = &plan.content {
        find_in_group(group, &plan.name.local, found);
    }
}

fn find_in_group<'p>(group: &'p Group, parent: &'p str, found: &mut Vec<Repeating<'p>>) {
    for member in &group.members {
        let name = if let Particle::Element(plan) = member { &*plan.name.local } else { parent };
        let by = member.filling().repeat_by.as_slice();
        if by.iter().any(|field| field == CARD_ID) {
            let most = member.occurs().max.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
            found.push(Repeating { name, most, by });
        }
        match member {
            Particle::Element(plan) => find_repeating(plan, found),
            Particle::Group(inner) => find_in_group(inner, parent, found),
            Particle::Open(_) => {}
        }
    }
}
