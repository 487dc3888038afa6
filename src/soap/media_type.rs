//! The parameters of a media type (RFC 9110 section 8.3.1; RFC 2045 section 5.1; RFC 2231), as real servers write them.

/// Most bytes of a media type; a longer media type has no parameters.
const LONGEST: usize = 8 << 10;

/// Is a media type multipart?
pub(super) fn is_multipart(content_type: &str) -> bool {
    content_type.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

/// A parameter of a media type, without quotes; `None` if missing or empty.
pub(super) fn parameter(content_type: &str, name: &str) -> Option<String> {
    let parsed = (content_type.len() <= LONGEST).then(|| mailparse::parse_content_type(content_type))?;
    parsed.params.get(name).filter(|value| !value.is_empty()).cloned()
}

/// A media type and its parameters as written; semicolons in quotes do not separate.
pub fn pieces(content_type: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    content_type.split(move |c| {
        let is_plain = !std::mem::take(&mut is_escaped);
        is_quoted ^= is_plain && c == '"';
        is_escaped = is_plain && is_quoted && c == '\\';
        c == ';' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_quotes_is_a_value() {
        let content_type = "Multipart/Related; start-info=\"text/xml; charset=klingon; boundary=\\\"x\";Boundary=\"a;b\" ; start*=utf-8''%3Cr%3E";
        assert!(is_multipart(content_type));
        let read = |name: &str| parameter(content_type, name);
        assert_eq!(
            [read("charset"), read("boundary"), read("start")],
            [None, Some("a;b".to_owned()), Some("<r>".to_owned())]
        );
        assert_eq!(pieces(content_type).map(str::len).collect::<Vec<_>>(), [17, 53, 15, 22]);
        assert_eq!(pieces(content_type).collect::<Vec<_>>().join(";"), content_type);
        assert_eq!(parameter(&format!("text/xml; charset=\"{}\"", "x".repeat(LONGEST)), "charset"), None);
    }
}
