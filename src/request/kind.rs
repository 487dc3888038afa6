//! The request types, and which parameters each one has. The names are CRM.COM's (its list of provisioning request
//! types and of item fields); what they are called in SOAP is the business of `wsdl/bindings.toml`.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

/// What a provisioning request asks Conax to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestType {
    /// Gives services to smartcards.
    AddSubscriptions,
    /// Takes services from smartcards.
    CancelSubscriptions,
    /// Gives a further period of services that smartcards have.
    RenewSubscriptions,
    /// Asks which services a smartcard has.
    GetActiveSubscriptions,
    /// Pairs smartcards with set-top boxes.
    CreatePairing,
    /// Adds set-top boxes to the pairing of a smartcard.
    AddToExistingPairing,
    /// Asks what a smartcard is paired with.
    GetPairingStatusForCard,
    /// Asks what a set-top box is paired with.
    GetPairingStatusForPairingModule,
    /// Shows an identifying mark on the screen.
    DisplayFingerprint,
    /// Resets the viewer's PIN.
    UpdateCaPinToDefaultValue,
    /// Sets the viewer's PIN.
    UpdateCaPinToGivenValue,
    /// Puts a message into the mailbox of the box.
    SendMailMessageToClient,
    /// Shows a message on the screen.
    SendBarkMessageToClient,
    /// Shows a message on the screen repeatedly.
    SendRepeatingBarkMessageToClient,
}

/// One parameter of a request type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name, as in parameters_set and in the bindings.
    pub name: &'static str,
    /// The request cannot be sent without it.
    pub mandatory: bool,
    /// It may carry several values.
    pub many: bool,
}

/// Parameters and results that name a card or a box.
pub const DEVICE_PARAMETERS: [&str; 3] = ["smartcard_ca_id", "existing_smartcard_ca_id", "stb_ca_id"];

const fn one(name: &'static str) -> Parameter {
    Parameter { name, mandatory: true, many: false }
}

const fn many(name: &'static str) -> Parameter {
    Parameter { name, mandatory: true, many: true }
}

const fn optional(name: &'static str) -> Parameter {
    Parameter { name, mandatory: false, many: false }
}

const fn optional_many(name: &'static str) -> Parameter {
    Parameter { name, mandatory: false, many: true }
}

/// What a query's answer may tell, for reading an answer back.
const PAIRING_RESULTS: &[Parameter] =
    &[one("pairing_status"), optional_many("smartcard_ca_id"), optional_many("stb_ca_id")];
const SUBSCRIPTION_RESULTS: &[Parameter] =
    &[optional_many("service_ca_id"), optional_many("start_date"), optional_many("end_date")];

impl RequestType {
    /// Every type, in CRM.COM's order.
    pub const ALL: [Self; 14] = [
        Self::AddSubscriptions,
        Self::CancelSubscriptions,
        Self::RenewSubscriptions,
        Self::GetActiveSubscriptions,
        Self::CreatePairing,
        Self::AddToExistingPairing,
        Self::GetPairingStatusForCard,
        Self::GetPairingStatusForPairingModule,
        Self::DisplayFingerprint,
        Self::UpdateCaPinToDefaultValue,
        Self::UpdateCaPinToGivenValue,
        Self::SendMailMessageToClient,
        Self::SendBarkMessageToClient,
        Self::SendRepeatingBarkMessageToClient,
    ];

