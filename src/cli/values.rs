//! Flags whose values are words of a list: the help shows all of them, and so does the answer to a typo.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantArray as _;

use crate::request::{RequestType, State};
use crate::words::Word as _;

/// A request type, in any case.
pub(super) fn request_type() -> impl TypedValueParser<Value = RequestType> {
    let names = RequestType::all().map(RequestType::as_str);
    PossibleValuesParser::new(names).try_map(|name| name.to_uppercase().parse::<RequestType>())
}

/// A state of requests, in any case.
pub(super) fn state() -> impl TypedValueParser<Value = State> {
    let names = State::VARIANTS.iter().map(|state| state.as_str());
    PossibleValuesParser::new(names).try_map(|name| name.to_uppercase().parse::<State>())
}
