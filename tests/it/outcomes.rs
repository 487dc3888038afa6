//! The outcome of a request, by the answers of a Conax.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::{Conax, Gateway, Reaction, ok_answer, run, xml_answer};

/// The record of one immediate pairing whose upstream reacts like this.
async fn record_after(reaction: Reaction) -> Value {
    let conax = Conax::start(move |_, _| reaction.clone()).await;
    // A doubt is looked into some time later, and not while the record is compared.
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("processor.backoff_initial_s", "800"),
        ("processor.backoff_max_s", "800"),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let record = client.pair_now("01450253313").await;
    assert_eq!(conax.received().len(), 1);
    assert_eq!(record["request"], conax.received()[0].body, "the record has the bytes that were sent");
    assert_eq!(client.show(&record["number"]).await, record);
    record
}

async fn record_after_answer(answer: impl Into<Vec<u8>>) -> Value {
    record_after(Reaction::Write(answer.into())).await
}

fn assert_unknown(record: &Value) {
    assert_eq!(
        (&record["life_cycle_state"], &record["error_code"], &record["delivery"]["in_doubt"]),
        (&json!("PENDING"), &json!("OUTCOME_UNKNOWN"), &json!(true)),
        "{record:#}"
    );
}

#[tokio::test]
async fn done() {
    let record = record_after_answer(ok_answer("ref-1")).await;
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    assert_eq!(record["reference_number"], "ref-1");
    assert!(record["response"].as_str().unwrap().contains("<StatusCode>OK</StatusCode>"));
    assert_eq!(record["delivery"]["attempts"], 1);
}

#[tokio::test]
async fn rejected_by_status_even_in_another_namespace() {
    let body = "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
        <CreatePairingResponse xmlns='urn:other'><TransactionStatus><StatusCode>CLIENT_NOT_FOUND</StatusCode>\
        <TransactionId>ref-2</TransactionId><Message>no &lt;such&gt; card</Message></TransactionStatus>\
        </CreatePairingResponse></S:Body></S:Envelope>";
    let record = record_after_answer(xml_answer("200 OK", body)).await;
    let expected = json!({"life_cycle_state": "REJECTED", "reference_number": "ref-2", "error_code": "CLIENT_NOT_FOUND",
        "provider_error_code": "CLIENT_NOT_FOUND", "error_description": "no <such> card",
        "provider_error_description": "no <such> card"});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&record[key], value, "{key}");
    }
}

#[tokio::test]
async fn a_fault_is_a_definite_no_behind_200_and_500() {
    let body = "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault>\
        <faultcode>soap:Server</faultcode><faultstring>Couldn't parse stream.</faultstring></soap:Fault></soap:Body></soap:Envelope>";
    for status in ["200 OK", "500 Internal Server Error"] {
        let record = record_after_answer(xml_answer(status, body)).await;
        assert_eq!(record["life_cycle_state"], "REJECTED");
        assert_eq!(record["error_code"], "AxisFault");
        assert_eq!(
            record["error_description"],
            "AxisFault\n faultCode: {http://schemas.xmlsoap.org/soap/envelope/}Server\n faultSubcode: \n \
             faultString: Couldn't parse stream.\n faultActor: \n faultNode: \n faultDetail: \n"
        );
        assert_eq!(record["provider_error_code"], "{http://schemas.xmlsoap.org/soap/envelope/}Server");
        assert_eq!(record["provider_error_description"], "Couldn't parse stream.");
        assert_eq!(record["response"], body);
    }
}

#[tokio::test]
async fn http_errors_refuse() {
    let body = "<html>\"no\"</html>";
    let answer = |status: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nLocation: /login\r\n\r\n{body}"
        )
    };
    for (status, string) in
        [("401 Unauthorized", "(401)Unauthorized"), ("302 Go There", "(302)Go There"), ("404 ", "(404)404 ")]
    {
        let record = record_after_answer(answer(status)).await;
        assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("REJECTED"), &json!("AxisFault")));
        assert_eq!(record["provider_error_description"], string);
        let text = record["error_description"].as_str().unwrap();
        assert!(text.contains("\n\t{}:return code:  ") && text.contains("&lt;html&gt;&quot;no&quot;"), "{text}");
    }
}

