//! Reserved card numbers that make the simulator misbehave for a single request.

use super::conax::Status;
use crate::config::SimulatorBehavior;

/// Effect of a reserved card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The request is handled as under this behavior.
    Behavior(SimulatorBehavior),
    /// The answer has this status code.
    Status(Status),
}

/// The reserved cards: number, effect, and the effect in words.
pub const RESERVED: [(&str, Effect, &str); 9] = [
    ("99000000001", Effect::Behavior(SimulatorBehavior::CxfFault), "fault as Apache CXF words it"),
    ("99000000002", Effect::Behavior(SimulatorBehavior::AxisFault), "fault as Apache Axis words it"),
    ("99000000003", Effect::Behavior(SimulatorBehavior::Slow), "answer after simulator.slow_s"),
    ("99000000004", Effect::Behavior(SimulatorBehavior::Cut), "connection closed instead of an answer"),
    ("99000000005", Effect::Behavior(SimulatorBehavior::Garbage), "an answer that is not XML"),
    ("99000000006", Effect::Behavior(SimulatorBehavior::Busy), "HTTP 503"),
    ("99000000007", Effect::Status(Status::SystemError), "status SYSTEM_ERROR"),
    ("99000000008", Effect::Status(Status::ClientNotManagedBySms), "status CLIENT_NOT_MANAGED_BY_SMS"),
    ("99000000009", Effect::Status(Status::FeatureNotAvailable), "status FEATURE_NOT_AVAILABLE"),
];

/// The effect of the first reserved card among `cards`.
pub(super) fn effect<'c>(cards: impl Iterator<Item = &'c str>) -> Option<Effect> {
    let mut cards = cards;
    cards.find_map(|card| RESERVED.iter().find(|(number, _, _)| *number == card).map(|(_, effect, _)| *effect))
}

/// Is a card number reserved? Reserved cards exist.
pub(super) fn is_reserved(card: &str) -> bool {
    RESERVED.iter().any(|(number, _, _)| *number == card)
}
