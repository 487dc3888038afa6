//! The parts of requests that are sent in several calls.

use std::collections::HashMap;

use super::columns::{Columns, storable, storable_option};
use super::database::Transaction;
use super::fault::Fault;
use super::script::{Script, values};
use crate::request::{Part, PartState, PartStatus, ProvisioningRequest, State};
use crate::store::rows::{ChangedPart, NewPart, PART_COLUMNS, row_to_part, set_parts};
use crate::words::Word as _;

pub(super) fn insert_parts<'a>(
    script: &mut Script<'a>,
    requests: impl Iterator<Item = (i64, &'a [Part])>,
) -> Result<(), Fault> {
    let (mut numbers, mut counts, mut cards, mut bodies, mut raw) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (number, parts) in requests {
        for new in NewPart::all(parts)? {
            numbers.push(number);
            counts.push(new.part);
            cards.push(new.cards);
            bodies.push(new.body);
            raw.push(new.raw_body);
        }
    }
    if numbers.is_empty() {
        return Ok(());
    }
    let sql = "-- insert_parts
        INSERT INTO part (number, part, cards, body, raw_body, state)
        SELECT number, part, cards, body, raw_body, $6
        FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[])
            AS new (number, part, cards, body, raw_body)";
    script.add(sql, values![numbers, counts, cards, bodies, raw, PartState::Pending.as_str()]);
    Ok(())
}

/// Writes changed parts of requests. The secret body of a part is kept until the request has ended.
pub(super) fn update_parts<'a>(
    script: &mut Script<'a>,
    requests: impl Iterator<Item = &'a ProvisioningRequest>,
) -> Result<(), Fault> {
    let (mut numbers, mut counts, mut states, mut attempts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut references, mut failures, mut doubts) = (Vec::new(), Vec::new(), Vec::new());
    let mut ended = Vec::new();
    for request in requests.filter(|request| !request.parts.is_empty()) {
        for changed in ChangedPart::all(request)? {
            numbers.push(request.number);
            counts.push(changed.part);
            states.push(changed.state);
            attempts.push(i64::from(changed.attempts));
            references.push(changed.reference_number.map(|text| storable(text).into_owned()));
            failures.push(storable_option(changed.failure.as_ref()).map(std::borrow::Cow::into_owned));
            doubts.push(changed.leaves_doubt);
        }
        if request.state != State::Pending {
            ended.push(request.number);
        }
    }
    if !numbers.is_empty() {
        let sql = "-- update_parts
            UPDATE part p SET state = new.state, attempts = new.attempts, reference_number = new.reference,
                failure = new.failure, leaves_doubt = new.doubt
            FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::boolean[])
                AS new (number, part, state, attempts, reference, failure, doubt)
            WHERE p.number = new.number AND p.part = new.part";
        script.add(sql, values![numbers, counts, states, attempts, references, failures, doubts]);
    }
    if !ended.is_empty() {
        let sql = "-- update_parts: end
            UPDATE part SET raw_body = NULL WHERE number = ANY ($1) AND raw_body IS NOT NULL";
        script.add(sql, values![ended]);
    }
    Ok(())
}

/// Reads the parts of those records that have parts.
pub(super) async fn read_parts(
    transaction: &Transaction,
    requests: impl IntoIterator<Item = &mut ProvisioningRequest>,
) -> Result<(), Fault> {
    let mut requests: Vec<_> = requests.into_iter().filter(|request| !request.parts.is_empty()).collect();
    if requests.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = requests.iter().map(|request| request.number).collect();
    let sql = format!("-- read_parts\nSELECT {PART_COLUMNS} FROM part WHERE number = ANY ($1) ORDER BY number, part");
    let mut parts: HashMap<i64, Vec<(Part, PartStatus)>> = HashMap::new();
    for row in transaction.query(&sql, &[&numbers]).await? {
        let (number, part, status) = row_to_part(&Columns(&row))?;
        parts.entry(number).or_default().push((part, status));
    }
    for request in &mut requests {
        set_parts(request, parts.remove(&request.number).unwrap_or_default());
    }
    Ok(())
}
