//! `POST …/create_pairing`, in both families: pairs each card of a set with each box of another.

use super::create::{self, Ask, Common};
use super::error::ApiError;
use super::{Data, Params, Session, device};
use crate::app::App;
use crate::catalogue::EntryKind;
use crate::request::{Family, Fields, Item, RequestType};

/// The method.
///
/// # Errors
/// A parameter, or the store.
pub async fn call(app: &App, session: &Session, family: Family, mut params: Params) -> Result<Data, ApiError> {
    let common = Common::take(app, &mut params)?;
    let cards = device::take_set(&mut params, "smartcard_set", "smartcard_ca_id")?;
    let boxes = device::take_set(&mut params, "stb_set", "stb_ca_id")?;
    params.finish()?;

    let place_of = |field: &str, index: Option<usize>| {
        let set = if field == "stb_ca_id" { "stb_set" } else { "smartcard_set" };
        // A value that stands alone has no index there.
        format!("$.{set}[{}].{field}", index.unwrap_or(0))
    };
    let card_place = |index| place_of("smartcard_ca_id", Some(index));
    let box_place = |index| place_of("stb_ca_id", Some(index));
    let card_distributions = device::distribution_ids(app, EntryKind::Smartcards, &cards, card_place).await?;
    let box_distributions = device::distribution_ids(app, EntryKind::SetTopBoxes, &boxes, box_place).await?;

    let mut items = Vec::new();
    let mut fields = Fields::new();
    for (card, distribution) in cards.iter().zip(card_distributions) {
        items.push(Item::new("smartcard_ca_id", Some(card.clone())));
        items.push(Item::new("smartcard_sub_provisioning_distribution_id", distribution));
        fields.push("smartcard_ca_id", card);
    }
    for (stb, distribution) in boxes.iter().zip(box_distributions) {
        items.push(Item::new("stb_ca_id", Some(stb.clone())));
        items.push(Item::new("stb_sub_provisioning_distributor_id", distribution));
        fields.push("stb_ca_id", stb);
    }
    let ask = Ask { family, kind: RequestType::CreatePairing, items, cards, boxes, message: Ok(fields) };
    create::create(app, session, common, ask, place_of).await
}
