//! Turns rows into values of the program, and values into columns, for both engines: the tables have the same columns
//! in both. An engine implements [`ReadColumns`].
//!
//! Rule: times are milliseconds since 1970, UTC; lists and parts without a column of their own are JSON.

mod accounts;
mod exchanges;
mod joint;
mod parts;
mod requests;

use chrono::{DateTime, Utc};

pub(super) use accounts::{ENTRY_COLUMNS, USER_COLUMNS, row_to_entry, row_to_key, row_to_token_owner, row_to_user};
pub(super) use exchanges::{
    EXCHANGE_COLUMNS, ExchangeRow, NOTE_COLUMNS, REQUEST_ROW_COLUMNS, SUMMARY_COLUMNS, row_to_exchange, row_to_note,
    row_to_request_row, row_to_summary,
};
pub(super) use joint::{RESPONSE, joint_responses, own_response};
pub(super) use parts::{ChangedPart, NewPart, PART_COLUMNS, row_to_part, set_parts};
pub(super) use requests::{
    CANDIDATE_COLUMNS, Candidate, EVENT_COLUMNS, InDoubtColumns, NewRow, SENT_ATTEMPT_COLUMNS, accepted_record,
    attempt_columns, failure_to_json, rendered_request, request_columns, row_to_attempt, row_to_candidate,
    row_to_event, row_to_request, row_to_sent_attempt,
};

use super::StoreError;
use crate::timings::Timings;

/// A row whose columns are read by name.
pub(super) trait ReadColumns: Sized {
    /// The error of a column that cannot be read.
    type Error;

    /// The text of a column, if it has one.
    fn text(&self, name: &str) -> Result<Option<&str>, Self::Error>;
    /// The whole number of a column, if the column has a value.
    fn integer(&self, name: &str) -> Result<Option<i64>, Self::Error>;
    /// The truth value of a column, if the column has a value.
    fn boolean(&self, name: &str) -> Result<Option<bool>, Self::Error>;
    /// The bytes of a column, if the column has a value.
    fn bytes(&self, name: &str) -> Result<Option<&[u8]>, Self::Error>;
    /// The error for a column with an invalid value.
    fn wrong(name: &str, message: String) -> Self::Error;

    /// The value of a column, or `None` for NULL.
    fn optional<T: ColumnValue>(&self, name: &str) -> Result<Option<T>, Self::Error> {
        T::read(self, name)
    }

    /// The value of a column that is never NULL.
    fn get<T: ColumnValue>(&self, name: &str) -> Result<T, Self::Error> {
        self.optional(name)?.ok_or_else(|| missing::<Self>(name))
    }

    /// A word that the program wrote itself, parsed.
    fn word<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Self::Error> {
        self.optional_word(name, parse)?.ok_or_else(|| missing::<Self>(name))
    }

    fn optional_word<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Self::Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| Self::wrong(name, format!("unexpected {name} '{text}'")))
    }

    fn optional_json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Self::Error> {
        let parsed = self.text(name)?.map(serde_json::from_str).transpose();
        parsed.map_err(|error| Self::wrong(name, error.to_string()))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Self::Error> {
        self.optional_json(name)?.ok_or_else(|| missing::<Self>(name))
    }

    fn time(&self, name: &str) -> Result<DateTime<Utc>, Self::Error> {
        self.optional_time(name)?.ok_or_else(|| missing::<Self>(name))
    }

    fn optional_time(&self, name: &str) -> Result<Option<DateTime<Utc>>, Self::Error> {
        let time = |millis| {
            DateTime::from_timestamp_millis(millis).ok_or_else(|| Self::wrong(name, format!("{name} is not a time")))
        };
        self.integer(name)?.map(time).transpose()
    }
}

fn missing<C: ReadColumns>(name: &str) -> C::Error {
    C::wrong(name, format!("{name} is missing"))
}

/// The types that a column can be read as.
pub(super) trait ColumnValue: Sized {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error>;
}

impl ColumnValue for i64 {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        columns.integer(name)
    }
}

impl ColumnValue for bool {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        columns.boolean(name)
    }
}

/// An integer type other than `i64`.
fn read_integer<C: ReadColumns, T: TryFrom<i64>>(columns: &C, name: &str) -> Result<Option<T>, C::Error> {
    let number = columns.integer(name)?.map(T::try_from).transpose();
    number.map_err(|_| C::wrong(name, format!("{name} is out of range")))
}

impl ColumnValue for u32 {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        read_integer(columns, name)
    }
}

impl ColumnValue for usize {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        read_integer(columns, name)
    }
}

impl ColumnValue for u16 {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        read_integer(columns, name)
    }
}

impl ColumnValue for String {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        Ok(columns.text(name)?.map(str::to_owned))
    }
}

impl ColumnValue for std::sync::Arc<str> {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        Ok(columns.text(name)?.map(Self::from))
    }
}

impl ColumnValue for Vec<u8> {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        Ok(columns.bytes(name)?.map(<[u8]>::to_vec))
    }
}

impl ColumnValue for [u8; 32] {
    fn read<C: ReadColumns>(columns: &C, name: &str) -> Result<Option<Self>, C::Error> {
        let bytes = columns.bytes(name)?.map(Self::try_from).transpose();
        bytes.map_err(|_| C::wrong(name, format!("{name} is no hash")))
    }
}

/// The timings of a call as JSON.
pub(super) fn timings_to_json(timings: Option<&Timings>) -> Result<Option<String>, StoreError> {
    timings.map(to_json).transpose()
}

/// A value as JSON.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Other(error.to_string()))
}
