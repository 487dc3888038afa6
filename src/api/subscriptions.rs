//! What adding and cancelling a subscription share: one service and one card, named as CRM.COM knows them.

use super::create::{self, Ask, Common};
use super::error::ApiError;
use super::identifier::{self, Identifier};
use super::{Data, Params, Session, device};
use crate::app::App;
use crate::catalogue::{Entry, EntryKind};
use crate::request::{Failure, Family, Fields, Item, RequestType, failure};

pub(super) async fn call(
    app: &App,
    session: &Session,
    kind: RequestType,
    mut params: Params,
) -> Result<Data, ApiError> {
    let mut common = Common::take(app, &mut params)?;
    common.require_subscription(&params)?;
    let service = identifier::mandatory(&mut params, "service_identifier", &["id", "code", "alternative_code"])?;
    let card =
        identifier::mandatory(&mut params, "smartcard_identifier", &["id", "serial_number", "alternative_code"])?;
    let start_date = create::date(app, &mut params, "start_date")?;
    let start_date_place = params.place_of("start_date");
    params.finish()?;

    let service_entry = device::find(app, EntryKind::Services, &service).await?;
    if service_entry.is_none() && app.config.catalogue.strict {
        return Err(device::not_found(EntryKind::Services, &service.value, service.place));
    }
    let service_ca_id = service_entry.and_then(|entry| entry.ca_id);
    let (card_ca_id, distribution_id) = card_of(app, &card).await?;

    let mut items = vec![
        Item::new("service_ca_id", service_ca_id.clone()),
        Item::new("smartcard_ca_id", Some(card_ca_id.clone())),
        Item::new("sub_provisioning_distribution_id", distribution_id),
    ];
    let mut fields = Fields::new();
    fields.push("smartcard_ca_id", &card_ca_id);
    if let Some(date) = start_date {
        // Where the message has a place for it, Conax gets the date now; else the request waits until then.
        if kind.parameters().iter().any(|p| p.name == "start_date") {
            let text = app.dates.print(date);
            fields.push("start_date", &text);
            items.push(Item::new("start_date", Some(text)));
        } else {
            common.schedule(start_date_place, date)?;
        }
    }
    let message = match &service_ca_id {
        Some(ca_id) => {
            fields.push("service_ca_id", ca_id);
            Ok(fields)
        }
        None => Err(Failure {
            code: failure::SERVICE_NOT_MAPPED.to_owned(),
            description: Some(format!(
                "The service with {} '{}' has no CA ID in the catalogue.",
                service.field, service.value
            )),
            ..Failure::default()
        }),
    };
    let place_of = |field: &str, _: Option<usize>| match field {
        "smartcard_ca_id" => card.place.clone(),
        "service_ca_id" => service.place.clone(),
        other => format!("$.{other}"),
    };
    let cards = vec![card_ca_id];
    let ask = Ask { family: Family::SmsSas, kind, items, cards, boxes: Vec::new(), message };
    create::create(app, session, common, ask, place_of).await
}

/// CA ID and distribution id of a card. The serial number of an unknown card is its CA ID, unless the catalogue is
/// strict.
async fn card_of(app: &App, card: &Identifier) -> Result<(String, Option<String>), ApiError> {
    match device::find(app, EntryKind::Smartcards, card).await? {
        Some(Entry { ca_id: Some(ca_id), distribution_id, .. }) => Ok((ca_id, distribution_id)),
        _ if card.field == "serial_number" && !app.config.catalogue.strict => Ok((card.value.clone(), None)),
        _ => Err(device::not_found(EntryKind::Smartcards, &card.value, card.place.clone())),
    }
}
