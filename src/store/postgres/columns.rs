//! Reads the columns of a PostgreSQL row by name, and makes texts storable.

use std::borrow::Cow;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::fault::Fault;
use crate::store::StoreError;
use crate::store::rows::ReadColumns;

/// A row of a statement.
pub(super) struct Columns<'r>(pub(super) &'r Row);

impl Columns<'_> {
    fn read<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<Option<T>, Fault> {
        Ok(self.0.try_get(name)?)
    }
}

impl ReadColumns for Columns<'_> {
    type Error = Fault;

    fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        self.read(name)
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, Fault> {
        self.read(name)
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.read(name)
    }

    fn bytes(&self, name: &str) -> Result<Option<&[u8]>, Fault> {
        self.read(name)
    }

    fn wrong(name: &str, message: String) -> Fault {
        StoreError::Other(format!("{name}: {message}")).into()
    }
}

/// The text with U+FFFD in place of each NUL, which PostgreSQL cannot store; also of an escaped NUL in JSON.
pub(in crate::store) fn storable(text: &str) -> Cow<'_, str> {
    const ESCAPED: &str = "\\u0000";
    let text = match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{FFFD}")),
        false => Cow::Borrowed(text),
    };
    if !text.contains(ESCAPED) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(ESCAPED) {
            out.push_str("\\ufffd");
            rest = after;
        } else {
            // The backslash and the character that it escapes.
            let escaped = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
            out.push_str(&rest[..escaped]);
            rest = &rest[escaped..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// [`storable`] for an optional text.
pub(super) fn storable_option<T: AsRef<str>>(text: Option<&T>) -> Option<Cow<'_, str>> {
    text.map(|text| storable(text.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_becomes_a_replacement_character_and_an_escaped_backslash_stays() {
        assert_eq!(storable("a\0b"), "a\u{FFFD}b");
        assert_eq!(storable(r#"["\u0000","\\u0000","\\\u0000ü\"]"#), r#"["\ufffd","\\u0000","\\\ufffdü\"]"#);
        assert!(matches!(storable("plain \\n"), Cow::Borrowed(_)));
    }
}
