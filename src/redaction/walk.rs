//! Goes through a text and all texts inside: contents of markup, escaped texts, pairs of a name and a value, base64.

use std::collections::BTreeMap;
use std::ops::Range;

use super::escapes::{Decoded, Edit, apply, replace};
use super::markup::{self, DECLARATION};
use super::names::NameSet;
use super::opaque;

/// Texts inside texts, each layer of escapes counted. A deeper text is replaced whole, like a named value.
const DEPTH: usize = 16;

/// Decides the replacements on a walk through texts.
pub(super) struct Walk<'w> {
    pub(super) names: &'w NameSet,
    /// The replacement of a named value.
    pub(super) named: &'w dyn Fn(&str) -> String,
    /// Replaces further ranges of a text that has no texts inside; `is_name` for a text that is a name itself.
    pub(super) found: &'w dyn Fn(&mut Places<'_>, bool),
}

/// The ranges of a text that are replaced, each once.
pub(super) struct Places<'t> {
    pub(super) text: &'t str,
    new: BTreeMap<usize, (usize, String)>,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, new: BTreeMap::new() }
    }

    pub(super) fn get(&self, at: &Range<usize>) -> &'t str {
        self.text.get(at.clone()).unwrap_or_default()
    }

    pub(super) fn is_free(&self, at: &Range<usize>) -> bool {
        self.new.range(..at.end).next_back().is_none_or(|(_, (end, _))| *end <= at.start)
    }

    /// Replaces a range, unless a part is replaced already.
    pub(super) fn put(&mut self, at: Range<usize>, new: String) {
        if self.is_free(&at) {
            self.new.insert(at.start, (at.end, new));
        }
    }

    fn edits(&self) -> Vec<Edit> {
        self.new.iter().flat_map(|(start, (end, new))| replace(self.text, &(*start..*end), new)).collect()
    }
}

impl Walk<'_> {
    /// Rewrites a text, which may be a name itself, such as a charset's.
    pub(super) fn text(&self, text: &str, is_name: bool) -> String {
        self.at_depth(text, DEPTH, is_name)
    }

    fn at_depth(&self, text: &str, depth: usize, is_name: bool) -> String {
        let is_markup = markup::has_tags(text) || text.trim_start_matches('\u{FEFF}').trim_start().starts_with('<');
        let edits = if is_markup { self.markup(text, depth) } else { self.content(text, depth, is_name) };
        apply(text, edits)
    }

    fn markup(&self, text: &str, depth: usize) -> Vec<Edit> {
        let mut edits = Vec::new();
        markup::contents(text, |path, pieces| {
            let said = Decoded::join(text, pieces);
            edits.extend(said.back(match self.names.has(path) {
                true => self.named(&said.text, depth),
                false => self.content(&said.text, depth, path.last().is_some_and(|name| name == DECLARATION)),
            }));
        });
        edits
    }

    fn named(&self, text: &str, depth: usize) -> Vec<Edit> {
        match Decoded::unescape(text).zip(depth.checked_sub(1)) {
            Some((decoded, depth)) => decoded.back(self.named(&decoded.text, depth)),
            None if text.trim().is_empty() => Vec::new(),
            None => replace(text, &(0..text.len()), &(self.named)(text)),
        }
    }

    fn content(&self, text: &str, depth: usize, is_name: bool) -> Vec<Edit> {
        let Some(depth) = depth.checked_sub(1) else { return self.named(text, depth) };
        if !markup::has_tags(text) {
            return match Decoded::unescape(text) {
                Some(decoded) => decoded.back(self.content(&decoded.text, depth, is_name)),
                None => self.plain(text, depth, is_name),
            };
        }
        // A value may have tags inside.
        let mut across = Places::new(text);
        (self.found)(&mut across, is_name);
        across.new.retain(|start, (end, _)| text.get(*start..*end).is_some_and(|text| text.contains(['<', '>'])));
        let mut edits = self.markup(text, depth);
        edits.retain(|edit| across.is_free(&edit.at));
        edits.extend(across.edits());
        edits
    }

    /// Rewrites a text without markup and escapes.
    fn plain(&self, text: &str, depth: usize, is_name: bool) -> Vec<Edit> {
        let mut places = Places::new(text);
        for at in self.names.find_pairs(text) {
            let new = (self.named)(places.get(&at));
            places.put(at, new);
        }
        opaque::each_run(text, |run| {
            let rewrite = |text: &str| self.at_depth(text, depth, false);
            let written = places.is_free(&run).then(|| places.get(&run));
            let new = written.and_then(|written| opaque::rewrite_base64(written, rewrite));
            new.map(|new| places.put(run, new)).is_some()
        });
        (self.found)(&mut places, is_name);
        places.edits()
    }
}

