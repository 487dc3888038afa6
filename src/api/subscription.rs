//! The service and the card of a subscription, named by CRM.COM's identifiers or, in the web services family, by CA
//! IDs.

use super::device;
use super::draft::Draft;
use super::error::{ApiError, Code};
use super::identifier::{self, Identifier};
use crate::catalogue::{self, Entry, EntryKind};
use crate::request::{CARD_ID, Failure, Family, Parameter, SERVICE_ID, failure};

/// The set of cards that may replace the identifier of one card.
const CARD_SET: &str = "smartcard_set";

/// Takes a service. A request for a service without a CA ID is recorded as REJECTED and not sent.
pub(super) async fn take_service(draft: &mut Draft<'_>, name: &'static str) -> Result<(), ApiError> {
    if is_in_location_of(draft, SERVICE_ID, name)? {
        let value = draft.params.mandatory_text(SERVICE_ID)?;
        draft.set(SERVICE_ID, draft.params.location_of(SERVICE_ID), &value);
        draft.show(SERVICE_ID, Some(value));
        return Ok(());
    }
    let service = identifier::mandatory(&mut draft.params, name, &["id", "code", "alternative_code"])?;
    let entry = device::find(draft.api, EntryKind::Services, &service).await?;
    if entry.is_none() && draft.api.is_catalogue_strict() {
        return Err(device::not_found(EntryKind::Services, &service.value, service.location));
    }
    let ca_id = entry.and_then(|entry| entry.ca_id);
    match &ca_id {
        Some(ca_id) => draft.set(SERVICE_ID, service.location, ca_id),
        None => {
            let Identifier { field, value, .. } = service;
            let description = Some(format!("The service with {field} '{value}' has no CA ID in the catalogue."));
            let code = failure::SERVICE_NOT_MAPPED.to_owned();
            draft.rejection = Some(Failure { code, description, ..Failure::default() });
        }
    }
    draft.show(SERVICE_ID, ca_id);
    Ok(())
}

/// Takes a card. The serial number of an unknown card is its CA ID, unless the catalogue is strict.
pub(super) async fn take_card(draft: &mut Draft<'_>, parameter: &Parameter) -> Result<(), ApiError> {
    if is_in_location_of(draft, CARD_SET, parameter.name)? {
        return draft.take_card_set(CARD_SET, parameter.distribution).await;
    }
    let fields = ["id", "serial_number", "alternative_code"];
    let card = identifier::mandatory(&mut draft.params, parameter.name, &fields)?;
    let (ca_id, distribution_id) = match device::find(draft.api, EntryKind::Smartcards, &card).await? {
        Some(Entry { ca_id: Some(ca_id), distribution_id, .. }) => (ca_id, distribution_id),
        _ if card.field == "serial_number" && !draft.api.is_catalogue_strict() => (card.value, None),
        _ => return Err(device::not_found(EntryKind::Smartcards, &card.value, card.location)),
    };
    draft.set(CARD_ID, card.location, &ca_id);
    draft.show(CARD_ID, Some(ca_id.clone()));
    let own = || catalogue::own_distribution_id(EntryKind::Smartcards, &ca_id);
    draft.show_distribution(parameter.distribution, distribution_id.unwrap_or_else(own));
    draft.cards.push(ca_id);
    Ok(())
}

/// Is `one` given in place of `other`? Only the web services family allows `one`.
fn is_in_location_of(draft: &Draft<'_>, one: &'static str, other: &'static str) -> Result<bool, ApiError> {
    match (draft.family == Family::WebServices && draft.params.has(one), draft.params.has(other)) {
        (true, true) => {
            let message = format!("Only one of {one} and {other} may be given.");
            Err(ApiError::at(Code::ConflictingParameters, draft.params.location_of(one), message))
        }
        (is_given, _) => Ok(is_given),
    }
}
