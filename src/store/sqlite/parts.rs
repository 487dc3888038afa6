//! The parts of requests that are sent in several calls.

use rusqlite::{Connection, params};

use super::columns::Columns;
use crate::request::PartState;
use crate::request::{NewRequest, ProvisioningRequest, State};
use crate::store::StoreError;
use crate::store::rows::{ChangedPart, NewPart, PART_COLUMNS, row_to_part, set_parts};
use crate::words::Word as _;

pub(super) fn insert_parts(db: &Connection, new: &NewRequest, number: i64) -> Result<(), StoreError> {
    if new.parts().is_empty() {
        return Ok(());
    }
    let mut statement = db.prepare_cached(
        "-- insert_parts
         INSERT INTO part (number, part, cards, body, raw_body, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for NewPart { part, cards, body, raw_body } in NewPart::all(new.parts())? {
        statement.execute(params![number, part, cards, body, raw_body, PartState::Pending.as_str()])?;
    }
    Ok(())
}

/// Writes changed parts. The secret body of a part is kept until the request has ended.
pub(super) fn update_parts(db: &Connection, request: &ProvisioningRequest) -> Result<(), StoreError> {
    if request.parts.is_empty() {
        return Ok(());
    }
    let mut statement = db.prepare_cached(
        "-- update_parts
         UPDATE part SET state = ?3, attempts = ?4, reference_number = ?5, failure = ?6, leaves_doubt = ?7
         WHERE number = ?1 AND part = ?2",
    )?;
    for changed in ChangedPart::all(request)? {
        let ChangedPart { part, state, attempts, reference_number, failure, leaves_doubt } = changed;
        statement.execute(params![request.number, part, state, attempts, reference_number, failure, leaves_doubt])?;
    }
    if request.state != State::Pending {
        db.prepare_cached(
            "-- update_parts: end\nUPDATE part SET raw_body = NULL WHERE number = ?1 AND raw_body IS NOT NULL",
        )?
        .execute([request.number])?;
    }
    Ok(())
}

/// Reads the parts of a record, if it has parts.
pub(super) fn read_parts(db: &Connection, mut request: ProvisioningRequest) -> Result<ProvisioningRequest, StoreError> {
    if !request.parts.is_empty() {
        let sql = format!("-- read_parts\nSELECT {PART_COLUMNS} FROM part WHERE number = ?1 ORDER BY part");
        let mut statement = db.prepare_cached(&sql)?;
        let parts = statement.query_map([request.number], |row| row_to_part(&Columns::new(row)))?;
        let parts = parts.map(|part| part.map(|(_, part, status)| (part, status)));
        set_parts(&mut request, parts.collect::<Result<_, _>>()?);
    }
    Ok(request)
}