    /// The name on the JSON face, in the store and in the bindings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AddSubscriptions => "ADD_SUBSCRIPTIONS",
            Self::CancelSubscriptions => "CANCEL_SUBSCRIPTIONS",
            Self::RenewSubscriptions => "RENEW_SUBSCRIPTIONS",
            Self::GetActiveSubscriptions => "GET_ACTIVE_SUBSCRIPTIONS",
            Self::CreatePairing => "CREATE_PAIRING",
            Self::AddToExistingPairing => "ADD_TO_EXISTING_PAIRING",
            Self::GetPairingStatusForCard => "GET_PAIRING_STATUS_FOR_CARD",
            Self::GetPairingStatusForPairingModule => "GET_PAIRING_STATUS_FOR_PAIRING_MODULE",
            Self::DisplayFingerprint => "DISPLAY_FINGERPRINT",
            Self::UpdateCaPinToDefaultValue => "UPDATE_CA_PIN_TO_DEFAULT_VALUE",
            Self::UpdateCaPinToGivenValue => "UPDATE_CA_PIN_TO_GIVEN_VALUE",
            Self::SendMailMessageToClient => "SEND_MAIL_MESSAGE_TO_CLIENT",
            Self::SendBarkMessageToClient => "SEND_BARK_MESSAGE_TO_CLIENT",
            Self::SendRepeatingBarkMessageToClient => "SEND_REPEATING_BARK_MESSAGE_TO_CLIENT",
        }
    }

    /// What the request carries.
    pub fn parameters(self) -> &'static [Parameter] {
        const CARDS: Parameter = many("smartcard_ca_id");
        match self {
            Self::AddSubscriptions | Self::RenewSubscriptions => {
                const { &[CARDS, many("service_ca_id"), optional("start_date"), optional("end_date")] }
            }
            Self::CancelSubscriptions => const { &[CARDS, many("service_ca_id")] },
            Self::GetActiveSubscriptions | Self::GetPairingStatusForCard => const { &[one("smartcard_ca_id")] },
            Self::CreatePairing => const { &[CARDS, many("stb_ca_id")] },
            Self::AddToExistingPairing => const { &[one("existing_smartcard_ca_id"), many("stb_ca_id")] },
            Self::GetPairingStatusForPairingModule => const { &[one("stb_ca_id")] },
            Self::DisplayFingerprint => {
                const {
                    &[
                        CARDS,
                        optional("display_date_time"),
                        optional("display_duration"),
                        optional("position_x"),
                        optional("position_y"),
                        optional("height"),
                        optional("fingerprint_slot"),
                    ]
                }
            }
            Self::UpdateCaPinToDefaultValue => const { &[CARDS] },
            Self::UpdateCaPinToGivenValue => const { &[CARDS, one("ca_pin")] },
            Self::SendMailMessageToClient => {
                const { &[CARDS, one("message"), optional("star_indication_date_time"), one("sequence_number")] }
            }
            Self::SendBarkMessageToClient => {
                const {
                    &[
                        CARDS,
                        one("message"),
                        one("display_duration"),
                        optional("star_indication_date_time"),
                        one("sequence_number"),
                    ]
                }
            }
            Self::SendRepeatingBarkMessageToClient => {
                const {
                    &[
                        CARDS,
                        one("message"),
                        one("display_duration"),
                        one("repetition_count"),
                        one("repetition_interval"),
                        optional("star_indication_date_time"),
                        one("sequence_number"),
                    ]
                }
            }
        }
    }

    /// The parameter that is a secret: it is masked wherever it is shown.
    pub fn secret(self) -> Option<&'static str> {
        (self == Self::UpdateCaPinToGivenValue).then_some("ca_pin")
    }

    /// How long after it was first sent it may be sent again, if that is limited: a PIN set much later would overwrite
    /// what the viewer chose since.
    pub fn resend_within(self) -> Option<TimeDelta> {
        match self {
            Self::UpdateCaPinToDefaultValue | Self::UpdateCaPinToGivenValue => Some(TimeDelta::minutes(2)),
            _ => None,
        }
    }

    /// Is this a query whose answer tells whether a request of the type of that name was done?
    pub fn tells_of(self, command: &str) -> bool {
        let is_pairing = matches!(command.parse(), Ok(Self::CreatePairing | Self::AddToExistingPairing));
        is_pairing && matches!(self, Self::GetPairingStatusForCard | Self::GetPairingStatusForPairingModule)
    }

    /// What the answer of a query carries beyond its status; empty for a command.
    pub fn results(self) -> &'static [Parameter] {
        match self {
            Self::GetActiveSubscriptions => SUBSCRIPTION_RESULTS,
            Self::GetPairingStatusForCard | Self::GetPairingStatusForPairingModule => PAIRING_RESULTS,
            _ => &[],
        }
    }
}

impl fmt::Display for RequestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a request type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a request type")]
pub struct UnknownRequestType;

impl FromStr for RequestType {
    type Err = UnknownRequestType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|t| t.as_str() == text).ok_or(UnknownRequestType)
    }
}
