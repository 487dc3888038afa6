//! Rewrites a text and all texts in it: contents of markup, pairs of a name and a value, markup that is escaped or in a
//! CDATA section or comment, and what is in base64 or hexadecimal.
//!
//! Rule: what does not change keeps its bytes.

use quick_xml::escape::{partial_escape, unescape};

use super::markup;
use super::names::{Names, Wanted};
use super::wrapped::Rewrite;

/// Texts inside texts.
const DEPTH: usize = 4;

/// How texts are rewritten.
pub(super) struct Walk<'w> {
    pub(super) names: &'w Names,
    pub(super) wanted: Wanted,
    /// What is wanted by its name.
    pub(super) named: &'w dyn Fn(&str) -> String,
    /// Any other content, with the elements around it.
    pub(super) other: &'w dyn Fn(&[String], &str) -> String,
}

impl Walk<'_> {
    /// The text, rewritten.
    pub(super) fn text(&self, text: &str) -> String {
        self.at_depth(text, DEPTH)
    }

    fn at_depth(&self, text: &str, depth: usize) -> String {
        markup::rewrite(text, |content| {
            let is_named = self.names.is(self.wanted, content.path, content.attribute);
            if is_named && !content.text.trim().is_empty() {
                (self.named)(content.text)
            } else {
                self.content(content.path, content.text, depth)
            }
        })
    }

    fn content(&self, path: &[String], text: &str, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else { return (self.other)(path, text) };
        if markup::has_tags(text) {
            return self.at_depth(text, depth);
        }
        if let Some(embedded) = escaped_markup(text) {
            let rewritten = self.at_depth(&embedded, depth);
            return if rewritten == embedded { text.to_owned() } else { partial_escape(rewritten).into_owned() };
        }
        let plain = |text: &str| (self.other)(path, text);
        let wrapped = |text: &str| self.at_depth(text, depth);
        let rest = Rewrite { plain: &plain, wrapped: &wrapped };
        let mut out = String::new();
        let mut done = 0;
        for place in self.names.named_in(self.wanted, text) {
            out.push_str(&rest.text(text.get(done..place.start).unwrap_or_default()));
            out.push_str(&(self.named)(text.get(place.clone()).unwrap_or_default()));
            done = place.end;
        }
        out + &rest.text(text.get(done..).unwrap_or_default())
    }
}

/// The markup that a text is once its references are resolved, or once more of them are.
fn escaped_markup(text: &str) -> Option<String> {
    let may_be = |text: &str| ["lt;", "#60;", "#x3"].iter().any(|end| text.contains(end));
    let embedded = Some(text).filter(|text| may_be(text)).and_then(|text| unescape(text).ok())?;
    let is_markup = embedded != text && (markup::has_tags(&embedded) || may_be(&embedded));
    is_markup.then(|| embedded.into_owned())
}

/// Calls for every value in a text that is wanted by its name.
pub(super) fn by_name(names: &Names, wanted: Wanted, text: &str, take: &dyn Fn(&str)) {
    let named = |value: &str| {
        take(value.trim());
        value.to_owned()
    };
    let other = |_: &[String], text: &str| text.to_owned();
    Walk { names, wanted, named: &named, other: &other }.text(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, ContractSource};

    #[test]
    fn names_are_found_in_texts_inside_texts() {
        let names = Names::of(&Contract::load(&ContractSource::Embedded).ok().unwrap(), &[]);
        let mask = |text: &str| {
            let other = |_: &[String], text: &str| text.to_owned();
            Walk { names: &names, wanted: Wanted::Personal, named: &|_| "****".to_owned(), other: &other }.text(text)
        };
        for (text, masked) in [
            ("x <a><CaPin>1</CaPin></a> y", "x <a><CaPin>****</CaPin></a> y"),
            ("<a>b &lt;CaPin&gt;1&lt;/CaPin&gt;</a>", "<a>b &lt;CaPin&gt;****&lt;/CaPin&gt;</a>"),
            (
                "<a>&amp;lt;CaPin&amp;gt;1&amp;lt;/CaPin&amp;gt;</a>",
                "<a>&amp;lt;CaPin&amp;gt;****&amp;lt;/CaPin&amp;gt;</a>",
            ),
            ("<a><![CDATA[<CaPin>1</CaPin>]]></a>", "<a><![CDATA[<CaPin>****</CaPin>]]></a>"),
            ("<a><!-- <CaPin>1</CaPin> --></a>", "<a><!-- <CaPin>****</CaPin> --></a>"),
            ("<a>{\"ca_pin\": \"1\"} CaPin=1</a>", "<a>{\"ca_pin\": \"****\"} CaPin=****</a>"),
            ("<a>PENhUGluPjE8L0NhUGluPg==</a>", "<a>PENhUGluPioqKio8L0NhUGluPg==</a>"),
            ("<a>1 &lt; 2 &amp; &quot;3&quot; &lt;b/&gt;</a>", "<a>1 &lt; 2 &amp; &quot;3&quot; &lt;b/&gt;</a>"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }
}
