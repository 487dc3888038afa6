//! Walks through a text as through XML, whether it is well-formed or not, and rewrites its contents only: every byte of
//! its tags but attribute values stays.

use quick_xml::escape::partial_escape;

/// A piece of content, and where it stands.
pub(super) struct Content<'t> {
    /// Local names of the open elements, in lower case, outermost first.
    pub(super) path: &'t [String],
    /// Local name of the attribute whose value it is, in lower case.
    pub(super) attribute: Option<&'t str>,
    /// As it is written, references and all.
    pub(super) text: &'t str,
}

/// Names of open elements that are remembered. No reader here goes deeper; what is deeper belongs to the last of them.
const DEPTH: usize = 64;

/// Could it be XML, or something like it? There may be anything before it; but `<` alone is no tag.
fn is_markup(text: &str) -> bool {
    text.trim_start_matches('\u{FEFF}').trim_start().starts_with('<') || has_tags(text)
}

/// Are there tags in it that are certainly such?
pub(super) fn has_tags(text: &str) -> bool {
    text.contains("</") || text.contains("/>")
}

/// Rewrites every piece of content: text, CDATA, comments, instructions, values of attributes. A text that is no markup
/// is one piece.
pub(super) fn rewrite(text: &str, mut content: impl FnMut(Content<'_>) -> String) -> String {
    if !is_markup(text) {
        return content(Content { path: &[], attribute: None, text });
    }
    let mut out = String::with_capacity(text.len());
    let mut path = Path::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (pieces, markup) = pieces(rest);
        let mut in_element = |text: &str| content(Content { path: &path.names, attribute: None, text });
        match joined(&pieces, &mut in_element) {
            Some(joined) => out.push_str(&joined),
            None => pieces.iter().for_each(|piece| piece.push(&mut in_element, &mut out)),
        }
        rest = if markup.is_empty() { "" } else { one_tag(markup, &mut path, &mut out, &mut content) };
    }
    out
}

/// A piece between two tags, in its brackets if it has any.
struct Piece<'t> {
    opening: &'static str,
    text: &'t str,
    closing: &'static str,
}

const CDATA: &str = "<![CDATA[";

impl Piece<'_> {
    /// Is it part of what the element says?
    fn is_data(&self) -> bool {
        self.opening.is_empty() || self.opening == CDATA
    }

    fn push(&self, content: &mut impl FnMut(&str) -> String, out: &mut String) {
        out.push_str(self.opening);
        out.push_str(&content(self.text));
        out.push_str(self.closing);
    }
}

/// All up to the next tag, and what follows.
fn pieces(text: &str) -> (Vec<Piece<'_>>, &str) {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let (text, markup) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        if !text.is_empty() {
            pieces.push(Piece { opening: "", text, closing: "" });
        }
        let Some((opening, closing)) = bracket(markup) else { return (pieces, markup) };
        let inner = markup.get(opening.len()..).unwrap_or_default();
        let (text, after, closing) = match inner.split_once(closing) {
            Some((text, after)) => (text, after, closing),
            None => (inner, "", ""),
        };
        pieces.push(Piece { opening, text, closing });
        rest = after;
    }
}

/// What an element says may be divided by comments and CDATA sections: if that hides something, it is put together.
fn joined(pieces: &[Piece<'_>], content: &mut impl FnMut(&str) -> String) -> Option<String> {
    if pieces.iter().filter(|piece| piece.is_data()).count() < 2 {
        return None;
    }
    let join = |piece: &Piece<'_>, text: String| match piece.opening {
        CDATA => partial_escape(text).into_owned(),
        _ => text,
    };
    let data = || pieces.iter().filter(|piece| piece.is_data());
    let before: String = data().map(|piece| join(piece, piece.text.to_owned())).collect();
    let mut after = content(&before);
    if after == before || after == data().map(|piece| join(piece, content(piece.text))).collect::<String>() {
        return None;
    }
    pieces.iter().filter(|piece| !piece.is_data()).for_each(|piece| piece.push(content, &mut after));
    Some(after)
}

/// The open elements.
#[derive(Default)]
struct Path {
    names: Vec<String>,
    /// Those beyond [`DEPTH`].
    deeper: usize,
}

impl Path {
    fn open(&mut self, name: String) {
        if self.names.len() < DEPTH { self.names.push(name) } else { self.deeper += 1 }
    }

    fn close(&mut self) {
        match self.deeper.checked_sub(1) {
            Some(deeper) => self.deeper = deeper,
            None => drop(self.names.pop()),
        }
    }
}

/// The brackets of what is not a tag.
fn bracket(markup: &str) -> Option<(&'static str, &'static str)> {
    let brackets = [("<!--", "-->"), (CDATA, "]]>"), ("<?xml ", "?>"), ("<?", "?>")];
    let found = brackets.into_iter().find(|(opening, _)| markup.starts_with(opening));
    // Nothing of a declaration is content, but a tag it is not.
    found.filter(|(opening, _)| *opening != "<?xml ")
}

