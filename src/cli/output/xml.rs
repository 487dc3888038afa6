//! XML for a person: on a terminal indented, and coloured where there are colours; as it is anywhere else.

use std::io::{IsTerminal as _, stdout};

use anstyle::{AnsiColor, Style};

use super::Piece;
use crate::xml::indented;

/// Style of markup.
const MARKUP: Style = AnsiColor::Blue.on_default();

/// The text, indented if it is XML and unchanged otherwise.
pub(in crate::cli) fn xml_pieces(text: &str) -> Vec<Piece> {
    // A program, or a person who searches, gets what was on the wire.
    let indented = if stdout().is_terminal() { indented(text) } else { None };
    match indented {
        Some(xml) => pieces_of_markup(&xml),
        None => vec![Piece::plain(text)],
    }
}

/// Splits into markup and the texts between; a `>` inside an attribute's quotes ends no tag.
fn pieces_of_markup(xml: &str) -> Vec<Piece> {
    let (mut pieces, mut rest) = (Vec::new(), xml);
    while let Some(start) = rest.find('<') {
        let (text, markup) = rest.split_at(start);
        let (markup, after) = markup.split_at(end_of_markup(markup));
        pieces.push(Piece::plain(text));
        pieces.push(Piece { style: MARKUP, text: markup.to_owned() });
        rest = after;
    }
    pieces.push(Piece::plain(rest));
    pieces
}

fn end_of_markup(markup: &str) -> usize {
    for (opening, closing) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")] {
        if markup.starts_with(opening) {
            return markup.find(closing).map_or(markup.len(), |at| at + closing.len());
        }
    }
    let mut quote = None;
    for (at, c) in markup.char_indices() {
        match (quote, c) {
            (None, '>') => return at + 1,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    markup.len()
}
