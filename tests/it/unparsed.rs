//! Bytes that are no HTTP/1.1 request get the envelope too, whatever came before them on the connection.

use serde_json::Value;

use crate::support::{Gateway, Wire};

const LIVE: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

/// Reads an answer with an envelope of that status, and makes sure that the connection ends with it.
async fn assert_envelope(wire: &mut Wire, status: u16, case: &str) {
    let answer = wire.read_message().await;
    assert!(answer.first.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {}", answer.first);
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{case}: {e}"));
    assert_eq!((&json["status"]["code"], &json["data"]), (&"BAD_REQUEST".into(), &Value::Null), "{case}");
    assert!(json["status"]["message"].as_str().unwrap().ends_with('.'), "{case}: {json}");
    for name in ["x-request-id: ", "date: ", "connection: close"] {
        assert!(
            answer.headers.iter().any(|line| line.to_lowercase().starts_with(name)),
            "{case}: {:?}",
            answer.headers
        );
    }
    wire.closed().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_parsed_gets_the_envelope() {
    let gateway = Gateway::start(&[]).await;
    let long = |length: usize| "a".repeat(length);
    let show = "/crmapi/rest/v2/conax_web_services/provisioning_requests/show";
    for (status, request) in [
        (400, format!("GET {show}?provisioning_request_identifier={{\"number\":1}} HTTP/1.1\r\nHost: x\r\n\r\n")),
        (400, format!("GET {show}?a= b HTTP/1.1\r\nHost: x\r\n\r\n")),
        (400, "GET / HTTP/3.7\r\n\r\n".to_owned()),
        (400, "\u{16}\u{3}\u{1} TLS\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n".to_owned()),
        (400, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned()),
        (431, format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", long(300_000))),
        (431, format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(200))),
        (414, format!("GET /{} HTTP/1.1\r\n\r\n", long(65_500 + 35))),
    ] {
        let case: String = request.chars().take(80).collect();
        let mut wire = Wire::connect(&gateway.url).await;
        wire.write(&request).await;
        assert_envelope(&mut wire, status, &case).await;
        // After an answer, and in one piece with the request before it.
        for before in [LIVE.to_owned(), LIVE.repeat(2)] {
            let mut wire = Wire::connect(&gateway.url).await;
            if before.len() == LIVE.len() {
                wire.write(&before).await;
                assert!(wire.read_message().await.first.contains("200"));
                wire.write(&request).await;
            } else {
                wire.write(before + &request).await;
                for _ in 0..2 {
                    assert_eq!(wire.read_message().await.body, b"{\"status\":\"ok\"}");
                }
            }
            assert_envelope(&mut wire, status, &case).await;
        }
    }
    gateway.logged("a request could not be parsed").await;
}

#[tokio::test]
async fn its_status_is_200_where_all_are() {
    let gateway = Gateway::start(&[("server.http_status", "always_200")]).await;
    let mut wire = Wire::connect(&gateway.url).await;
    wire.write("GET /?\" HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_envelope(&mut wire, 200, "always_200").await;
}