/// One tag; returns what follows it.
fn one_tag<'t>(
    markup: &'t str,
    path: &mut Path,
    out: &mut String,
    content: &mut impl FnMut(Content<'_>) -> String,
) -> &'t str {
    let Some(end) = tag_end(markup).filter(|_| is_named(markup)) else {
        // It breaks off inside a tag, or was none.
        let (first, rest) = markup.split_at(markup.char_indices().nth(1).map_or(markup.len(), |(at, _)| at));
        out.push_str(first);
        return rest;
    };
    let (tag, rest) = markup.split_at(end);
    if tag.starts_with("</") {
        path.close();
        out.push_str(tag);
        return rest;
    }
    if let Some(declaration) = tag.strip_prefix("<!").and_then(|rest| rest.strip_suffix('>')) {
        // Of a DTD, say: an entity may hold anything.
        out.push_str("<!");
        out.push_str(&content(Content { path: &path.names, attribute: None, text: declaration }));
        out.push('>');
        return rest;
    }
    let is_element = !tag.starts_with("<?");
    let name_end = tag.find([' ', '\t', '\r', '\n', '/', '>']).unwrap_or(tag.len());
    let (name, attributes) = tag.split_at(name_end);
    if is_element {
        path.open(local(name.trim_start_matches('<')));
    }
    out.push_str(name);
    rewrite_attributes(attributes, is_element, |attribute, text| match attribute {
        Some(attribute) => {
            out.push_str(&content(Content { path: &path.names, attribute: Some(attribute), text }));
        }
        None => rewrite_unquoted(text, out, |text| content(Content { path: &path.names, attribute: None, text })),
    });
    if is_element && tag.ends_with("/>") {
        path.close();
    }
    rest
}

/// Does it begin like a tag, a declaration or an instruction? `<card@host>` does not.
fn is_named(markup: &str) -> bool {
    let name = markup.trim_start_matches(['<', '/']);
    let name = name.split([' ', '\t', '\r', '\n', '/', '>']).next().unwrap_or_default();
    let is_first = |c: char| c.is_alphabetic() || matches!(c, '_' | '!' | '?');
    name.starts_with(is_first)
        && name.chars().skip(1).all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '[' | '?'))
}

/// Where a tag ends; a `>` inside quotes does not end it.
fn tag_end(markup: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in markup.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(at + 1),
            (None, b'<') => return None,
            _ => {}
        }
    }
    None
}

/// Gives each value with its attribute's name, and all between them without.
fn rewrite_attributes(text: &str, is_element: bool, mut give: impl FnMut(Option<&str>, &str)) {
    let mut rest = text;
    while let Some(open) = rest.find(['"', '\'']).filter(|_| is_element) {
        let (before, quoted) = rest.split_at(open);
        let (quote, quoted) = quoted.split_at(1);
        let Some((value, after)) = quoted.split_once(quote) else { break };
        give(None, before);
        give(None, quote);
        let name = before.trim_end().trim_end_matches('=').trim_end().rsplit([' ', '\t', '\r', '\n']).next();
        let name = name.unwrap_or_default();
        let is_declaration = name == "xmlns" || name.starts_with("xmlns:");
        give((!is_declaration).then(|| local(name)).as_deref(), value);
        give(None, quote);
        rest = after;
    }
    give(None, rest);
}

/// Between quoted values: HTML may leave out the quotes.
fn rewrite_unquoted(text: &str, out: &mut String, mut content: impl FnMut(&str) -> String) {
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (before, after) = rest.split_at(equals + 1);
        out.push_str(before);
        let end = after.find([' ', '\t', '\r', '\n', '>', '"', '\'', '=']).unwrap_or(after.len());
        let (value, after) = after.split_at(end);
        if !value.is_empty() {
            out.push_str(&content(value));
        }
        rest = after;
    }
    out.push_str(rest);
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_is_rewritten_and_its_place_is_known() {
        let text =
            "<?xml version='1.0'?>\n<a:A xmlns:a='urn:x' b = \"1>2\"><!-- c --><B/>t<![CDATA[<d>]]><C>e</C></a:A>";
        let mut seen = Vec::new();
        let same = rewrite(text, |content| {
            seen.push((content.path.join("/"), content.attribute.map(str::to_owned), content.text.to_owned()));
            content.text.to_owned()
        });
        assert_eq!(same, text);
        let seen: Vec<_> =
            seen.iter().map(|(path, attribute, text)| (path.as_str(), attribute.as_deref(), text.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("", None, "\n"),
                ("a", Some("b"), "1>2"),
                ("a", None, " c "),
                ("a", None, "t&lt;d&gt;"),
                ("a", None, "t"),
                ("a", None, "<d>"),
                ("a/c", None, "e"),
            ]
        );
        let divided = "<a>12<![CDATA[12]]> &amp;<!-- 1 -->1<?x 1?>2<![CDATA[12&]]></a>";
        let other = rewrite(divided, |content| content.text.replace("1212", "3434"));
        assert_eq!(other, "<a>3434 &amp;3434&amp;<!-- 1 --><?x 1?></a>");
        assert_eq!(rewrite(divided, |content| content.text.replace('2', "3")), divided.replace('2', "3"));
        let html = "<!DOCTYPE a [<!ENTITY p '4711'>]><p class=x id='y' data=4711>4711</p>";
        let other = rewrite(html, |content| content.text.replace("4711", "1"));
        assert_eq!(other, html.replace("4711", "1"));
        let mail = "<a>From: <4711@x> <4711></a>";
        assert_eq!(rewrite(mail, |content| content.text.replace("4711", "1")), mail.replace("4711", "1"));
        for broken in ["<a><b", "<a>1 < 2</a>", "</a></b>x", "<!-- x", "<a b='c", "<![CDATA[", "<"] {
            assert_eq!(rewrite(broken, |content| content.text.to_owned()), broken);
        }
    }
}
