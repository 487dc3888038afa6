//! A parameter of a creating method: its name, what it holds, and its limits. `api` takes parameters by their shape;
//! which value of the SOAP message a parameter becomes is said here.

use super::request_type::Field;

/// A parameter of a creating method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name in the method's JSON.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// The request cannot be made without it.
    pub is_mandatory: bool,
    /// For a card or box: the name under which parameters_set shows the id of its distribution, if it does.
    pub distribution: Option<&'static str>,
    /// parameters_set shows it as null when it is absent.
    pub is_shown_absent: bool,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The CA ID of a card.
    Card,
    /// The CA ID of a box.
    Stb,
    /// Objects with the CA ID of a card each.
    CardSet,
    /// Objects with the CA ID of a box each.
    StbSet,
    /// A service as CRM.COM knows it; or its CA ID, as `service_ca_id`, in the web services family.
    Service,
    /// A card as CRM.COM knows it; or a set of cards, in the web services family.
    InstalledCard,
    /// A text of so many characters at most.
    Text(Option<usize>),
    /// A text that is shown nowhere.
    Secret,
    /// A whole number.
    Whole {
        /// The numbers that it may be; any, if absent.
        range: Option<Steps>,
        /// What it is if the client does not say.
        default: Option<i64>,
    },
    /// A moment that Conax is told.
    Date,
    /// A moment that the message has no place for: the request waits until then.
    DueDate,
    /// The number of the request among those of its cards, which is known when it is accepted: not the client's.
    SequenceNumber,
    /// A value that the bindings may give a path, and that no method takes.
    Untaken,
}

/// Whole numbers from the least to the most, by steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The least.
    pub least: i64,
    /// The most.
    pub most: i64,
    /// All are multiples of it.
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
/// The value that the store gives.
pub const SEQUENCE_NUMBER: &str = "sequence_number";

impl Parameter {
    /// The value of the SOAP message that it becomes.
    pub fn field(&self) -> Option<Field> {
        let (name, many) = match self.shape {
            Shape::CardSet | Shape::InstalledCard => (CARD_ID, true),
            Shape::StbSet => (STB_ID, true),
            Shape::Service => (SERVICE_ID, true),
            Shape::DueDate => return None,
            _ => (self.name, false),
        };
        Some(Field { name, mandatory: self.is_mandatory || self.has_default(), many })
    }

    /// Is it masked wherever it is shown?
    pub fn is_secret(&self) -> bool {
        self.shape == Shape::Secret
    }

    fn has_default(&self) -> bool {
        matches!(self.shape, Shape::Whole { default: Some(_), .. })
    }

    /// The same, but it may be absent.
    pub(super) const fn optional(self) -> Self {
        Self { is_mandatory: false, ..self }
    }

    /// The same, but it may be absent, and is then not in parameters_set.
    pub(super) const fn optional_and_hidden(self) -> Self {
        Self { is_mandatory: false, is_shown_absent: false, ..self }
    }

    /// The same, with the distribution's id under that name.
    pub(super) const fn showing(self, distribution: &'static str) -> Self {
        Self { distribution: Some(distribution), ..self }
    }
}

/// A mandatory parameter.
pub(super) const fn parameter(name: &'static str, shape: Shape) -> Parameter {
    Parameter { name, shape, is_mandatory: true, distribution: None, is_shown_absent: true }
}

impl Steps {
    /// Is the number one of them?
    pub fn has(self, number: i64) -> bool {
        (self.least..=self.most).contains(&number) && number % self.step == 0
    }
}
