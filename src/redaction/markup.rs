//! Finds the contents of a text that is XML or similar, well-formed or not: their ranges, and the elements around them.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Match, Regex};

/// Most names of open elements that are remembered. No reader here goes deeper; deeper contents count as inside the last.
const DEPTH: usize = 64;
/// The name under which namespace declarations are given, as if they were attributes.
pub(super) const DECLARATION: &str = "xmlns";

/// All markup. Unclosed markup goes on to the end, so that no text is searched twice.
static MARKUP: LazyLock<Regex> = LazyLock::new(|| {
    let tag = r#"<[\p{Alphabetic}_][\w.:-]*(?:\s(?:"[^"]*"|'[^']*'|[^<>"'])*)?/?>"#;
    let asides =
        [r"<!--.*?(?:-->|\z)", r"<!\[CDATA\[.*?(?:\]\]>|\z)", r"<\?.*?(?:\?>|\z)", "<![^>]*>?", r"</[^<>\s]*\s*>"];
    Regex::new(&format!("(?s){tag}|{}", asides.join("|"))).expect("a valid expression")
});
/// The brackets of markup that is no tag and has contents; an entity of a DTD, say, may hold anything.
const BRACKETS: [(&str, &str); 3] = [("<!--", "-->"), ("<?", "?>"), ("<!", ">")];
/// The brackets of text that is part of an element's content.
const CDATA: (&str, &str) = ("<![CDATA[", "]]>");

/// The attributes in a tag; HTML may leave out the quotes.
static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    let value = r#""(?<double>[^"]*)"|'(?<single>[^']*)'|(?<bare>[^\s"'<>=]+)"#;
    Regex::new(&format!(r#"(?<name>[^\s=<>"'/]+)\s*=\s*(?:{value})"#)).expect("a valid expression")
});

/// Does a text certainly have tags?
pub(super) fn has_tags(text: &str) -> bool {
    (text.contains("</") || text.contains("/>")) && MARKUP.is_match(text)
}

/// The open elements.
#[derive(Default)]
struct Path {
    names: Vec<String>,
    /// The number of open elements beyond [`DEPTH`].
    deeper: usize,
}

impl Path {
    fn open(&mut self, name: String) {
        if self.names.len() < DEPTH { self.names.push(name) } else { self.deeper += 1 }
    }

    fn close(&mut self, name: &str) {
        match self.deeper.checked_sub(1) {
            Some(deeper) => self.deeper = deeper,
            // An end tag without a start tag closes nothing.
            None => self.names.truncate(self.names.iter().rposition(|open| open == name).unwrap_or(self.names.len())),
        }
    }
}

/// Gives each content of a text: text of elements, comments, instructions, values of attributes. With each content come the
/// local names of the elements around and of the attribute, in lower case, outermost first, and the content's pieces:
/// comments and CDATA sections divide the text of an element.
pub(super) fn contents(text: &str, mut give: impl FnMut(&[String], &[Range<usize>])) {
    let mut path = Path::default();
    let mut said: Vec<Range<usize>> = Vec::new();
    let mut done = 0;
    for found in MARKUP.find_iter(text) {
        said.push(done..found.start());
        done = found.end();
        if let Some(data) = inside(&found, CDATA) {
            said.push(data);
        } else if let Some(aside) = BRACKETS.into_iter().find_map(|brackets| inside(&found, brackets)) {
            // A declaration has no content.
            if !found.as_str().starts_with("<?xml ") {
                give(&path.names, &[aside]);
            }
        } else {
            give_said(&mut said, &path, &mut give);
            tag(&found, &mut path, &mut give);
        }
    }
    said.push(done..text.len());
    give_said(&mut said, &path, &mut give);
}

fn give_said(said: &mut Vec<Range<usize>>, path: &Path, give: &mut impl FnMut(&[String], &[Range<usize>])) {
    said.retain(|piece| !piece.is_empty());
    if !said.is_empty() {
        give(&path.names, said);
    }
    said.clear();
}

/// The range between two brackets, if the text begins with the first.
fn inside(found: &Match<'_>, (opening, closing): (&str, &str)) -> Option<Range<usize>> {
    let text = found.as_str().strip_prefix(opening)?;
    let text = text.strip_suffix(closing).unwrap_or(text);
    Some(found.start() + opening.len()..found.start() + opening.len() + text.len())
}

fn tag(found: &Match<'_>, path: &mut Path, give: &mut impl FnMut(&[String], &[Range<usize>])) {
    let tag = found.as_str().trim_matches(['<', '>']);
    if let Some(closed) = tag.strip_prefix('/') {
        return path.close(&local(closed.trim_end()));
    }
    let is_empty = tag.ends_with('/');
    let tag = tag.trim_end_matches('/');
    let (name, attributes) = tag.split_at(tag.find(char::is_whitespace).unwrap_or(tag.len()));
    let start = found.start() + 1 + name.len();
    let name = local(name);
    path.open(name.clone());
    let mut done = 0;
    let within = |place: Range<usize>| start + place.start..start + place.end;
    for attribute in ATTRIBUTE.captures_iter(attributes) {
        let place = attribute.get_match().range();
        give(&path.names, &[within(done..place.start)]);
        done = place.end;
        let value = ["double", "single", "bare"].iter().find_map(|group| attribute.name(group));
        let written = attribute.name("name").map_or("", |name| name.as_str());
        let is_declaration = written.split(':').next() == Some(DECLARATION);
        path.names.push(if is_declaration { DECLARATION.to_owned() } else { local(written) });
        if let Some(value) = value {
            give(&path.names, &[within(value.range())]);
        }
        path.names.pop();
    }
    give(&path.names, &[within(done..attributes.len())]);
    if is_empty {
        path.close(&name);
    }
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        contents(text, |path, pieces| {
            let said: String = pieces.iter().map(|piece| &text[piece.clone()]).collect();
            seen.extend((!said.trim().is_empty()).then(|| format!("{}: {said}", path.join("/"))));
        });
        seen
    }

    #[test]
    fn each_content_is_found_in_its_place() {
        let text = "<?xml version='1.0'?>\n<a:A xmlns:a='urn:x' b = \"1>2\" c><!-- c --><B/>t<![CDATA[<d>]]>&amp;<?x 1?>2\
                    <C>e</C></x>f</a:A>g<card@host> <4711>";
        let expected = [
            "a/xmlns: urn:x",
            "a/b: 1>2",
            "a:  c",
            "a:  c ",
            "a: x 1",
            "a: t<d>&amp;2",
            "a/c: e",
            "a: f",
            ": g<card@host> <4711>",
        ];
        assert_eq!(all(text), expected);
        assert_eq!(
            all("<!DOCTYPE a [<!ENTITY p '4711'>]><p class=x id='y'>z")[..1],
            [": DOCTYPE a [<!ENTITY p '4711'"]
        );
        assert_eq!(all("<p class=x id='y' 4711>z")[..4], ["p/class: x", "p/id: y", "p:  4711", "p: z"]);
        for (broken, said) in [
            ("<a><b", "a: <b"),
            ("<!-- x", ":  x"),
            ("<a b='c", ": <a b='c"),
            ("<![CDATA[x", ": x"),
            ("</a></b>x", ": x"),
        ] {
            assert_eq!(all(broken), [said]);
        }
    }
}