#[tokio::test]
async fn what_may_have_arrived_is_unknown() {
    let whole = ok_answer("ref-3");
    let twice = String::from_utf8(whole.clone()).unwrap();
    let twice = twice
        .split("\r\n\r\n")
        .nth(1)
        .unwrap()
        .replace("<StatusCode>OK", "<StatusCode>SYSTEM_ERROR</StatusCode><StatusCode>OK");
    let cut = whole[..whole.len() - 20].to_vec();
    let changed = |from: &str, to: &str| {
        let body = String::from_utf8(whole.clone()).unwrap().split_once("\r\n\r\n").unwrap().1.replace(from, to);
        assert!(body.contains(to));
        xml_answer("200 OK", &body)
    };
    for answer in [
        cut,
        changed("</soap:Body>", "</soap:Body><soap:Body/>"),
        changed("<soap:Body>", "<x/><soap:Body>"),
        changed("</soap:Body>", "<CreatePairingResponse/></soap:Body>"),
        changed("</soap:Envelope>", "</soap:Envelope><x/>"),
        changed("<soap:Envelope ", "<soap:Envelope x=''y='' "),
        changed("<soap:Envelope ", "<soap:Envelope xmlns:xml='urn:x' "),
        changed("<soap:Envelope ", "<?xml version='2.0'?><soap:Envelope "),
        xml_answer("200 OK", ""),
        xml_answer("200 OK", "<html/>"),
        xml_answer("200 OK", "{\"status\":\"OK\"}"),
        xml_answer(
            "200 OK",
            "<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body/></soap:Envelope>",
        ),
        xml_answer("200 OK", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        xml_answer("200 OK", &twice),
        xml_answer("502 Bad Gateway", "<html>bad gateway</html>"),
        xml_answer("500 Internal Server Error", "oops"),
        xml_answer("204 No Content", ""),
        b"garbage\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
    ] {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let record = record_after_answer(answer).await;
        assert_unknown(&record);
        assert!(record["request"].is_string(), "{shown}");
    }
    assert_unknown(&record_after(Reaction::Close).await);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_or_is_too_large_is_unknown() {
    let conax = Conax::start(|n, _| match n {
        0 => Reaction::Hold(Vec::new()),
        _ => Reaction::Write(xml_answer("200 OK", &"x".repeat(2000))),
    })
    .await;
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("upstream.answer_timeout_s", "0.3"),
        ("upstream.max_response_bytes", "1000"),
    ];
    let (gateway, client) = Gateway::start_signed_in(&settings).await;
    let record = client.pair_now("01450253313").await;
    assert_unknown(&record);
    assert!(record["error_description"].as_str().unwrap().contains("no answer within 0.3 s"), "{record:#}");
    let record = client.pair_now("01450253314").await;
    assert_unknown(&record);
    assert_eq!(record["response"].as_str().unwrap().len(), 1000);
    assert!(record["error_description"].as_str().unwrap().contains("over 1000 bytes"));
    let shown = run(&["requests", "show", "1", "--data-dir", &gateway.data_dir()]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("attempt 1: "), "{shown:?}");
}

/// As often as it is shown, and however its characters are written as JSON.
#[tokio::test]
async fn of_an_answer_that_says_nothing_only_the_beginning_is_kept() {
    const CAME: usize = 3 << 20;
    let http = |status: &str, length: usize, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    let note = format!("only the beginning of the {CAME} bytes that came is kept");
    for (status, length, unit, error_code) in [
        ("200 OK", CAME, "\u{1}", "OUTCOME_UNKNOWN"),
        ("200 OK", CAME + 1, "\u{1}", "OUTCOME_UNKNOWN"),
        ("502 Bad Gateway", CAME, "\u{10FFFF}", "OUTCOME_UNKNOWN"),
        ("404 Not Found", CAME, "<h>", "AxisFault"),
    ] {
        let record = record_after_answer(http(status, length, &unit.repeat(CAME / unit.len()))).await;
        assert_eq!(record["error_code"], error_code);
        assert!(record["error_description"].as_str().unwrap().contains(&note), "{status} {length}");
        let response = record["response"].as_str().unwrap();
        assert!(response.starts_with(unit) && (65_530..=65_536).contains(&response.len()), "{}", response.len());
        assert!(record.to_string().len() < 600_000);
    }
}

#[tokio::test]
async fn charsets_gzip_and_multipart_are_read() {
    let envelope = |extra: &str| {
        format!(
            "{extra}<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body><CreatePairingResponse \
            xmlns='http://www.conax.com/cas/xsd/pairing/v1'><TransactionStatus><StatusCode>SYSTEM_ERROR</StatusCode>\
            <Message>caf\u{e9}</Message></TransactionStatus></CreatePairingResponse></S:Body></S:Envelope>"
        )
    };
    let http = |content_type: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let latin = |text: String| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>();
    let utf_16: Vec<u8> = format!("\u{FEFF}{}", envelope("")).encode_utf16().flat_map(u16::to_be_bytes).collect();
    let multipart = format!(
        "--b\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"text/xml\"\r\nContent-ID: <root>\r\n\r\n{}\r\n--b--\r\n",
        envelope("")
    );
    let printed = String::from_utf8(quoted_printable::encode(envelope(""))).unwrap();
    let odd_multipart = format!(
        "--b;c\n\n<no/>\n--b;c\t\nContent-Type: application/xop+xml;\n charset=UTF-8\nContent-ID:\n <root>\n\
         content-transfer-encoding: Quoted-Printable\n\n{printed}\n--b;c--\nepilogue"
    );
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(envelope("").as_bytes()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&deflate.finish().unwrap()).unwrap();
    let unmarked: Vec<u8> = envelope("").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let odd_labels = ["'utf-8'", "UTF_8", "utf8mb4", "iso-8559-1", "none", "klingon,utf-8"];
    let labelled = odd_labels.map(|label| http(&format!("text/xml; charset={label}"), envelope("").as_bytes()));
    let answers = [
        http("text/xml", &latin(envelope("<?xml version='1.0' encoding='ISO-8859-1'?>"))),
        http("text/xml; charset=windows-1252", &latin(envelope(""))),
        http("text/xml; charset=utf-8", &utf_16),
        http("text/xml; charset=utf-16", &unmarked),
        http("text/xml\r\nContent-Encoding: utf-8", envelope("").as_bytes()),
        http("text/xml\r\nContent-Encoding: Deflate, X-GZIP, identity", &gzip.finish().unwrap()),
        http("multipart/related; type=\"application/xop+xml\"; boundary=b; start=\"<root>\"", multipart.as_bytes()),
        http("Multipart/Related; a=\";boundary=a\"; start=root; boundary=\"b;c\"", odd_multipart.as_bytes()),
    ];
    for answer in answers.into_iter().chain(labelled) {
        let record = record_after_answer(answer).await;
        assert_eq!((&record["error_code"], &record["error_description"]), (&json!("SYSTEM_ERROR"), &json!("café")));
    }
}

#[tokio::test]
async fn the_request_is_as_soap_wants_it() {
    let conax = Conax::start(|_, _| Reaction::Write(ok_answer("1"))).await;
    let url = format!("{}/base/", conax.url);
    let settings = [("upstream.url", url.as_str()), ("upstream.username", "crm"), ("upstream.password", "s3cret")];
    let (mut gateway, client) = Gateway::start_signed_in(&settings).await;
    client.pair_now("01450253313").await;
    let received = conax.received().remove(0);
    assert!(received.head.starts_with("POST /base/caclient/pairing HTTP/1.1"), "{}", received.head);
    assert_eq!(received.header("content-type"), Some("text/xml; charset=utf-8"));
    assert_eq!(received.header("soapaction"), Some("\"\""));
    assert_eq!(received.header("authorization"), Some("Basic Y3JtOnMzY3JldA=="));
    assert_eq!(received.header("transfer-encoding"), None);
    assert!(!gateway.last_log().await.contains("s3cret"));
}

#[tokio::test]
async fn an_answer_means_what_it_says_whatever_its_proxy_status() {
    for error in
        ["connection_refused; details=\"x\"", "tls_protocol_error", "http_response_timeout", "proxy_internal_response"]
    {
        let header = format!("Proxy-Status: conax-gateway; error={error}\r\n\r\n");
        let with =
            |answer: Vec<u8>| String::from_utf8(answer).unwrap().replacen("\r\n\r\n", &format!("\r\n{header}"), 1);
        let record = record_after_answer(with(ok_answer("ref-1"))).await;
        assert_eq!((&record["life_cycle_state"], &record["reference_number"]), (&json!("COMPLETED"), &json!("ref-1")));
        let fault = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
            <faultcode>s:Server</faultcode><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>";
        let record = record_after_answer(with(xml_answer("502 Bad Gateway", fault))).await;
        assert_eq!((&record["life_cycle_state"], &record["error_code"]), (&json!("REJECTED"), &json!("AxisFault")));
        assert_unknown(&record_after_answer(with(xml_answer("502 Bad Gateway", "<html/>"))).await);
    }
}
