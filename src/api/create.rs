//! What all creating methods share: the common parameters, rendering the SOAP request, and handing it over.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::error::{ApiError, Code};
use super::identifier::{self, Identifier};
use super::params::Params;
use super::{Data, Record, Session, data, device};
use crate::app::App;
use crate::catalogue::EntryKind;
use crate::request::{Failure, Family, Fields, Item, NewRequest, Priority, RecordId, RequestType};
use crate::soap::encode;

/// Parameters that every creating method takes.
pub(super) struct Common {
    subscription: Option<Identifier>,
    process_immediately: Option<bool>,
    scheduled_date: Option<DateTime<Utc>>,
    priority: Priority,
}

impl Common {
    /// Takes them.
    pub(super) fn take(app: &App, params: &mut Params) -> Result<Self, ApiError> {
        let subscription = identifier::optional(params, "subscription_identifier", &["id", "number"])?;
        let process_immediately = params.flag("process_immediately")?;
        let scheduled_date = date(app, params, "scheduled_date")?;
        let priority = params.word("priority", Priority::ALL, Priority::as_str)?.unwrap_or(Priority::Regular);
        Ok(Self { subscription, process_immediately, scheduled_date, priority })
    }

    /// Makes the subscription mandatory.
    pub(super) fn require_subscription(&self, params: &Params) -> Result<(), ApiError> {
        match self.subscription {
            Some(_) => Ok(()),
            None => Err(ApiError::missing(params.place_of("subscription_identifier"))),
        }
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
pub(super) fn date(app: &App, params: &mut Params, name: &'static str) -> Result<Option<DateTime<Utc>>, ApiError> {
    let text = params.text(name)?;
    text.map(|text| app.dates.parse(&params.place_of(name), &text)).transpose()
}

/// What a method asks for, beyond the common parameters.
pub(super) struct Ask {
    pub(super) family: Family,
    pub(super) kind: RequestType,
    pub(super) items: Vec<Item>,
    pub(super) cards: Vec<String>,
    pub(super) boxes: Vec<String>,
    /// Parameters of the SOAP message, or why it will not be sent.
    pub(super) message: Result<Fields, Failure>,
}

/// Renders, commits and, if asked, sends; returns the record.
pub(super) async fn create(
    app: &App,
    session: &Session,
    common: Common,
    ask: Ask,
    place_of: impl Fn(&str, Option<usize>) -> String,
) -> Result<Data, ApiError> {
    let now = app.clock.now();
    let is_immediate = common.process_immediately == Some(true);
    if is_immediate && common.scheduled_date.is_some_and(|date| date > now) {
        let message = "A request that is processed immediately cannot have a scheduled_date in the future.";
        return Err(ApiError::at(Code::ConflictingParameters, "$.scheduled_date", message));
    }
    if let Some(subscription) = &common.subscription {
        device::check_known(app, EntryKind::Subscriptions, subscription).await?;
    }
    let (body, refusal) = match ask.message {
        Ok(fields) => (Some(render(app, ask.kind, &fields, place_of)?), None),
        Err(failure) => (None, Some(failure)),
    };
    let request = NewRequest {
        id: RecordId::new(now),
        family: ask.family,
        kind: ask.kind,
        priority: common.priority,
        process_immediately: match ask.family {
            Family::WebServices => Some(is_immediate),
            // The documents' examples of conax_sms_sas show null where it is not given.
            Family::SmsSas => common.process_immediately,
        },
        scheduled_at: common.scheduled_date.unwrap_or(now),
        items: ask.items,
        subscription: common.subscription.map(|s| json!({ s.field: s.value }).to_string()),
        cards: ask.cards,
        boxes: ask.boxes,
        body,
        refusal,
        created_by: session.user.clone(),
        created_at: now,
    };
    let settled = app.processor.submit(request).await?;
    data(&Record::new(&settled, app.dates))
}

fn render(
    app: &App,
    kind: RequestType,
    fields: &Fields,
    place_of: impl Fn(&str, Option<usize>) -> String,
) -> Result<String, ApiError> {
    let Some(operation) = app.contract.operation(kind) else {
        let message = format!("The SOAP contract of this gateway has no operation for {kind}.");
        return Err(ApiError::new(Code::MethodNotFound, message));
    };
    let bytes = encode::request(operation, fields).map_err(|error| {
        let place = place_of(&error.field, error.index);
        ApiError::invalid(place, format!("{} {}.", error.field, error.what))
    })?;
    String::from_utf8(bytes).map_err(|e| ApiError::internal(format!("a rendered request is not UTF-8: {e}")))
}
