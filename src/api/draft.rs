//! A provisioning request in the making: takes the parameters of a creating method one by one into the record's items,
//! the SOAP message's fields, and the cards and boxes concerned, and remembers where each one stood.

use chrono::{DateTime, Utc};

use super::error::{ApiError, Code};
use super::identifier::{self, Identifier};
use super::params::Params;
use super::{Dates, device};
use crate::app::App;
use crate::catalogue::EntryKind;
use crate::request::{Failure, Family, Fields, Item, Priority, RequestType, Scalar, Secret};

/// The subfields that name a subscription.
const SUBSCRIPTION_FIELDS: [&str; 2] = ["id", "number"];

/// What is known of the request so far.
pub(super) struct Draft<'a> {
    pub(super) app: &'a App,
    pub(super) family: Family,
    pub(super) kind: RequestType,
    pub(super) params: Params,
    pub(super) subscription: Option<Identifier>,
    pub(super) process_immediately: Option<bool>,
    pub(super) scheduled_date: Option<DateTime<Utc>>,
    pub(super) priority: Priority,
    pub(super) items: Vec<Item>,
    pub(super) fields: Fields,
    pub(super) cards: Vec<String>,
    pub(super) boxes: Vec<String>,
    /// Why it will not be sent.
    pub(super) refusal: Option<Failure>,
    places: Vec<(&'static str, Place)>,
}

/// A kind of device, and what its parameters are called.
pub(super) struct Device {
    kind: EntryKind,
    /// An array of objects with the id in each.
    set: &'static str,
    id: &'static str,
    /// Shown beside the id, by the name that the documents' examples have for it, if they show it.
    distribution: Option<&'static str>,
}

/// A card.
pub(super) const CARD: Device = Device {
    kind: EntryKind::Smartcards,
    set: "smartcard_set",
    id: "smartcard_ca_id",
    distribution: Some("smartcard_sub_provisioning_distribution_id"),
};
/// A card in a request about subscriptions.
pub(super) const SUBSCRIBED_CARD: Device = Device { distribution: Some("sub_provisioning_distribution_id"), ..CARD };
/// A card that a message goes to.
pub(super) const ADDRESSED_CARD: Device = Device { distribution: None, ..CARD };
const STB: Device = Device {
    kind: EntryKind::SetTopBoxes,
    set: "stb_set",
    id: "stb_ca_id",
    distribution: Some("stb_sub_provisioning_distributor_id"),
};

/// Where a field's values came from.
enum Place {
    /// One value.
    At(String),
    /// One value in each object of this array.
    In(&'static str),
}

impl<'a> Draft<'a> {
    /// Takes the parameters that every creating method has.
    pub(super) fn begin(app: &'a App, family: Family, kind: RequestType, mut params: Params) -> Result<Self, ApiError> {
        Ok(Self {
            app,
            family,
            kind,
            subscription: identifier::optional(&mut params, "subscription_identifier", &SUBSCRIPTION_FIELDS)?,
            process_immediately: params.flag("process_immediately")?,
            scheduled_date: date(app.dates, &mut params, "scheduled_date")?,
            priority: params.word("priority", Priority::ALL, Priority::as_str)?.unwrap_or(Priority::Regular),
            params,
            items: Vec::new(),
            fields: Fields::new(),
            cards: Vec::new(),
            boxes: Vec::new(),
            refusal: None,
            places: Vec::new(),
        })
    }

    /// The path of what a fault in the message is about.
    pub(super) fn place_of(&self, field: &str, index: Option<usize>) -> String {
        match self.places.iter().find(|(name, _)| *name == field) {
            Some((_, Place::At(place))) => place.clone(),
            // A value that stands alone has no index there.
            Some((_, Place::In(set))) => format!("$.{set}[{}].{field}", index.unwrap_or(0)),
            None => format!("$.{field}"),
        }
    }

    /// Notes a value that is sent, and where it stood.
    pub(super) fn set(&mut self, field: &'static str, place: String, value: &str) {
        self.places.push((field, Place::At(place)));
        self.fields.push(field, value);
    }

    /// Notes a value that is shown.
    pub(super) fn show(&mut self, name: &str, value: Option<impl Into<Scalar>>) {
        self.items.push(Item::new(name, value));
    }

    /// Notes the distribution id of a device, where the documents show it.
    pub(super) fn show_distribution(&mut self, device: &Device, id: Option<String>) {
        if let Some(name) = device.distribution {
            self.show(name, id);
        }
    }

    /// Takes a text that must be there.
    pub(super) fn text(&mut self, name: &'static str) -> Result<(), ApiError> {
        let value = self.params.mandatory_text(name)?;
        self.set(name, self.params.place_of(name), &value);
        self.show(name, Some(value));
        Ok(())
    }

