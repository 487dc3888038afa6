//! A provisioning request in the making. `Draft` reads the parameters of a creating method by the table of request types,
//! into the record's items, the fields of the SOAP message, and the cards and boxes; each field remembers the parameter
//! of its value.

use chrono::{DateTime, Utc};
use strum::VariantArray as _;

use super::error::{ApiError, Code};
use super::identifier::{self, Identifier};
use super::params::Params;
use super::{Api, Dates, device, subscription};
use crate::catalogue::EntryKind;
use crate::request::{
    CARD_ID, Failure, Family, Fields, Item, Parameter, Priority, RequestType, SERVICE_ID, STB_ID, Scalar, Shape, Steps,
};
use crate::secret::Secret;
use crate::words::Word as _;

/// The subfields that name a subscription.
const SUBSCRIPTION_FIELDS: [&str; 2] = ["id", "number"];

/// The parts of a request that have been read so far.
pub(super) struct Draft<'a> {
    pub(super) api: &'a Api,
    pub(super) family: Family,
    pub(super) request_type: RequestType,
    pub(super) params: Params,
    pub(super) subscription: Option<Identifier>,
    pub(super) process_immediately: Option<bool>,
    pub(super) scheduled_date: Option<DateTime<Utc>>,
    pub(super) priority: Priority,
    pub(super) items: Vec<Item>,
    pub(super) fields: Fields,
    pub(super) cards: Vec<String>,
    pub(super) stbs: Vec<String>,
    /// Why the request will not be sent.
    pub(super) rejection: Option<Failure>,
    locations: Vec<(&'static str, Location)>,
}

/// The parameter that a field's value came from.
enum Location {
    /// A parameter with a single value.
    At(String),
    /// A parameter in each object of the array with this name.
    In(&'static str),
}

impl<'a> Draft<'a> {
    /// Takes all the parameters of a method.
    pub(super) async fn read(
        api: &'a Api,
        family: Family,
        request_type: RequestType,
        params: Params,
    ) -> Result<Self, ApiError> {
        let mut draft = Self::begin(api, family, request_type, params)?;
        for parameter in request_type.parameters() {
            draft.take(parameter).await?;
        }
        draft.params.finish()?;
        Ok(draft)
    }

    /// Takes the parameters that all creating methods share.
    fn begin(api: &'a Api, family: Family, request_type: RequestType, mut params: Params) -> Result<Self, ApiError> {
        let subscription = identifier::optional(&mut params, "subscription_identifier", &SUBSCRIPTION_FIELDS)?;
        if subscription.is_none() && request_type.requires_subscription(family) {
            return Err(ApiError::missing(params.location_of("subscription_identifier")));
        }
        Ok(Self {
            api,
            family,
            request_type,
            subscription,
            process_immediately: params.flag("process_immediately")?,
            scheduled_date: date(api.dates, &mut params, "scheduled_date")?,
            priority: params.word("priority", Priority::VARIANTS, Priority::as_str)?.unwrap_or(Priority::Regular),
            params,
            items: Vec::new(),
            fields: Fields::new(),
            cards: Vec::new(),
            stbs: Vec::new(),
            rejection: None,
            locations: Vec::new(),
        })
    }

    async fn take(&mut self, parameter: &Parameter) -> Result<(), ApiError> {
        let name = parameter.name;
        if parameter.is_mandatory && matches!(parameter.shape, Shape::Whole { .. } | Shape::Date | Shape::DueDate) {
            self.params.require(name)?;
        }
        match parameter.shape {
            Shape::Card => {
                let card = self.take_device(parameter, EntryKind::Smartcards).await?;
                self.cards.push(card);
            }
            Shape::Stb => {
                let stb = self.take_device(parameter, EntryKind::Stbs).await?;
                self.stbs.push(stb);
            }
            Shape::CardSet => self.take_card_set(name, parameter.distribution).await?,
            Shape::StbSet => {
                self.stbs = self.take_set(name, STB_ID, parameter.distribution, EntryKind::Stbs).await?;
            }
            Shape::ServiceSet => {
                let ca_ids = device::take_set(&mut self.params, name, SERVICE_ID, self.api.max_set_items)?;
                self.locations.push((SERVICE_ID, Location::In(name)));
                for ca_id in ca_ids {
                    self.fields.push(SERVICE_ID, ca_id.as_str());
                    self.show(SERVICE_ID, Some(ca_id));
                }
            }
            Shape::Service => subscription::take_service(self, name).await?,
            Shape::InstalledCard => subscription::take_card(self, parameter).await?,
            Shape::Text(most_chars) => self.take_text(parameter, most_chars)?,
            Shape::Secret => {
                let value = self.params.mandatory_text(name)?;
                self.set(name, self.params.location_of(name), &value);
                self.show(name, Some(Secret::mask()));
            }
            Shape::Whole { range, default } => self.take_whole(name, range, default)?,
            Shape::Date => {
                let value = date(self.api.dates, &mut self.params, name)?.map(|date| self.api.dates.print(date));
                if let Some(value) = &value {
                    self.set(name, self.params.location_of(name), value);
                }
                if value.is_some() || parameter.is_shown_absent {
                    self.show(name, value);
                }
            }
            Shape::DueDate => self.take_due_date(name)?,
            Shape::SequenceNumber | Shape::Untaken => {}
        }
        Ok(())
    }

