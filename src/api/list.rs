//! `GET …/list`: records by filters that combine with AND, oldest first.

use strum::VariantArray as _;

use super::error::{ApiError, Code};
use super::fields_set::FieldsSet;
use super::{Api, Data, Params, Record, Session, data};
use crate::request::{Family, RequestType, State};
use crate::store::Filter;
use crate::words::Word as _;

/// Records of a page without number_of_results.
const PAGE: u64 = 100;
/// Most records of a page.
const MAX_PAGE: u64 = 1000;

/// Lists the records that pass all filters.
///
/// # Errors
/// A wrong parameter, or the store.
pub async fn call(api: &Api, _: &Session, family: Family, mut params: Params) -> Result<Data, ApiError> {
    let types: Vec<_> = RequestType::of_family(family).collect();
    let request_type = params.word("type", &types, RequestType::as_str)?;
    let state = params.word("life_cycle_state", State::VARIANTS, State::as_str)?;
    let reference_number = match family {
        Family::WebServices => params.text("reference_number")?,
        Family::SmsSas => None,
    };
    let card = params.text("smartcard_ca_id")?;
    let stb = params.text("stb_ca_id")?;
    let limit = params.count("number_of_results", MAX_PAGE)?.unwrap_or(PAGE);
    let offset = params.count("offset", i64::MAX.unsigned_abs())?.unwrap_or(0);
    let after = params.count("after", i64::MAX.unsigned_abs())?.unwrap_or(0);
    let fields_set = FieldsSet::take(&mut params)?;
    params.finish()?;
    if request_type.is_none() && state.is_none() && reference_number.is_none() && card.is_none() && stb.is_none() {
        let reference = if family == Family::WebServices { "reference_number, " } else { "" };
        let message = format!("One of type, life_cycle_state, {reference}smartcard_ca_id, stb_ca_id is mandatory.");
        return Err(ApiError::at(Code::MissingParameter, "$", message));
    }
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let family = Some(family);
    let filter =
        Filter { family, request_type, state, reference_number, card, stb, after, offset, limit, ..Filter::default() };
    let records = api.store.list_requests(filter).await?;
    let records: Vec<_> = records.iter().map(|request| fields_set.apply(Record::new(request, api.dates))).collect();
    data(&records)
}
