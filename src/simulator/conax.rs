//! The state and the rules of the simulated Conax: cards with subscriptions, pairings and PIN. This file knows request
//! types and parameters; the contract turns them into SOAP.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDateTime, Utc};

use super::reserved;
use crate::config::CardRange;
use crate::request::{Fields, RequestType};

/// PIN of a card whose viewer has not chosen one.
const DEFAULT_PIN: &str = "1234";
/// Most cards that are remembered, so that a load test cannot fill the memory.
const MOST_CARDS: usize = 1_000_000;
/// Format of times.
const TIME: &str = "%Y-%m-%dT%H:%M:%S";

/// Status codes of answers (source: the public list of the SMSConax client).
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Done.
    Ok,
    /// The request violates the schema.
    InputValidationError,
    /// The card is unknown.
    ClientNotFound,
    /// The card belongs to another subscriber management system.
    ClientNotManagedBySms,
    /// Not licensed.
    FeatureNotAvailable,
    /// Any other failure.
    SystemError,
}

/// Rejection of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Status,
    pub(super) message: String,
}

#[derive(Default)]
struct Card {
    /// The subscribed period of each product.
    subscriptions: BTreeMap<String, (String, Option<String>)>,
    stbs: BTreeSet<String>,
    pin: Option<String>,
}

/// The state of the simulated Conax.
pub(super) struct Conax {
    ranges: Vec<CardRange>,
    cards: HashMap<String, Card>,
}

impl Conax {
    pub(super) fn new(ranges: Vec<CardRange>) -> Self {
        Self { ranges, cards: HashMap::new() }
    }

    /// Carries out a request, and returns the content of the answer.
    pub(super) fn perform(
        &mut self,
        request_type: RequestType,
        fields: &Fields,
        now: DateTime<Utc>,
    ) -> Result<Fields, Refusal> {
        let names: Vec<&str> = fields.all("smartcard_ca_id").chain(fields.all("existing_smartcard_ca_id")).collect();
        let is_known = |card: &str| reserved::is_reserved(card) || self.ranges.iter().any(|range| range.contains(card));
        if let Some(unknown) = names.iter().find(|card| !is_known(card)) {
            return Err(Refusal { status: Status::ClientNotFound, message: format!("CA client {unknown} not found") });
        }
        if self.cards.len() + names.iter().filter(|card| !self.cards.contains_key(**card)).count() > MOST_CARDS {
            return Err(Refusal { status: Status::SystemError, message: "The simulator's memory is full".to_owned() });
        }
        if request_type.as_str() == "GET_PAIRING_STATUS_FOR_PAIRING_MODULE" {
            return Ok(self.pairing_of_box(fields.first("stb_ca_id").unwrap_or_default()));
        }
        let mut answer = Fields::new();
        for name in names {
            let card = self.cards.entry(name.to_owned()).or_default();
            answer = card.perform(request_type, fields, now)?;
        }
        Ok(answer)
    }

    fn pairing_of_box(&self, stb: &str) -> Fields {
        let mut cards: Vec<_> = self.cards.iter().filter(|(_, c)| c.stbs.contains(stb)).map(|(n, _)| n).collect();
        cards.sort();
        let mut answer = pairing_status(!cards.is_empty());
        for card in cards {
            answer.push("smartcard_ca_id", card);
        }
        answer
    }
}

impl Card {
    fn perform(&mut self, request_type: RequestType, fields: &Fields, now: DateTime<Utc>) -> Result<Fields, Refusal> {
        let stbs = fields.all("stb_ca_id").map(str::to_owned);
        match request_type.as_str() {
            "ADD_SUBSCRIPTIONS" | "RENEW_SUBSCRIPTIONS" => self.subscribe(fields, now),
            "CANCEL_SUBSCRIPTIONS" => {
                self.subscriptions.retain(|product, _| !fields.all("service_ca_id").any(|p| p == product));
            }
            "SET_PACKAGE" => {
                self.subscriptions.clear();
                self.subscribe(fields, now);
            }
            "GET_PACKAGES" => {
                let mut answer = Fields::new();
                self.subscriptions.keys().for_each(|package| answer.push("service_ca_id", package));
                return Ok(answer);
            }
            "GET_ACTIVE_SUBSCRIPTIONS" => return Ok(self.active_subscriptions(now)),
            "CREATE_PAIRING" => self.stbs.extend(stbs),
            "ADD_TO_EXISTING_PAIRING" if self.stbs.is_empty() => {
                let message = "The CA client has no pairing".to_owned();
                return Err(Refusal { status: Status::InputValidationError, message });
            }
            "ADD_TO_EXISTING_PAIRING" => self.stbs.extend(stbs),
            "GET_PAIRING_STATUS_FOR_CARD" => {
                let mut answer = pairing_status(!self.stbs.is_empty());
                for stb in &self.stbs {
                    answer.push("stb_ca_id", stb);
                }
                return Ok(answer);
            }
            "UPDATE_CA_PIN_TO_DEFAULT_VALUE" => self.pin = Some(DEFAULT_PIN.to_owned()),
            "UPDATE_CA_PIN_TO_GIVEN_VALUE" => self.pin = fields.first("ca_pin").map(str::to_owned),
            // The other request types change nothing that a query shows.
            _ => {}
        }
        Ok(Fields::new())
    }

    fn subscribe(&mut self, fields: &Fields, now: DateTime<Utc>) {
        for index in 0..fields.count("service_ca_id") {
            let Some(product) = fields.at("service_ca_id", index) else { continue };
            let start = fields.at("start_date", index).map_or_else(|| now.format(TIME).to_string(), str::to_owned);
            let end = fields.at("end_date", index).map(str::to_owned);
            self.subscriptions.insert(product.to_owned(), (start, end));
        }
    }

    fn active_subscriptions(&self, now: DateTime<Utc>) -> Fields {
        let mut answer = Fields::new();
        for (product, (start, end)) in &self.subscriptions {
            let ended = end.as_deref().and_then(moment).is_some_and(|end| end <= now);
            if !ended {
                answer.push("service_ca_id", product);
                answer.push("start_date", start);
                answer.push_option("end_date", end.clone());
            }
        }
        answer
    }
}

/// The answer to a query about a pairing; a rejection has it too, since the schema requires it.
pub(super) fn pairing_status(is_paired: bool) -> Fields {
    let mut answer = Fields::new();
    answer.push("pairing_status", if is_paired { "PAIRED" } else { "NOT_PAIRED" });
    answer
}

/// A time with an offset, or in UTC without one.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(moment) => Some(moment.to_utc()),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|local| local.and_utc()),
    }
}
