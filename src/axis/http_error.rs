//! An HTTP answer that Axis reports as such, without reading its body as SOAP.

use super::dump::{self, Dump};
use super::{AXIS_NS, AxisFault};

/// True if Axis reports an answer as an HTTP error, without reading the body as SOAP (`HTTPSender.readFromSocket`).
///
/// Axis's rule for a SOAP 1.1 call: an HTTP error is every status but 2xx, and but 5xx with a content type other than
/// text/html. So a fault with 4xx is an HTTP error, and so is a 5xx without a content type. Not followed: a redirection
/// (302 or 307 with a Location), and a SOAP 1.2 call, for which Axis reads every answer as SOAP.
pub fn is_http_error(status: u16, content_type: Option<&str>) -> bool {
    match status {
        200..=299 => false,
        500..=599 => content_type.is_none_or(|value| value.trim().starts_with("text/html")),
        _ => true,
    }
}

/// The text that Axis prints for an HTTP status if the body is not read as SOAP.
///
/// `reason` is the reason phrase, empty for none (Axis assumes the space before it). `body` is the text as received,
/// line ends included; Axis itself decodes the body by its platform's charset, and stops at the first byte 0xFF.
pub fn http_error(status: u16, reason: &str, body: &str) -> AxisFault {
    // Axis reads the status line as a header: a colon ends the text. Without a reason phrase Axis repeats the status.
    let reason = reason.split_once(':').map_or(reason, |(before, _)| before);
    let reason = if reason.trim().is_empty() { format!("{status} {reason}") } else { reason.to_owned() };
    let code = format!("{{{AXIS_NS}}}HTTP");
    let string = format!("({status}){reason}");
    let returned = dump::encode(&format!("return code:  {status}\n{body}")).unwrap_or_else(|complaint| complaint);
    let text = Dump::new(&code, &string)
        .entry("", "", &returned)
        .entry(AXIS_NS, "HttpErrorCode", &status.to_string())
        .finish();
    AxisFault { code, string, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_2xx_and_5xx_as_soap() {
        for (status, content_type) in
            [(200, Some("text/html")), (204, None), (500, Some("text/xml")), (503, Some("TEXT/HTML")), (500, Some(""))]
        {
            assert!(!is_http_error(status, content_type), "{status} {content_type:?}");
        }
        for (status, content_type) in
            [(302, Some("text/xml")), (400, Some("text/xml")), (401, None), (500, Some(" text/html; x")), (503, None)]
        {
            assert!(is_http_error(status, content_type), "{status} {content_type:?}");
        }
    }

    #[test]
    fn takes_the_status_line_for_a_header() {
        for (reason, string) in
            [("Not Found", "(404)Not Found"), ("a: b", "(404)a"), ("", "(404)404 "), (" ", "(404)404  ")]
        {
            assert_eq!(http_error(404, reason, "").string, string);
        }
    }

    #[test]
    fn complains_of_a_control_character_in_place_of_the_body() {
        let text = http_error(500, "x", "<\u{0}>").text;
        assert!(text.contains("\n\t{}:The char '0x0' after 'return code:  500\n<' is not a valid XML character.\n\t{"));
    }
}
