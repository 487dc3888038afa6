//! XML indented for a person to read.

use quick_xml::events::{BytesText, Event};
use quick_xml::{Reader, Writer};

use super::{Limits, parse};

/// Spaces per level.
const STEP: usize = 2;

/// Puts each element of a document on a line of its own, except beside text; `None` for a text that is no XML. White space
/// alone between elements counts as indentation; all other text stays.
pub fn indented(text: &str) -> Option<String> {
    parse(text, Limits::default()).ok()?;
    let mut reader = Reader::from_str(text);
    let mut writer = Writer::new_with_indent(Vec::with_capacity(2 * text.len()), b' ', STEP);
    // quick-xml gives a reference as an event of its own; the writer has to see a part of the text.
    let mut run = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Text(text) => run.push_str(&text),
            Event::GeneralRef(name) => run.push_str(&format!("&{};", &*name)),
            event => {
                if !run.trim_ascii().is_empty() {
                    writer.write_event(Event::Text(BytesText::from_escaped(run.as_str()))).ok()?;
                }
                run.clear();
                match event {
                    Event::Eof => break,
                    event => writer.write_event(event).ok()?,
                }
            }
        }
    }
    String::from_utf8(writer.into_inner()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_lines_and_texts_stay() {
        let xml =
            "<?xml version=\"1.0\"?><a:r xmlns:a=\"u\"><b>x &amp; <![CDATA[<y>]]></b>\n<c d='\"'/> <!-- n --></a:r>";
        let expected = "<?xml version=\"1.0\"?>\n<a:r xmlns:a=\"u\">\n  <b>x &amp; <![CDATA[<y>]]></b>\n  <c d='\"'/>\n  \
                        <!-- n -->\n</a:r>";
        assert_eq!(indented(xml).as_deref(), Some(expected));
        let texts = "<a>\n  <b>&lt;x&gt; &amp; &#65;</b>\n  <c>x &lt;</c>\n</a>";
        assert_eq!(indented("<a><b>&lt;x&gt; &amp; &#65;</b><c>x &lt;</c></a>").as_deref(), Some(texts));
        assert_eq!(indented("<a>"), None);
        assert_eq!(indented("no XML"), None);
    }
}