/// Gives every value in a text that has one of these names.
pub(super) fn by_name(names: &NameSet, text: &str, take: &dyn Fn(&str)) {
    let named = |value: &str| {
        take(value.trim());
        value.to_owned()
    };
    Walk { names, named: &named, found: &|_, _| {} }.text(text, false);
}

#[cfg(test)]
mod tests {
    use super::super::Names;
    use super::*;
    use crate::contract::{Contract, ContractSource};

    fn masked(text: &str) -> String {
        let names = Names::from_contract(&Contract::load(&ContractSource::Embedded).ok().unwrap(), &[]);
        Walk { names: &names.personal, named: &|_| "****".to_owned(), found: &|_, _| {} }.text(text, false)
    }

    #[test]
    fn names_are_found_in_texts_inside_texts() {
        for (text, expected) in [
            ("x <a><CaPin>1</CaPin></a> y", "x <a><CaPin>****</CaPin></a> y"),
            ("<CaPin>1<![CDATA[2]]>&#51;</CaPin>", "<CaPin>****<![CDATA[]]></CaPin>"),
            ("<a>b &lt;CaPin&gt;1&lt;/CaPin&gt;</a>", "<a>b &lt;CaPin&gt;****&lt;/CaPin&gt;</a>"),
            (
                "<a>&amp;lt;CaPin&amp;gt;1&amp;lt;/CaPin&amp;gt;</a>",
                "<a>&amp;lt;CaPin&amp;gt;****&amp;lt;/CaPin&amp;gt;</a>",
            ),
            ("<a><![CDATA[<CaPin>1</CaPin>]]></a>", "<a><![CDATA[<CaPin>****</CaPin>]]></a>"),
            ("<a><!-- <CaPin>1</CaPin> --></a>", "<a><!-- <CaPin>****</CaPin> --></a>"),
            ("<a>{\"ca_pin\": \"1\"} CaPin=1</a>", "<a>{\"ca_pin\": \"****\"} CaPin=****</a>"),
            ("<a>{&quot;ca_pin&quot;: &quot;1&quot;}</a>", "<a>{&quot;ca_pin&quot;: &quot;****&quot;}</a>"),
            ("<a>the CaPIN is now 1212; 1212</a>", "<a>the CaPIN is now ****; 1212</a>"),
            ("<a>PENhUGluPjE8L0NhUGluPg==</a>", "<a>PENhUGluPioqKio8L0NhUGluPg==</a>"),
            ("<a>1 &lt; 2 &amp; &quot;3&quot; &lt;b/&gt;</a>", "<a>1 &lt; 2 &amp; &quot;3&quot; &lt;b/&gt;</a>"),
            ("<x><TransactionStatus><Message>no</Message></TransactionStatus></x>", ""),
        ] {
            assert_eq!(masked(text), if expected.is_empty() { text } else { expected });
        }
    }

    #[test]
    fn what_is_too_deep_is_replaced_whole() {
        let deep = |inside: &str| format!("<a>&{}lt;{inside}</a>", "amp;".repeat(2_000));
        assert_eq!(masked(&deep("4711")), "<a>****</a>");
        assert_eq!(masked(&deep("4711").replace('a', "CaPin")).matches("****").count(), 1);
    }
}
