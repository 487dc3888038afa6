//! A faulty upstream: what each fault makes of a request, by the resend rule of its type.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, Received, answer_to, values_of, xml_answer};

/// The meaning of a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    /// The request was done.
    Completed,
    /// A definite no, with this error_code.
    Rejected(&'static str),
    /// The request was not taken in: tried again, but for a type that is never sent again.
    Busy,
    /// Nobody knows.
    Doubt,
}

type Fault = (&'static str, Meaning, fn(&Received) -> Reaction);

fn http(status: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n");
    [head.as_bytes(), b"Location: http://127.0.0.1:9/login\r\n\r\n", body].concat()
}

fn body_of(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    answer[end + 4..].to_vec()
}

fn ok(request: &Received) -> Vec<u8> {
    answer_to(request, "OK", "")
}

fn fault(status: &str) -> Reaction {
    Reaction::Write(xml_answer(
        status,
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault><faultcode>s:Server</faultcode>\
         <faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>",
    ))
}

const LAUGHS: &str = "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>\
    <!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>]><l>&d;&d;&d;</l>";

/// Faults with an answer and without one take turns: too many in a row without any would open the circuit breaker.
const FAULTS: [Fault; 33] = [
    ("closed", Meaning::Doubt, |_| Reaction::Close),
    ("html 502", Meaning::Doubt, |_| Reaction::Write(http("502 Bad Gateway", "text/html", b"<html>502</html>"))),
    ("reset", Meaning::Doubt, |_| Reaction::Reset(Vec::new())),
    ("html 504", Meaning::Doubt, |_| Reaction::Write(http("504 Gateway Timeout", "text/html", b"<html>504</html>"))),
    ("stalled", Meaning::Doubt, |_| Reaction::Hold(Vec::new())),
    ("500 without SOAP", Meaning::Doubt, |_| Reaction::Write(http("500 Oops", "text/plain", b"oops"))),
    ("no HTTP", Meaning::Doubt, |_| Reaction::Write(b"%%%\r\n\r\n".to_vec())),
    ("reset in the answer", Meaning::Doubt, |r| Reaction::Reset(ok(r)[..200].to_vec())),
    ("length not met", Meaning::Doubt, |r| Reaction::Write(ok(r)[..300].to_vec())),
    ("truncated XML", Meaning::Doubt, |r| {
        let body = body_of(&ok(r));
        Reaction::Write(http("200 OK", "text/xml", &body[..body.len() - 20]))
    }),
    ("200 with garbage", Meaning::Doubt, |_| Reaction::Write(http("200 OK", "text/xml", b"\x00\xFF%%%"))),
    ("200 with HTML", Meaning::Doubt, |_| Reaction::Write(http("200 OK", "text/html", b"<html><body/></html>"))),
    ("200 with JSON", Meaning::Doubt, |_| Reaction::Write(http("200 OK", "application/json", b"{\"status\":\"OK\"}"))),
    ("200 with nothing", Meaning::Doubt, |_| Reaction::Write(http("200 OK", "text/xml", b""))),
    ("202", Meaning::Doubt, |_| Reaction::Write(http("202 SubmitResult", "text/xml", b""))),
    ("another charset", Meaning::Doubt, |r| {
        let body = String::from_utf8(body_of(&ok(r))).unwrap().replace("in words", "\u{e9}");
        let latin: Vec<u8> = body.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        Reaction::Write(http("200 OK", "text/xml; charset=utf-8", &latin))
    }),
    ("billion laughs", Meaning::Doubt, |_| Reaction::Write(http("200 OK", "text/xml", LAUGHS.as_bytes()))),
    ("50 MB", Meaning::Doubt, |r| {
        let body = String::from_utf8(body_of(&ok(r))).unwrap().replace("in words", &"x".repeat(50 << 20));
        Reaction::Write(http("200 OK", "text/xml", body.as_bytes()))
    }),
    ("another operation", Meaning::Doubt, |_| {
        let other = "<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body><OtherResponse><TransactionStatus><StatusCode>OK</StatusCode></TransactionStatus></OtherResponse></soap:Body></soap:Envelope>";
        Reaction::Write(xml_answer("200 OK", other))
    }),
    ("503", Meaning::Busy, |_| Reaction::Write(http("503 Busy", "text/html", b"busy"))),
    ("429", Meaning::Busy, |_| Reaction::Write(http("429 Too Many", "text/plain", b""))),
    ("302", Meaning::Rejected("AxisFault"), |_| Reaction::Write(http("302 Found", "text/html", b"login"))),
    ("401", Meaning::Rejected("AxisFault"), |_| Reaction::Write(http("401 Unauthorized", "text/html", b"no"))),
    ("404", Meaning::Rejected("AxisFault"), |_| Reaction::Write(http("404 Not Found", "text/html", b"no"))),
    ("fault behind 500", Meaning::Rejected("AxisFault"), |_| fault("500 Internal Server Error")),
    ("fault behind 200", Meaning::Rejected("AxisFault"), |_| fault("200 OK")),
    ("business no", Meaning::Rejected("CLIENT_NOT_FOUND"), |r| Reaction::Write(answer_to(r, "CLIENT_NOT_FOUND", ""))),
    ("unknown status", Meaning::Rejected("WHATEVER"), |r| Reaction::Write(answer_to(r, "WHATEVER", ""))),
    ("gzip", Meaning::Completed, |r| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&body_of(&ok(r))).unwrap();
        let answer = http("200 OK", "text/xml\r\nContent-Encoding: gzip", &gzip.finish().unwrap());
        Reaction::Write(answer)
    }),
    ("multipart", Meaning::Completed, |r| {
        let root = b"--b\r\nContent-Type: application/xop+xml; type=\"text/xml\"\r\n\r\n";
        let body = [&root[..], &body_of(&ok(r)), b"\r\n--b--\r\n"].concat();
        Reaction::Write(http("200 OK", "multipart/related; type=\"application/xop+xml\"; boundary=b", &body))
    }),
    ("UTF-16", Meaning::Completed, |r| {
        let text = String::from_utf8(body_of(&ok(r))).unwrap();
        let body: Vec<u8> = format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        Reaction::Write(http("200 OK", "text/xml", &body))
    }),
    ("chunked", Meaning::Completed, |r| {
        let body = body_of(&ok(r));
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
        Reaction::Write([head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat())
    }),
    ("ok", Meaning::Completed, |r| Reaction::Write(ok(r))),
];