    /// The JSON path of the parameter behind a field of the message.
    pub(super) fn location_of(&self, field: &str, index: Option<usize>) -> String {
        match self.locations.iter().find(|(name, _)| *name == field) {
            Some((_, Location::At(location))) => location.clone(),
            // A field with a single value has no index in the message.
            Some((_, Location::In(set))) => format!("$.{set}[{}].{field}", index.unwrap_or(0)),
            None => format!("$.{field}"),
        }
    }

    /// Adds a field to the message, with the path of its parameter.
    pub(super) fn set(&mut self, field: &'static str, location: String, value: &str) {
        self.locations.push((field, Location::At(location)));
        self.fields.push(field, value);
    }

    /// Adds an item to the record.
    pub(super) fn show(&mut self, name: &str, value: Option<impl Into<Scalar>>) {
        self.items.push(Item::new(name, value));
    }

    /// Adds the distribution id of a device to the record, if CRM.COM's documents show it for this parameter.
    pub(super) fn show_distribution(&mut self, name: Option<&str>, id: String) {
        if let Some(name) = name {
            self.show(name, Some(id));
        }
    }

    /// Takes a text that goes into both record and message.
    pub(super) fn take_text(&mut self, parameter: &Parameter, most_chars: Option<usize>) -> Result<(), ApiError> {
        let name = parameter.name;
        let value = match parameter.is_mandatory {
            true => Some(self.params.mandatory_text(name)?),
            false => self.params.text(name)?,
        };
        if let Some(value) = &value {
            if let Some(most) = most_chars.filter(|most| value.chars().count() > *most) {
                let message = format!("{name} must be at most {most} characters.");
                return Err(ApiError::invalid(self.params.location_of(name), message));
            }
            self.set(name, self.params.location_of(name), value);
        }
        self.show(name, value);
        Ok(())
    }

    fn take_whole(&mut self, name: &'static str, range: Option<Steps>, default: Option<i64>) -> Result<(), ApiError> {
        let value = self.params.whole(name)?.or(default);
        if let Some(value) = value {
            if let Some(Steps { least, most, step }) = range.filter(|range| !range.has(value)) {
                let message = format!("{name} must be from {least} to {most}, in steps of {step}.");
                return Err(ApiError::invalid(self.params.location_of(name), message));
            }
            self.set(name, self.params.location_of(name), &value.to_string());
        }
        self.show(name, value.map(Scalar::Whole));
        Ok(())
    }

    /// Takes a date that is the scheduled date under another name; both may be given if they are equal.
    fn take_due_date(&mut self, name: &'static str) -> Result<(), ApiError> {
        let Some(date) = date(self.api.dates, &mut self.params, name)? else { return Ok(()) };
        if self.scheduled_date.is_some_and(|scheduled| scheduled != date) {
            let message = "This date and scheduled_date mean the same and differ; give one of them.";
            return Err(ApiError::at(Code::ConflictingParameters, self.params.location_of(name), message));
        }
        self.scheduled_date = Some(date);
        Ok(())
    }

    async fn take_device(&mut self, parameter: &Parameter, kind: EntryKind) -> Result<String, ApiError> {
        let name = parameter.name;
        let ca_id = self.params.mandatory_text(name)?;
        let location = self.params.location_of(name);
        let ids = std::slice::from_ref(&ca_id);
        let distributions = device::distribution_ids(self.api, kind, ids, |_| location.clone()).await?;
        self.set(name, location, &ca_id);
        self.show(name, Some(ca_id.clone()));
        distributions.into_iter().for_each(|found| self.show_distribution(parameter.distribution, found));
        Ok(ca_id)
    }

    /// Takes a set of cards.
    pub(super) async fn take_card_set(
        &mut self,
        set: &'static str,
        distribution: Option<&str>,
    ) -> Result<(), ApiError> {
        self.cards = self.take_set(set, CARD_ID, distribution, EntryKind::Smartcards).await?;
        Ok(())
    }

    async fn take_set(
        &mut self,
        set: &'static str,
        id: &'static str,
        distribution: Option<&str>,
        kind: EntryKind,
    ) -> Result<Vec<String>, ApiError> {
        let ca_ids = device::take_set(&mut self.params, set, id, self.api.max_set_items)?;
        self.locations.push((id, Location::In(set)));
        let location_of = |index| format!("$.{set}[{index}].{id}");
        let distributions = device::distribution_ids(self.api, kind, &ca_ids, location_of).await?;
        for (ca_id, found) in ca_ids.iter().zip(distributions) {
            self.fields.push(id, ca_id);
            self.show(id, Some(ca_id.clone()));
            self.show_distribution(distribution, found);
        }
        Ok(ca_ids)
    }
}

/// Takes a date that may be absent.
fn date(dates: Dates, params: &mut Params, name: &'static str) -> Result<Option<DateTime<Utc>>, ApiError> {
    let text = params.text(name)?;
    text.map(|text| dates.parse(&params.location_of(name), &text)).transpose()
}
