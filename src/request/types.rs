//! The table of request types, with all that Rust knows of each type in one row. Methods, reading of parameters,
//! parameters_set, resending of requests in doubt and the documents' tables follow from it; the SOAP messages are in
//! `wsdl/`.

use super::Family::{self, Panaccess, SmsSas, WebServices};
use super::parameter::{CARD_ID, Parameter, SEQUENCE_NUMBER, SERVICE_ID, STB_ID, Shape, Steps, parameter};
use super::request_type::{Field, Row};

const WEB: &[Family] = &[WebServices];
const SMS: &[Family] = &[SmsSas];
const PANACCESS: &[Family] = &[Panaccess];
const BOTH: &[Family] = &[WebServices, SmsSas];

const COMMAND: Row = Row {
    name: "",
    families: WEB,
    requires_subscription: None,
    parameters: &[],
    results: &[],
    verified_by: &[],
    resend_within_s: None,
};

/// Cards that a message is addressed to: the documents' examples show no distribution for these cards.
const ADDRESSED: Parameter = parameter("smartcard_set", Shape::CardSet);
const CARD: Parameter = parameter(CARD_ID, Shape::Card).showing("smartcard_sub_provisioning_distribution_id");
const CARDS: Parameter = ADDRESSED.showing("smartcard_sub_provisioning_distribution_id");
const STB: Parameter = parameter(STB_ID, Shape::Stb).showing("stb_sub_provisioning_distributor_id");
const STBS: Parameter = parameter("stb_set", Shape::StbSet).showing("stb_sub_provisioning_distributor_id");
const SERVICE: Parameter = parameter("service_identifier", Shape::Service);
const INSTALLED_CARD: Parameter =
    parameter("smartcard_identifier", Shape::InstalledCard).showing("sub_provisioning_distribution_id");
const INSTALLED_CARD_ID: Parameter = parameter(CARD_ID, Shape::Card).showing("sub_provisioning_distribution_id");
const SERVICES: Parameter = parameter("service_set", Shape::ServiceSet);
const STAR_INDICATION: Parameter = parameter("star_indication_date_time", Shape::Date).optional();
const SEQUENCE: Parameter = parameter(SEQUENCE_NUMBER, Shape::SequenceNumber);
/// CRM.COM's default of display_duration, in seconds.
const DISPLAY_DURATION: Parameter =
    parameter("display_duration", Shape::Whole { range: None, default: Some(20) }).optional();
const ANY_NUMBER: Shape = Shape::Whole { range: None, default: None };

const fn message(most_chars: usize) -> Parameter {
    parameter("message", Shape::Text(Some(most_chars)))
}

/// A period of subscriptions; Conax gets only the start date.
const PERIOD: &[Parameter] = &[
    SERVICE,
    INSTALLED_CARD,
    parameter("start_date", Shape::Date).optional_and_hidden(),
    parameter("end_date", Shape::Untaken).optional(),
];

const fn result(name: &'static str) -> Field {
    Field { name, mandatory: true, many: false }
}

const fn results(name: &'static str) -> Field {
    Field { name, mandatory: false, many: true }
}

const PAIRING_STATUS: &[Field] = &[result("pairing_status"), results(CARD_ID), results(STB_ID)];
const PAIRING_QUERIES: &[&str] = &["GET_PAIRING_STATUS_FOR_CARD", "GET_PAIRING_STATUS_FOR_PAIRING_MODULE"];
/// Seconds; a PIN that is set much later would overwrite a PIN that the viewer has chosen since.
const PIN_RESEND_WITHIN_S: Option<u64> = Some(120);

