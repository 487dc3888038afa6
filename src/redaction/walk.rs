//! Goes through a text and all texts in it: contents of markup, escaped ones, pairs of a name and a value, and what is in
//! base64.

use std::ops::Range;

use super::escapes::{Decoded, Edit, apply, replace};
use super::markup::{self, Content};
use super::names::{Class, Names, Wanted};
use super::opaque;

/// Texts inside texts, counting each layer of escapes.
const DEPTH: usize = 16;

/// What is done with the texts.
pub(super) struct Walk<'w> {
    pub(super) names: &'w Names,
    pub(super) wanted: Wanted,
    /// What comes in place of what is wanted by its name.
    pub(super) named: &'w dyn Fn(&str) -> String,
    /// What is replaced in all else.
    pub(super) found: &'w dyn Fn(Class, &str) -> Vec<Edit>,
}

impl Walk<'_> {
    /// The text, rewritten.
    pub(super) fn text(&self, text: &str) -> String {
        self.at_depth(text, DEPTH)
    }

    fn at_depth(&self, text: &str, depth: usize) -> String {
        let is_markup = markup::has_tags(text) || text.trim_start_matches('\u{FEFF}').trim_start().starts_with('<');
        let edits = if is_markup { self.markup(text, depth) } else { self.content(Class::Text, text, depth) };
        apply(text, edits)
    }

    fn markup(&self, text: &str, depth: usize) -> Vec<Edit> {
        let mut edits = Vec::new();
        markup::contents(text, |Content { path, attribute, pieces }| {
            let said = Decoded::join(text, pieces);
            edits.extend(said.back(match self.names.class(self.wanted, path, attribute) {
                Class::Named => self.named(&said.text),
                class => self.content(class, &said.text, depth),
            }));
        });
        edits
    }

    fn named(&self, text: &str) -> Vec<Edit> {
        match Decoded::of(text) {
            Some(decoded) => decoded.back(self.named(&decoded.text)),
            None if text.trim().is_empty() => Vec::new(),
            None => replace(text, 0..text.len(), &(self.named)(text)),
        }
    }

    fn content(&self, class: Class, text: &str, depth: usize) -> Vec<Edit> {
        let Some(depth) = depth.checked_sub(1) else { return self.found(class, text, 0..text.len()) };
        if !markup::has_tags(text) {
            return match Decoded::of(text) {
                Some(decoded) => decoded.back(self.content(class, &decoded.text, depth)),
                None => self.plain(class, text, depth),
            };
        }
        // A value may have tags in it itself.
        let is_across = |edit: &Edit| text.get(edit.at.clone()).is_some_and(|text| text.contains(['<', '>']));
        let across: Vec<Edit> = (self.found)(class, text).into_iter().filter(is_across).collect();
        let is_free =
            |edit: &Edit| across.iter().all(|across| edit.at.end <= across.at.start || across.at.end <= edit.at.start);
        let mut edits = self.markup(text, depth);
        edits.retain(is_free);
        edits.extend(across.into_iter().flat_map(|across| replace(text, across.at, &across.text)));
        edits
    }

    /// A text without markup and escapes.
    fn plain(&self, class: Class, text: &str, depth: usize) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut open = Open::of(text);
        for place in self.names.named_in(self.wanted, text) {
            edits.extend(replace(text, place.clone(), &(self.named)(text.get(place.clone()).unwrap_or_default())));
            open.close(&place);
        }
        opaque::each_run(text, |run| {
            let written = text.get(run.clone()).filter(|_| open.has(&run)).unwrap_or_default();
            let Some(new) = opaque::rewrite_base64(written, |text| self.at_depth(text, depth)) else { return false };
            edits.extend(replace(text, run.clone(), &new));
            open.close(&run);
            true
        });
        edits.extend(open.0.into_iter().flat_map(|place| self.found(class, text, place)));
        edits
    }

    /// What is replaced in a place of a text.
    fn found(&self, class: Class, text: &str, place: Range<usize>) -> Vec<Edit> {
        let found = (self.found)(class, text.get(place.clone()).unwrap_or_default()).into_iter();
        let moved = |at: Range<usize>| place.start + at.start..place.start + at.end;
        found.flat_map(|edit| replace(text, moved(edit.at), &edit.text)).collect()
    }
}

/// The places of a text in which nothing was replaced yet.
pub(super) struct Open(pub(super) Vec<Range<usize>>);

impl Open {
    pub(super) fn of(text: &str) -> Self {
        Self(Vec::from([Range { start: 0, end: text.len() }]))
    }

    fn has(&self, place: &Range<usize>) -> bool {
        self.0.iter().any(|open| open.start <= place.start && place.end <= open.end)
    }

    pub(super) fn close(&mut self, place: &Range<usize>) {
        let around = |open: Range<usize>| {
            let (before, after) = (open.start..open.end.min(place.start), open.start.max(place.end)..open.end);
            [before, after].into_iter().filter(|left| left.start < left.end)
        };
        self.0 = std::mem::take(&mut self.0).into_iter().flat_map(around).collect();
    }
}

/// Calls for every value in a text that is wanted by its name.
pub(super) fn by_name(names: &Names, wanted: Wanted, text: &str, take: &dyn Fn(&str)) {
    let named = |value: &str| {
        take(value.trim());
        value.to_owned()
    };
    Walk { names, wanted, named: &named, found: &|_, _| Vec::new() }.text(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, ContractSource};

    #[test]
    fn names_are_found_in_texts_inside_texts() {
        let names = Names::of(&Contract::load(&ContractSource::Embedded).ok().unwrap(), &[]);
        let nothing = |_, _: &str| Vec::new();
        let walk = Walk { names: &names, wanted: Wanted::Personal, named: &|_| "****".to_owned(), found: &nothing };
        for (text, masked) in [
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
        ] {
            assert_eq!(walk.text(text), masked);
        }
    }
}