    /// Takes a text that may be absent.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Result<(), ApiError> {
        let value = self.params.text(name)?;
        if let Some(value) = &value {
            self.set(name, self.params.place_of(name), value);
        }
        self.show(name, value);
        Ok(())
    }

    /// Takes a text that must be there and is shown nowhere.
    pub(super) fn secret(&mut self, name: &'static str) -> Result<(), ApiError> {
        let value = self.params.mandatory_text(name)?;
        self.set(name, self.params.place_of(name), &value);
        self.show(name, Some(Secret::mask()));
        Ok(())
    }

    /// Takes a whole number, or what it is when absent.
    pub(super) fn whole(&mut self, name: &'static str, default: Option<i64>) -> Result<(), ApiError> {
        let value = self.params.whole(name)?.or(default);
        if let Some(value) = value {
            self.set(name, self.params.place_of(name), &value.to_string());
        }
        self.show(name, value.map(Scalar::Whole));
        Ok(())
    }

    /// Takes a whole number that must be there.
    pub(super) fn mandatory_whole(&mut self, name: &'static str) -> Result<(), ApiError> {
        match self.params.has(name) {
            true => self.whole(name, None),
            false => Err(ApiError::missing(self.params.place_of(name))),
        }
    }

    /// Takes a date that may be absent.
    pub(super) fn date(&mut self, name: &'static str) -> Result<(), ApiError> {
        let value = date(self.app.dates, &mut self.params, name)?.map(|date| self.app.dates.print(date));
        if let Some(value) = &value {
            self.set(name, self.params.place_of(name), value);
        }
        self.show(name, value);
        Ok(())
    }

    /// Takes one card by its CA ID, under a name of its own.
    pub(super) async fn card(&mut self, name: &'static str) -> Result<(), ApiError> {
        let card = self.device(name, &CARD).await?;
        self.cards.push(card);
        Ok(())
    }

    /// Takes one box by its CA ID.
    pub(super) async fn stb(&mut self) -> Result<(), ApiError> {
        let stb = self.device(STB.id, &STB).await?;
        self.boxes.push(stb);
        Ok(())
    }

    /// Takes a set of cards, of the kind that the method is about.
    pub(super) async fn card_set(&mut self, card: &Device) -> Result<(), ApiError> {
        self.cards = self.device_set(card).await?;
        Ok(())
    }

    /// Takes a set of boxes.
    pub(super) async fn stb_set(&mut self) -> Result<(), ApiError> {
        self.boxes = self.device_set(&STB).await?;
        Ok(())
    }

    async fn device(&mut self, name: &'static str, device: &Device) -> Result<String, ApiError> {
        let ca_id = self.params.mandatory_text(name)?;
        let place = self.params.place_of(name);
        let ids = std::slice::from_ref(&ca_id);
        let distributions = device::distribution_ids(self.app, device.kind, ids, |_| place.clone()).await?;
        self.set(name, place, &ca_id);
        self.show(name, Some(ca_id.clone()));
        self.show_distribution(device, distributions.into_iter().next().flatten());
        Ok(ca_id)
    }

    async fn device_set(&mut self, device: &Device) -> Result<Vec<String>, ApiError> {
        let Device { set, id, .. } = device;
        let ca_ids = device::take_set(&mut self.params, set, id)?;
        self.places.push((id, Place::In(set)));
        let place_of = |index| format!("$.{set}[{index}].{id}");
        let distributions = device::distribution_ids(self.app, device.kind, &ca_ids, place_of).await?;
        for (ca_id, found) in ca_ids.iter().zip(distributions) {
            self.fields.push(id, ca_id);
            self.show(id, Some(ca_id.clone()));
            self.show_distribution(device, found);
        }
        Ok(ca_ids)
    }

    /// A date of the method that stands for the scheduled date, unless that is given too.
    pub(super) fn schedule(&mut self, place: String, date: DateTime<Utc>) -> Result<(), ApiError> {
        if self.scheduled_date.is_some_and(|scheduled| scheduled != date) {
            let message = "This date is the scheduled_date of the request, and that is given too.";
            return Err(ApiError::at(Code::ConflictingParameters, place, message));
        }
        self.scheduled_date = Some(date);
        Ok(())
    }
}

/// Takes a date that may be absent.
pub(super) fn date(dates: Dates, params: &mut Params, name: &'static str) -> Result<Option<DateTime<Utc>>, ApiError> {
    let text = params.text(name)?;
    text.map(|text| dates.parse(&params.place_of(name), &text)).transpose()
}