/// Every request type, in CRM.COM's order, followed by the types that only the gateway sends.
pub(super) const TABLE: &[Row] = &[
    Row {
        name: "ADD_SUBSCRIPTIONS",
        families: BOTH,
        requires_subscription: Some(SmsSas),
        parameters: PERIOD,
        ..COMMAND
    },
    Row {
        name: "CANCEL_SUBSCRIPTIONS",
        families: BOTH,
        requires_subscription: Some(SmsSas),
        parameters: &[SERVICE, INSTALLED_CARD, parameter("start_date", Shape::DueDate).optional()],
        ..COMMAND
    },
    Row { name: "RENEW_SUBSCRIPTIONS", families: SMS, parameters: PERIOD, ..COMMAND },
    Row {
        name: "GET_ACTIVE_SUBSCRIPTIONS",
        parameters: &[CARD],
        results: &[results(SERVICE_ID), results("start_date"), results("end_date")],
        ..COMMAND
    },
    Row { name: "CREATE_PAIRING", families: BOTH, parameters: &[CARDS, STBS], verified_by: PAIRING_QUERIES, ..COMMAND },
    Row {
        name: "ADD_TO_EXISTING_PAIRING",
        parameters: &[Parameter { name: "existing_smartcard_ca_id", ..CARD }, STBS],
        verified_by: PAIRING_QUERIES,
        ..COMMAND
    },
    Row { name: "GET_PAIRING_STATUS_FOR_CARD", parameters: &[CARD], results: PAIRING_STATUS, ..COMMAND },
    Row { name: "GET_PAIRING_STATUS_FOR_PAIRING_MODULE", parameters: &[STB], results: PAIRING_STATUS, ..COMMAND },
    Row {
        name: "DISPLAY_FINGERPRINT",
        parameters: &[
            CARDS,
            parameter("display_date_time", Shape::Date).optional(),
            parameter("display_duration", ANY_NUMBER).optional(),
            parameter("position_x", ANY_NUMBER).optional(),
            parameter("position_y", ANY_NUMBER).optional(),
            parameter("height", ANY_NUMBER).optional(),
            parameter("fingerprint_slot", Shape::Text(None)).optional(),
        ],
        ..COMMAND
    },
    Row {
        name: "UPDATE_CA_PIN_TO_DEFAULT_VALUE",
        parameters: &[CARDS],
        resend_within_s: PIN_RESEND_WITHIN_S,
        ..COMMAND
    },
    Row {
        name: "UPDATE_CA_PIN_TO_GIVEN_VALUE",
        parameters: &[CARDS, parameter("ca_pin", Shape::Secret)],
        resend_within_s: PIN_RESEND_WITHIN_S,
        ..COMMAND
    },
    Row {
        name: "SEND_MAIL_MESSAGE_TO_CLIENT",
        parameters: &[message(141), STAR_INDICATION, ADDRESSED, SEQUENCE],
        ..COMMAND
    },
    Row {
        name: "SEND_BARK_MESSAGE_TO_CLIENT",
        parameters: &[message(129), DISPLAY_DURATION, STAR_INDICATION, ADDRESSED, SEQUENCE],
        ..COMMAND
    },
    Row {
        name: "SEND_REPEATING_BARK_MESSAGE_TO_CLIENT",
        parameters: &[
            message(129),
            DISPLAY_DURATION,
            STAR_INDICATION,
            ADDRESSED,
            parameter("repetition_count", ANY_NUMBER),
            parameter(
                "repetition_interval",
                Shape::Whole { range: Some(Steps { least: 10, most: 2550, step: 10 }), default: None },
            ),
            SEQUENCE,
        ],
        ..COMMAND
    },
    Row {
        name: "SET_PACKAGE",
        families: PANACCESS,
        parameters: &[
            INSTALLED_CARD_ID,
            SERVICES,
            parameter("start_date", Shape::Date).optional_and_hidden(),
            parameter("end_date", Shape::Date).optional_and_hidden(),
        ],
        ..COMMAND
    },
    Row {
        name: "GET_PACKAGES",
        families: PANACCESS,
        parameters: &[INSTALLED_CARD_ID],
        results: &[results(SERVICE_ID)],
        ..COMMAND
    },
    // The types that the gateway itself sends, if upstream wants a session.
    Row { name: "LOGIN", families: &[], results: &[result("session")], ..COMMAND },
    Row { name: "LOGOUT", families: &[], ..COMMAND },
];