/// A request of each resend rule for a card, with the name of the rule.
async fn requests(client: &Client, card: &str) -> [(Value, &'static str); 3] {
    let cards = json!([{"smartcard_ca_id": format!("{card}-safe")}]);
    let safe = json!({"smartcard_set": cards, "service_ca_id": "1", "process_immediately": true});
    let cards = json!([{"smartcard_ca_id": format!("{card}-never")}]);
    let never = json!({"smartcard_set": cards, "message": "m", "process_immediately": true});
    [
        (client.call("add_subscriptions", safe).await.data(), "safe"),
        (client.pair_now(&format!("{card}-verify")).await, "verify"),
        (client.call("send_mail_message_to_client", never).await.data(), "never"),
    ]
}

fn assert_is(record: &Value, state: &str, code: Value, delivery: &str, context: &str) {
    let seen = [&record["life_cycle_state"], &record["error_code"], &record["delivery"]["state"]];
    assert_eq!(seen, [&json!(state), &code, &json!(delivery)], "{context}: {record:#}");
    let is_uncertain = matches!(delivery, "resolving" | "needs_operator");
    assert_eq!(record["delivery"]["in_doubt"], is_uncertain, "{context}");
}

#[tokio::test]
async fn each_fault_has_its_record() {
    let conax = Conax::start(|_, request| {
        let card = values_of(request, "CaClientId").remove(0);
        let (_, _, react) = FAULTS[card.split('-').next().unwrap().parse::<usize>().unwrap()];
        react(request)
    })
    .await;
    // A request that is tried again is tried much later.
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.answer_timeout_s", "1"),
        ("processor.backoff_initial_s", "300"),
    ];
    let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
    for (index, (name, meaning, _)) in FAULTS.iter().enumerate() {
        for (record, rule) in requests(&client, &index.to_string()).await {
            let context = format!("{name}, {rule}");
            let unknown = json!("OUTCOME_UNKNOWN");
            match (meaning, rule) {
                (Meaning::Completed, _) => assert_is(&record, "COMPLETED", Value::Null, "ended", &context),
                (Meaning::Rejected(code), _) => assert_is(&record, "REJECTED", json!(code), "ended", &context),
                (Meaning::Doubt | Meaning::Busy, "never") => {
                    assert_is(&record, "PENDING", unknown, "needs_operator", &context)
                }
                (Meaning::Doubt, _) => assert_is(&record, "PENDING", unknown, "resolving", &context),
                (Meaning::Busy, _) => assert_is(&record, "PENDING", json!("UPSTREAM_BUSY"), "retrying", &context),
            }
            assert!(record["request"].is_string(), "{context}");
        }
    }
    let messages = conax.received().iter().filter(|r| r.body.contains("SendMail")).count();
    assert_eq!(messages, FAULTS.len(), "each message was sent once");
    assert!(!gateway.last_log().await.contains("panicked"));
}

#[tokio::test]
async fn what_is_refused_at_the_door_was_not_sent() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let settings = [("upstream.url", url.as_str()), ("processor.backoff_initial_s", "300")];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    for (record, rule) in requests(&client, "0").await {
        assert_is(&record, "PENDING", json!("CONNECT_FAILED"), "retrying", rule);
        assert_eq!((&record["request"], &record["executed_date"]), (&Value::Null, &Value::Null));
    }
}

#[tokio::test]
async fn a_reset_before_anything_was_read_is_a_doubt_or_was_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            listener.accept().await.unwrap().0.set_zero_linger().unwrap();
        }
    });
    let settings = [("upstream.url", url.as_str()), ("processor.backoff_initial_s", "300")];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    for (record, rule) in requests(&client, "0").await {
        match (record["error_code"].as_str().unwrap(), rule) {
            ("CONNECT_FAILED", _) => assert_is(&record, "PENDING", json!("CONNECT_FAILED"), "retrying", rule),
            (_, "never") => assert_is(&record, "PENDING", json!("OUTCOME_UNKNOWN"), "needs_operator", rule),
            _ => assert_is(&record, "PENDING", json!("OUTCOME_UNKNOWN"), "resolving", rule),
        }
    }
}
