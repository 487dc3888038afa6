//! `GET …/list`: records by filters that combine with AND, oldest first.

use strum::VariantArray as _;

use super::error::{ApiError, Code};
use super::fields_set::FieldsSet;
use super::{Api, Data, Params, Record, Session, data};
use crate::request::{Family, RequestType, State};
use crate::search::{Condition, Patterns, Search, Standing};
use crate::store::{DeviceKind, RequestQuery};
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
        Family::WebServices | Family::Panaccess => params.text("reference_number")?,
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
        let reference = if family != Family::SmsSas { "reference_number, " } else { "" };
        let message = format!("One of type, life_cycle_state, {reference}smartcard_ca_id, stb_ca_id is mandatory.");
        return Err(ApiError::at(Code::MissingParameter, "$", message));
    }
    let mut search = Search::default();
    let state = state.map(|state| Condition::State(vec![Standing::Request(state)]));
    let request_type = request_type.map(|request_type| Condition::Type(Patterns::literal(request_type.as_str())));
    let reference = reference_number.map(|reference| Condition::Reference(Patterns::literal(reference)));
    let devices = [(DeviceKind::Card, card), (DeviceKind::Stb, stb)];
    let devices = devices.iter().filter_map(|(kind, ca_id)| Some(kind.condition(ca_id.as_ref()?)));
    state
        .into_iter()
        .chain(request_type)
        .chain(reference)
        .chain(devices)
        .for_each(|condition| search.require(condition));
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let query = RequestQuery { search, family: Some(family), after, offset, limit, ..RequestQuery::default() };
    let records = api.store.list_requests(query).await?;
    let records: Vec<_> = records.iter().map(|request| fields_set.apply(Record::new(request, api.dates))).collect();
    data(&records)
}
