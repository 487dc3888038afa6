//! Flags whose values are words of a list: the help shows all of them, and so does the answer to a typo.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantArray as _;

use crate::request::{RequestType, State};
use crate::words::Word as _;

/// A request type, in any case.
pub(super) fn request_type() -> impl TypedValueParser<Value = RequestType> {
    request_type_of(RequestType::all())
}

/// A request type, in any case; also the types that only the gateway asks for.
pub(super) fn bindable_type() -> impl TypedValueParser<Value = RequestType> {
    request_type_of(RequestType::bindable())
}

fn request_type_of(types: impl Iterator<Item = RequestType>) -> impl TypedValueParser<Value = RequestType> {
    let names = types.map(RequestType::as_str);
    PossibleValuesParser::new(names).try_map(|name| name.to_uppercase().parse::<RequestType>())
}

/// A state of requests, in any case.
pub(super) fn state() -> impl TypedValueParser<Value = State> {
    let names = State::VARIANTS.iter().map(|state| state.as_str());
    PossibleValuesParser::new(names).try_map(|name| name.to_uppercase().parse::<State>())
}
