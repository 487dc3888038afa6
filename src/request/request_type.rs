//! A request type: a row of the table in `types`, and the facts that follow from the row.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::types::TABLE;
use super::{Cas, Family, Parameter};

/// A request type: what a provisioning request asks Conax to do. Ordered as in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestType(usize);

/// A row of the table of request types. The names are CRM.COM's (its lists of provisioning request types and of item
/// fields); `wsdl/bindings.toml` has the names in SOAP.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The method families that have a method for the type.
    pub(super) families: &'static [Family],
    /// The family whose documents make `subscription_identifier` mandatory.
    pub(super) requires_subscription: Option<Family>,
    /// The parameters, in the order of parameters_set.
    pub(super) parameters: &'static [Parameter],
    /// The values in a query's answer beyond the status; empty for a command.
    pub(super) results: &'static [Field],
    /// The queries whose answers tell whether a request of this type was done.
    pub(super) verified_by: &'static [&'static str],
    /// Seconds after the first sending within which the request may be sent again, if limited.
    pub(super) resend_within_s: Option<u64>,
}

/// A value of the SOAP message, which the bindings map to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, as in parameters_set and in the bindings.
    pub name: &'static str,
    /// Is the value mandatory?
    pub mandatory: bool,
    /// May the value repeat?
    pub many: bool,
}

impl RequestType {
    /// The type whose answer gives the session for later requests; only the gateway sends it.
    pub const LOGIN: Self = Self::named("LOGIN");
    /// The type that ends a session; only the gateway sends it.
    pub const LOGOUT: Self = Self::named("LOGOUT");

    /// Every type that clients ask for, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        Self::bindable().filter(|request_type| !request_type.row().families.is_empty())
    }

    /// Every type in the order of the table, with the types that only the gateway sends.
    pub fn bindable() -> impl Iterator<Item = Self> + Clone {
        (0..TABLE.len()).map(Self)
    }

    /// The types that have a method in a family.
    pub fn of_family(family: Family) -> impl Iterator<Item = Self> {
        Self::all().filter(move |request_type| request_type.row().families.contains(&family))
    }

    /// The CA system of the type; `None` for a type that the gateway sends to any system.
    pub fn cas(self) -> Option<Cas> {
        self.row().families.first().map(|family| family.cas())
    }

    /// The type with a name that is written in the code. In a constant, an unknown name does not compile.
    ///
    /// # Panics
    /// There is no type of that name.
    pub const fn named(name: &str) -> Self {
        let mut index = 0;
        while index < TABLE.len() {
            if is_same(TABLE[index].name.as_bytes(), name.as_bytes()) {
                return Self(index);
            }
            index += 1;
        }
        panic!("there is no request type of that name")
    }

    fn row(self) -> &'static Row {
        &TABLE[self.0]
    }

    /// The name in JSON, in the store and in the bindings.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The path of the method that creates such a request, below the prefix of all methods.
    pub fn method_path(self, family: Family) -> String {
        family.method_path(&self.as_str().to_ascii_lowercase())
    }

    /// The type that a family's method with this name creates.
    pub fn of_method(family: Family, method: &str) -> Option<Self> {
        let is_lower = method.bytes().all(|byte| !byte.is_ascii_uppercase());
        Self::of_family(family).find(|request_type| is_lower && request_type.as_str().eq_ignore_ascii_case(method))
    }

    /// The parameters of the method, in the order of parameters_set.
    pub fn parameters(self) -> &'static [Parameter] {
        self.row().parameters
    }

    /// The values of the SOAP request.
    pub fn fields(self) -> impl Iterator<Item = Field> {
        self.parameters().iter().filter_map(Parameter::field)
    }

    /// The values in a query's answer beyond the status; empty for a command.
    pub fn results(self) -> &'static [Field] {
        self.row().results
    }

    /// Is the type a query, which changes nothing?
    pub fn is_query(self) -> bool {
        !self.results().is_empty()
    }

    /// Does a family's method need a `subscription_identifier`?
    pub fn requires_subscription(self, family: Family) -> bool {
        self.row().requires_subscription == Some(family)
    }

    /// The name of the secret parameter, which is masked wherever it is shown.
    pub fn secret(self) -> Option<&'static str> {
        self.parameters().iter().find(|parameter| parameter.is_secret()).map(|parameter| parameter.name)
    }

    /// How long after the first sending a request may be sent again, if limited.
    pub fn resend_within(self) -> Option<Duration> {
        self.row().resend_within_s.map(Duration::from_secs)
    }

    /// Does this query's answer tell whether a request of another type was done?
    pub fn can_verify(self, command: Self) -> bool {
        command.row().verified_by.contains(&self.as_str())
    }
}

const fn is_same(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    left.len() == right.len() && index == left.len()
}

impl fmt::Display for RequestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestType {
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
        Self::bindable().find(|request_type| request_type.as_str() == text).ok_or(UnknownRequestType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_of_one_ca_system() {
        for request_type in RequestType::all() {
            let families = request_type.row().families;
            assert!(families.iter().all(|family| Some(family.cas()) == request_type.cas()), "{request_type}");
        }
    }
}
