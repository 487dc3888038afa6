//! Parameters of the methods that add, cancel and renew subscriptions: a service and a card, named as CRM.COM knows them
//! or, in the web services family, by their CA IDs.

use super::device;
use super::draft::{self, Draft, SUBSCRIBED_CARD};
use super::error::{ApiError, Code};
use super::identifier::{self, Identifier};
use crate::catalogue::{Entry, EntryKind};
use crate::request::{Failure, Family, RequestType, failure};

/// `add_subscriptions`, `cancel_subscriptions`, `renew_subscriptions`.
pub(super) async fn take(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    // The documents make it mandatory for their two methods.
    let is_documented = draft.family == Family::SmsSas && draft.kind != RequestType::RenewSubscriptions;
    if is_documented && draft.subscription.is_none() {
        return Err(ApiError::missing(draft.params.place_of("subscription_identifier")));
    }
    let takes_ca_ids = draft.family == Family::WebServices;
    if takes_ca_ids && is_in_place_of(draft, "service_ca_id", "service_identifier")? {
        draft.text("service_ca_id")?;
    } else {
        service(draft).await?;
    }
    if takes_ca_ids && is_in_place_of(draft, "smartcard_set", "smartcard_identifier")? {
        draft.card_set(&SUBSCRIBED_CARD).await?;
    } else {
        card(draft).await?;
    }
    let Some(date) = draft::date(draft.app.dates, &mut draft.params, "start_date")? else { return Ok(()) };
    let place = draft.params.place_of("start_date");
    // Where the message has a place for it, Conax gets the date now; else the request waits until then.
    if draft.kind.parameters().iter().any(|p| p.name == "start_date") {
        let text = draft.app.dates.print(date);
        draft.set("start_date", place, &text);
        draft.show("start_date", Some(text));
        return Ok(());
    }
    draft.schedule(place, date)
}

/// Is the one given in place of the other?
fn is_in_place_of(draft: &Draft<'_>, one: &'static str, other: &'static str) -> Result<bool, ApiError> {
    match (draft.params.has(one), draft.params.has(other)) {
        (true, true) => {
            let message = format!("Only one of {one} and {other} may be given.");
            Err(ApiError::at(Code::ConflictingParameters, draft.params.place_of(one), message))
        }
        (is_given, _) => Ok(is_given),
    }
}

async fn service(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    let fields = ["id", "code", "alternative_code"];
    let service = identifier::mandatory(&mut draft.params, "service_identifier", &fields)?;
    let entry = device::find(draft.app, EntryKind::Services, &service).await?;
    if entry.is_none() && draft.app.config.catalogue.strict {
        return Err(device::not_found(EntryKind::Services, &service.value, service.place));
    }
    let ca_id = entry.and_then(|entry| entry.ca_id);
    match &ca_id {
        Some(ca_id) => draft.set("service_ca_id", service.place, ca_id),
        None => {
            let Identifier { field, value, .. } = service;
            let description = Some(format!("The service with {field} '{value}' has no CA ID in the catalogue."));
            let code = failure::SERVICE_NOT_MAPPED.to_owned();
            draft.refusal = Some(Failure { code, description, ..Failure::default() });
        }
    }
    draft.show("service_ca_id", ca_id);
    Ok(())
}

/// The serial number of an unknown card is its CA ID, unless the catalogue is strict.
async fn card(draft: &mut Draft<'_>) -> Result<(), ApiError> {
    let fields = ["id", "serial_number", "alternative_code"];
    let card = identifier::mandatory(&mut draft.params, "smartcard_identifier", &fields)?;
    let (ca_id, distribution_id) = match device::find(draft.app, EntryKind::Smartcards, &card).await? {
        Some(Entry { ca_id: Some(ca_id), distribution_id, .. }) => (ca_id, distribution_id),
        _ if card.field == "serial_number" && !draft.app.config.catalogue.strict => (card.value, None),
        _ => return Err(device::not_found(EntryKind::Smartcards, &card.value, card.place)),
    };
    draft.set("smartcard_ca_id", card.place, &ca_id);
    draft.show("smartcard_ca_id", Some(ca_id.clone()));
    draft.show_distribution(&SUBSCRIBED_CARD, distribution_id);
    draft.cards.push(ca_id);
    Ok(())
}
