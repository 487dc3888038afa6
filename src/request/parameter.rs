//! A parameter of a creating method: name, shape and limits. `api` reads parameters by their shape; [`Parameter::field`]
//! says which value of the SOAP message a parameter becomes.

use super::request_type::Field;

/// A parameter of a creating method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name in the method's JSON.
    pub name: &'static str,
    /// Shape of the value.
    pub shape: Shape,
    /// Is the parameter mandatory?
    pub is_mandatory: bool,
    /// For a card or STB: the name under which parameters_set shows the distribution id, if any.
    pub distribution: Option<&'static str>,
    /// Does parameters_set show an absent parameter as null?
    pub is_shown_absent: bool,
}

/// The shape of a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The CA ID of a card.
    Card,
    /// The CA ID of an STB.
    Stb,
    /// Objects with the CA ID of a card each.
    CardSet,
    /// Objects with the CA ID of an STB each.
    StbSet,
    /// Objects with the CA ID of a service each.
    ServiceSet,
    /// A service as CRM.COM knows it; or its CA ID, as `service_ca_id`, in the web services family.
    Service,
    /// A card as CRM.COM knows it; or a set of cards, in the web services family.
    InstalledCard,
    /// A text, of at most this many characters.
    Text(Option<usize>),
    /// A secret text, masked wherever the request is shown.
    Secret,
    /// A whole number.
    Whole {
        /// The range of the number; `None` allows any.
        range: Option<Steps>,
        /// The default.
        default: Option<i64>,
    },
    /// A date and time in the SOAP message.
    Date,
    /// A date and time that is not in the SOAP message: the request waits until then.
    DueDate,
    /// The sequence number of the request among those of its cards, assigned by the store at acceptance.
    SequenceNumber,
    /// A value that only the bindings use; no method takes it.
    Untaken,
}

/// A range of whole numbers with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The least number.
    pub least: i64,
    /// The greatest number.
    pub most: i64,
    /// The step between allowed numbers.
    pub step: i64,
}

/// Names of values that identify a card or a box.
pub const DEVICE_FIELDS: [&str; 3] = [CARD_ID, "existing_smartcard_ca_id", STB_ID];
/// The value that is a card's CA ID.
pub const CARD_ID: &str = "smartcard_ca_id";
/// The value that is a box's CA ID.
pub const STB_ID: &str = "stb_ca_id";
/// The value that is a service's CA ID.
pub const SERVICE_ID: &str = "service_ca_id";
/// The value that the store assigns.
pub const SEQUENCE_NUMBER: &str = "sequence_number";

impl Parameter {
    /// The value of the SOAP message that the parameter becomes.
    pub fn field(&self) -> Option<Field> {
        let (name, many) = match self.shape {
            Shape::CardSet | Shape::InstalledCard => (CARD_ID, true),
            Shape::StbSet => (STB_ID, true),
            Shape::Service | Shape::ServiceSet => (SERVICE_ID, true),
            Shape::DueDate => return None,
            _ => (self.name, false),
        };
        Some(Field { name, mandatory: self.is_mandatory || self.has_default(), many })
    }

    /// Is the value masked wherever it is shown?
    pub fn is_secret(&self) -> bool {
        self.shape == Shape::Secret
    }

    fn has_default(&self) -> bool {
        matches!(self.shape, Shape::Whole { default: Some(_), .. })
    }

    /// The same parameter, but optional.
    pub(super) const fn optional(self) -> Self {
        Self { is_mandatory: false, ..self }
    }

    /// The same parameter, but optional, and without an item in parameters_set when absent.
    pub(super) const fn optional_and_hidden(self) -> Self {
        Self { is_mandatory: false, is_shown_absent: false, ..self }
    }

    /// The same parameter, with the name of the distribution id in parameters_set.
    pub(super) const fn showing(self, distribution: &'static str) -> Self {
        Self { distribution: Some(distribution), ..self }
    }
}

/// A mandatory parameter.
pub(super) const fn parameter(name: &'static str, shape: Shape) -> Parameter {
    Parameter { name, shape, is_mandatory: true, distribution: None, is_shown_absent: true }
}

impl Steps {
    /// Does the range contain the number?
    pub fn has(self, number: i64) -> bool {
        (self.least..=self.most).contains(&number) && number % self.step == 0
    }
}
