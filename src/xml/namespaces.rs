//! The namespace declarations in force while a document is read, and the expanded names that qualified names have there
//! (Namespaces in XML 1.0).
//!
//! Rule: a prefix is declared before use and only once per element, and reserved names stay reserved. Errors are sentences.

use std::sync::Arc;

use super::chars::is_ncname;
use super::tree::Name;
use super::{XML_NS, XMLNS_NS};

/// The declarations in force.
#[derive(Default)]
pub(super) struct Scope {
    /// Depth of the declaring element, prefix and URI; innermost last.
    declared: Vec<(usize, Arc<str>, Arc<str>)>,
}

/// Checks a declaration (2.2 and 3); the default namespace has no prefix.
pub(super) fn check_namespace(prefix: Option<&str>, uri: &str) -> Result<(), String> {
    let is_name = prefix.is_none_or(|prefix| is_ncname(prefix) && !uri.is_empty());
    let is_reserved = prefix == Some("xmlns") || uri == XMLNS_NS || (prefix == Some("xml")) != (uri == XML_NS);
    match is_name && !is_reserved {
        true => Ok(()),
        false => Err(format!("prefix '{}' may not be declared as '{uri}'", prefix.unwrap_or_default())),
    }
}

impl Scope {
    /// Adds a declaration of an element at `depth`; at most `most` may be in force.
    pub(super) fn declare(
        &mut self,
        depth: usize,
        prefix: &Arc<str>,
        uri: &Arc<str>,
        most: usize,
    ) -> Result<(), String> {
        if self.declared.iter().any(|(d, p, _)| *d == depth && p == prefix) {
            return Err(format!("prefix '{prefix}' declared twice"));
        }
        if self.declared.len() == most {
            return Err(format!("more than {most} declarations in force"));
        }
        self.declared.push((depth, prefix.clone(), uri.clone()));
        Ok(())
    }

    /// Ends the declarations of the element at `depth`.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.declared.last().is_some_and(|(d, _, _)| *d >= depth) {
            self.declared.pop();
        }
    }

    /// The expanded name and the prefix of a qualified name; the default namespace counts for elements only.
    pub(super) fn expand(&self, raw: &str, is_element: bool) -> Result<(Name, Arc<str>), String> {
        let (prefix, local) = raw.split_once(':').unwrap_or(("", raw));
        if !is_ncname(local) || (raw.contains(':') && !is_ncname(prefix)) {
            return Err(format!("'{raw}' is not a name"));
        }
        let bound = self.declared.iter().rev().find(|(_, p, _)| &**p == prefix);
        Ok(match bound {
            Some((_, prefix, uri)) if !prefix.is_empty() || is_element => {
                (Name { namespace: uri.clone(), local: Arc::from(local) }, prefix.clone())
            }
            _ if prefix.is_empty() => (Name::new(Arc::default(), local), Arc::default()),
            _ if prefix == "xml" => (Name::new(XML_NS, local), Arc::from("xml")),
            _ => return Err(format!("prefix '{prefix}' is not declared")),
        })
    }
}
