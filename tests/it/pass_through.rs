//! Clients' own SOAP requests: unchanged to upstream, its answers unchanged back, and both kept.

use std::io::Write as _;
use std::time::Duration;

use crate::support::{Conax, Gateway, Reaction, Upstream, Wire, command_with, eventually, ok_answer, run, xml_answer};

const PAIRING: &str = "/ca-server/webservices/caclient/pairing";

/// A gateway in front of an upstream whose base URL ends as Conax's does.
async fn gateway_to(upstream: &Upstream, more: &[(&str, &str)]) -> Gateway {
    let url = format!("{}/ca-server/webservices", upstream.url);
    let settings: Vec<_> = [("upstream.url", url.as_str())].into_iter().chain(more.iter().copied()).collect();
    Gateway::start(&settings).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn stdout(gateway: &Gateway, args: &[&str]) -> String {
    let output = run(&[args, &["--data-dir", &gateway.data_dir()]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of the list below its heading, the oldest first, once there are so many.
async fn listed(gateway: &Gateway, count: usize) -> Vec<String> {
    eventually(async || {
        let lines: Vec<_> = stdout(gateway, &["exchanges", "list"]).lines().skip(1).map(str::to_owned).collect();
        (lines.len() == count).then_some(lines)
    })
    .await
}

/// `exchanges show` of the only one.
async fn shown(gateway: &Gateway) -> String {
    let lines = listed(gateway, 1).await;
    stdout(gateway, &["exchanges", "show", &lines[0][..32]])
}

/// Makes an exchange: the head lines (less Host) and the body on both sides, as upstream and client are to see them.
async fn assert_unchanged(request: (&[&str], &[u8]), answer: (&str, &[&str], &[u8])) {
    let upstream = Upstream::start().await;
    let gateway = gateway_to(&upstream, &[]).await;
    let mut client = Wire::connect(&gateway.url).await;
    let head =
        format!("POST {PAIRING}?a=%20&b HTTP/1.1\r\nHOST: gateway.example\r\n{}\r\n\r\n", request.0.join("\r\n"));
    client.write([head.as_bytes(), request.1].concat()).await;
    let mut server = upstream.accept().await;
    let received = server.read_message().await;
    assert_eq!(received.first, format!("POST {PAIRING}?a=%20&b HTTP/1.1"));
    let host = format!("HOST: {}", upstream.url.strip_prefix("http://").unwrap());
    let expected: Vec<&str> = std::iter::once(host.as_str()).chain(request.0.iter().copied()).collect();
    assert_eq!(received.headers, expected);
    assert!(received.is_whole);

    let head = format!("HTTP/1.1 {}\r\n{}\r\n\r\n", answer.0, answer.1.join("\r\n"));
    server.write([head.as_bytes(), answer.2].concat()).await;
    let answered = client.read_message().await;
    assert_eq!(answered.first, format!("HTTP/1.1 {}", answer.0));
    assert_eq!(answered.headers, answer.1);
    assert!(answered.is_whole);

    // A body of known length must arrive as sent; chunks may be cut otherwise.
    if !request.0.iter().any(|line| line.contains("chunked")) {
        assert_eq!(received.body, request.1);
        assert_eq!(answered.body, answer.2);
    } else {
        assert_eq!(received.body, b"<a/>\0\xFFrest");
        assert_eq!(answered.body, b"<b/>");
    }
}

#[tokio::test]
async fn every_byte_and_header_goes_through_as_it_came() {
    let soap_11 = b"\xEF\xBB\xBF<?xml version='1.0'?>\r\n<Envelope>\xC3\xA9\t</Envelope>\n";
    assert_unchanged(
        (
            &[
                "SOAPAction: \"urn:CreatePairing\"",
                "content-type: text/xml; charset=UTF-8",
                "X-Odd-cAsE: b",
                "Set-Odd: 1",
                "Set-odd: 2",
                "sEt-Odd: 1",
                "authorization: Basic Y3JtOnNlY3JldA==",
                &format!("Content-length: {}", soap_11.len()),
            ],
            soap_11,
        ),
        (
            "200 All is well",
            &["sERVER: Conax", "Set-Cookie: a=1", "Set-Cookie: b=2", "DATE: yesterday", "Content-Length: 4"],
            b"<b/>",
        ),
    )
    .await;
}

#[tokio::test]
async fn nothing_is_added_and_nothing_unpacked() {
    let (request, answer) = (gzip(b"<Envelope/>"), gzip(b"<Envelope>answer</Envelope>"));
    let length = |body: &[u8]| format!("Content-Length: {}", body.len());
    assert_unchanged(
        (&["Content-Encoding: gzip", &length(&request)], &request),
        ("500 Internal Server Error", &["Content-Encoding: gzip", &length(&answer)], &answer),
    )
    .await;
    let empty: &[u8] = b"";
    assert_unchanged((&["Content-Length: 0"], empty), ("302 Found", &["Location: /x", "Content-Length: 0"], empty))
        .await;
}

#[tokio::test]
async fn chunks_stay_chunks_and_lengths_stay_lengths() {
    let chunks = b"4\r\n<a/>\r\n6\r\n\0\xFFrest\r\n0\r\n\r\n";
    assert_unchanged(
        (&["Content-Type: application/soap+xml; action=\"urn:a\"", "Transfer-Encoding: chunked"], chunks),
        ("200 OK", &["Content-Type: application/soap+xml", "transfer-encoding: chunked"], b"4\r\n<b/>\r\n0\r\n\r\n"),
    )
    .await;
}

#[tokio::test]
async fn security_headers_and_attachments_are_not_looked_into() {
    let security = b"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Header><w:Security xmlns:w='urn:w' \
                     s:mustUnderstand='1'><w:Signature>  kept \n to the blank</w:Signature></w:Security></s:Header></s:Envelope>";
    let mtom = b"--b\r\nContent-Type: application/xop+xml\r\n\r\n<e/>\r\n--b\r\nContent-Id: <1>\r\n\r\n\0\x01\xFE\r\n--b--\r\n";
    assert_unchanged(
        (&["Content-Type: application/soap+xml", &format!("Content-Length: {}", security.len())], security),
        (
            "200 OK",
            &[
                "Content-Type: multipart/related; boundary=b; type=\"application/xop+xml\"",
                &format!("Content-Length: {}", mtom.len()),
            ],
            mtom,
        ),
    )
    .await;
}

/// Trailers stay behind, and an exchange that has some is whole all the same.
#[tokio::test]
async fn trailers_end_a_body() {
    let upstream = Upstream::start().await;
    let gateway = gateway_to(&upstream, &[]).await;
    let mut client = Wire::connect(&gateway.url).await;
    let chunks = "Transfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n0\r\nX-Check: 1\r\n\r\n";
    client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nTrailer: X-Check\r\n{chunks}")).await;
    let mut server = upstream.accept().await;
    assert_eq!(server.read_message().await.body, b"<a/>");
    server.write(format!("HTTP/1.1 200 OK\r\nTrailer: X-Check\r\n{chunks}")).await;
    assert_eq!(client.read_message().await.body, b"<a/>");
    let shown = shown(&gateway).await;
    assert!(!shown.contains("error: ") && !shown.contains("only the beginning"), "{shown}");
    assert_eq!(shown.matches("<a/>").count(), 2, "{shown}");
}

#[tokio::test]
async fn headers_of_one_connection_stay_behind() {
    let upstream = Upstream::start().await;
    let gateway = gateway_to(&upstream, &[]).await;
    let mut client = Wire::connect(&gateway.url).await;
    let hops = "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\n\
                Proxy-Authorization: Basic eA==\r\nExpect: 100-continue\r\n";
    client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\n{hops}X-Stays: 1\r\nContent-Length: 4\r\n\r\n")).await;
    assert_eq!(client.read_head().await.0, "HTTP/1.1 100 Continue");
    client.write("<a/>").await;
    let mut server = upstream.accept().await;
    assert_eq!(server.read_message().await.headers[1..], ["X-Stays: 1", "Content-Length: 4"]);
    server
        .write("HTTP/1.1 202 SubmitResult\r\nConnection: x-hop\r\nX-HOP: 1\r\nX-Stays: 1\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.read_message().await.headers, ["X-Stays: 1", "Content-Length: 0"]);
}

#[tokio::test]
async fn a_request_with_two_lengths_is_passed_on_with_one() {
    let upstream = Upstream::start().await;
    let gateway = gateway_to(&upstream, &[]).await;
    let mut client = Wire::connect(&gateway.url).await;
    let head = format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.write(head + "4\r\n<a/>\r\n0\r\n\r\n").await;
    let received = upstream.accept().await.read_message().await;
    assert_eq!(
        (&received.headers[1..], received.body.as_slice()),
        (&["Transfer-Encoding: chunked".to_owned()][..], &b"<a/>"[..])
    );
}

#[tokio::test]
async fn connections_are_used_again_on_both_sides() {
    let conax = Conax::start(|_, _| Reaction::Keep(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<b/>".to_vec())).await;
    let gateway = Gateway::start(&[("upstream.url", &conax.url)]).await;
    let mut client = Wire::connect(&gateway.url).await;
    for _ in 0..3 {
        client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\n<a/>")).await;
        let answer = client.read_message().await;
        assert_eq!((answer.headers, answer.body), (vec!["Content-Length: 4".to_owned()], b"<b/>".to_vec()));
    }
    client.write("GET /livez HTTP/1.1\r\nHost: g\r\n\r\n").await;
    let answer = client.read_message().await;
    assert!(answer.headers.iter().any(|line| line.starts_with("date: ")), "{answer:?}");
    assert!(conax.received().iter().all(|request| request.connection == 0));
}

/// More connections than the gateway's own calls may have, `upstream.max_concurrency`.
#[tokio::test]
async fn as_many_connections_are_kept_as_were_in_use_together() {
    const CLIENTS: usize = 20;
    let answer = || Reaction::HoldAndKeep(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<b/>".to_vec());
    let conax = Conax::start(move |_, _| answer()).await;
    let gateway = Gateway::start(&[("upstream.url", &conax.url), ("upstream.max_concurrency", "2")]).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Wire::connect(&gateway.url).await);
    }
    for round in 1..=2 {
        for client in &mut clients {
            client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\n<a/>")).await;
        }
        eventually(async || (conax.received().len() == round * CLIENTS).then_some(())).await;
        (0..CLIENTS).for_each(|_| conax.release());
        for client in &mut clients {
            assert_eq!(client.read_message().await.body, b"<b/>");
        }
    }
    let used: std::collections::BTreeSet<_> = conax.received().iter().map(|request| request.connection).collect();
    // One may come back to the gateway a moment after its answer has come to the client.
    assert!(used.len() < CLIENTS + CLIENTS / 2, "{}", used.len());
}

#[tokio::test]
async fn ten_megabytes_stream_in_both_directions() {
    let upstream = Upstream::start().await;
    let gateway = gateway_to(&upstream, &[]).await;
    let body: Vec<u8> = (0..10_000_000_u32).map(|i| (i / 7).to_le_bytes()[0]).collect();
    let (first, rest) = body.split_at(1000);
    let mut client = Wire::connect(&gateway.url).await;
    client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    client.write(first).await;
    let mut server = upstream.accept().await;
    server.read_head().await;
    assert_eq!(server.read(first.len()).await, first, "before the client has sent the rest");
    let (received, ()) = tokio::join!(server.read(rest.len()), client.write(rest));
    assert!(received == rest);

    server.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    server.write(first).await;
    client.read_head().await;
    assert_eq!(client.read(first.len()).await, first, "before upstream has sent the rest");
    let (received, ()) = tokio::join!(client.read(rest.len()), server.write(rest));
    assert!(received == rest);
    let line = &listed(&gateway, 1).await[0];
    assert!(line.contains("  200  ") && line.contains("  PASSED  ") && line.ends_with(PAIRING), "{line}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_looks_whole() {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let upstream = Upstream::start().await;
        let gateway = gateway_to(&upstream, &[]).await;
        let mut client = Wire::connect(&gateway.url).await;
        client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\n<a/>")).await;
        let mut server = upstream.accept().await;
        server.read_message().await;
        server.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\n<env>\r\n")).await;
        drop(server);
        let answer = client.read_message().await;
        assert_eq!((answer.first.as_str(), answer.is_whole), ("HTTP/1.1 200 OK", false), "{head}");
        let shown = shown(&gateway).await;
        assert!(shown.contains("error: the answer broke off: ") && shown.contains("(only the beginning)"), "{shown}");
    }
}

/// A POST by hand; status line, and the body as text.
async fn post(gateway: &Gateway, path: &str, headers: &str, body: &str) -> (String, String) {
    let mut client = Wire::connect(&gateway.url).await;
    client.write(format!("POST {path} HTTP/1.1\r\nHost: g\r\n{headers}\r\n\r\n{body}")).await;
    let answer = client.read_message().await;
    assert!(answer.is_whole && answer.headers.iter().any(|line| line.starts_with("x-request-id: ")), "{answer:?}");
    (answer.first, String::from_utf8(answer.body).unwrap())
}

fn fault(side: &str, words: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <soap:Body><soap:Fault><faultcode>soap:{side}</faultcode><faultstring>{words}</faultstring></soap:Fault>\
         </soap:Body></soap:Envelope>"
    )
}

#[tokio::test]
async fn what_cannot_be_carried_is_answered_with_a_fault() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::start(&[("upstream.url", &format!("http://{closed}"))]).await;
    let (status, body) = post(&gateway, PAIRING, "Content-Length: 4", "<a/>").await;
    assert_eq!(
        (status.as_str(), body),
        ("HTTP/1.1 502 Bad Gateway", fault("Server", "Conax cannot be reached; nothing was sent."))
    );
    assert!(shown(&gateway).await.contains("error: "));
    let (_, body) = post(&gateway, PAIRING, "Content-Type: Application/SOAP+XML\r\nContent-Length: 4", "<a/>").await;
    let in_12 = "<soap:Envelope xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\"><soap:Body><soap:Fault>\
         <soap:Code><soap:Value>soap:Receiver</soap:Value></soap:Code>\
         <soap:Reason><soap:Text xml:lang=\"en\">Conax cannot be reached; nothing was sent.</soap:Text></soap:Reason>\
         </soap:Fault></soap:Body></soap:Envelope>";
    assert!(body.ends_with(in_12), "a client of SOAP 1.2 is answered in it: {body}");
    let (status, body) = post(&gateway, "/ca-server/webservices/a/..%2f../admin", "Content-Length: 4", "<a/>").await;
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    assert!(body.contains("segments . and .."), "{body}");

    let conax = Conax::start(|_, _| Reaction::Close).await;
    let gateway = Gateway::start(&[("upstream.url", &conax.url)]).await;
    let (status, body) = post(&gateway, PAIRING, "Content-Length: 4", "<a/>").await;
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
    assert_eq!(body, fault("Server", "The connection to Conax broke off before it answered."));

    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let gateway = Gateway::start(&[("upstream.url", &conax.url), ("upstream.answer_timeout_s", "0.2")]).await;
    let (status, body) = post(&gateway, PAIRING, "Content-Length: 4", "<a/>").await;
    assert_eq!(
        (status.as_str(), body),
        ("HTTP/1.1 504 Gateway Timeout", fault("Server", "Conax did not answer in time."))
    );

    let gateway = Gateway::start(&[("upstream.effective", "false")]).await;
    assert_eq!(post(&gateway, PAIRING, "Content-Length: 4", "<a/>").await.0, "HTTP/1.1 503 Service Unavailable");
}

#[tokio::test]
async fn a_body_keeps_to_its_limits_of_size_and_time() {
    let upstream = Upstream::start().await;
    let limits = [("pass_through.max_body_bytes", "1000"), ("server.body_timeout_s", "0.2")];
    let gateway = gateway_to(&upstream, &limits).await;
    let too_large = fault("Client", "The request body is larger than 1000 bytes.");
    let (status, body) = post(&gateway, PAIRING, "Content-Length: 1001", &"x".repeat(1001)).await;
    assert_eq!((status.as_str(), &body), ("HTTP/1.1 413 Payload Too Large", &too_large));
    let chunk = format!("3E8\r\n{}\r\n1\r\nx\r\n0\r\n\r\n", "x".repeat(1000));
    let (status, body) = post(&gateway, PAIRING, "Transfer-Encoding: chunked", &chunk).await;
    assert_eq!((status.as_str(), &body), ("HTTP/1.1 413 Payload Too Large", &too_large));
    let mut server = upstream.accept().await;
    assert!(!server.read_message().await.is_whole, "upstream must not take it for whole");
    let (status, body) = post(&gateway, PAIRING, "Content-Length: 10", "<a/>").await;
    assert_eq!(
        (status.as_str(), body),
        ("HTTP/1.1 408 Request Timeout", fault("Client", "The request body did not arrive in time."))
    );
}

#[tokio::test]
async fn the_first_base_url_that_is_reached_gets_it() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let conax = Conax::start(|_, _| Reaction::Write(xml_answer("200 OK", "<b/>"))).await;
    let gateway = Gateway::start(&[("upstream.url", &format!("http://{closed},{}", conax.url))]).await;
    let mut client = Wire::connect(&gateway.url).await;
    client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\n<a/>")).await;
    assert_eq!(client.read_message().await.body, b"<b/>");
    assert_eq!(conax.received()[0].body, "<a/>");
}

#[tokio::test]
async fn both_texts_are_kept_without_credentials() {
    let upstream = Upstream::start().await;
    let mut gateway = gateway_to(&upstream, &[("pass_through.capture_bytes", "40")]).await;
    let mut client = Wire::connect(&gateway.url).await;
    let body = gzip(b"<Envelope>packed</Envelope>");
    let secrets = "Authorization: Basic c2VjcmV0LWE=\r\nCookie: secret-b\r\n";
    let head = format!("POST {PAIRING}?q HTTP/1.1\r\nHost: g\r\n{secrets}Content-Encoding: gzip\r\n");
    client.write([format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()).await;
    let mut server = upstream.accept().await;
    assert!(server.read_message().await.headers.contains(&"Authorization: Basic c2VjcmV0LWE=".to_owned()));
    let answer = format!("<Envelope>{}</Envelope>", "long ".repeat(20));
    let head = "HTTP/1.1 500 Fault of ours\r\nSet-Cookie: secret-c\r\nContent-Type: text/xml; charset=iso-8859-1\r\n";
    server.write(format!("{head}Content-Length: {}\r\n\r\n{answer}", answer.len())).await;
    assert_eq!(client.read_message().await.body.len(), answer.len());
    let shown = shown(&gateway).await;
    for part in [
        &format!("POST {PAIRING}?q"),
        "<Envelope>packed</Envelope>",
        "authorization: ****",
        "cookie: ****",
        "set-cookie: ****",
        "HTTP 500 Fault of ours",
        "<Envelope>long ",
        "(only the beginning)",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for bytes in gateway.stored() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("secret-") && !text.contains("c2VjcmV0LWE"));
    }
    let log = gateway.last_log().await;
    assert!(!log.contains("secret") && !log.contains("packed"));
}

#[tokio::test]
async fn a_small_body_that_unpacks_to_a_large_one_costs_what_it_cost_on_the_wire() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/ca-server/webservices");
    let settings = [("upstream.url", url.as_str()), ("pass_through.capture_bytes", "2000000"), ("store.url", "sqlite")];
    let gateway = Gateway::start(&settings).await;
    let bomb = gzip(&vec![b' '; 48 << 20]);
    for _ in 0..2 {
        let mut client = Wire::connect(&gateway.url).await;
        let head = format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Encoding: gzip\r\n");
        client.write([format!("{head}Content-Length: {}\r\n\r\n", bomb.len()).as_bytes(), &bomb].concat()).await;
        assert!(client.read_message().await.first.contains("502"));
    }
    let lines = listed(&gateway, 2).await;
    let files = std::fs::read_dir(gateway.data_dir()).unwrap();
    let on_disk: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(on_disk < 1_000_000, "{on_disk} bytes for {} on the wire", 2 * bomb.len());
    let shown = stdout(&gateway, &["exchanges", "show", &lines[0][..32]]);
    assert!(shown.len() > 2_000_000 && shown.contains("(only the beginning)"), "{}", shown.len());
}

/// A secret is masked wherever its name stands, in the answer that repeats it too; what cannot be masked is not kept.
#[tokio::test]
async fn no_secret_is_kept_in_whatever_it_comes() {
    let answer = xml_answer("500 Fault", "<Fault>47114711 is wrong</Fault>");
    let answer = String::from_utf8(answer).unwrap().replace("\r\n\r\n", "\r\nLocation: /a?token=T0ken\r\n\r\n");
    let conax = Conax::start(move |_, _| Reaction::Write(answer.clone().into())).await;
    let mut gateway = Gateway::start(&[("upstream.url", &conax.url)]).await;
    let part = |head: &str, text: &str| format!("--b\r\n{head}\r\n{text}\r\n");
    let inside = "<E><CaPin>47114711</CaPin></E>";
    let base64 = part("Content-Transfer-Encoding: base64\r\n", "PEU+PENhUGluPjQ3MTE0NzExPC9DYVBpbj48L0U+");
    for (content_type, body) in [
        ("text/xml", format!("before it {inside}")),
        ("text/xml", "<E>\u{FEFF}<a CaPin = '47114711'/></E>".to_owned()),
        ("text/plain", "a=1&CaPin=47114711&b=2".to_owned()),
        ("application/json", "{\"x\": [{\"CaPin\" : 47114711}], \"y\": {\"CaPin\": \"47114711\"}}".to_owned()),
        ("text/xml", "<E><Json>{\"CaPin\": \"47114711\"}</Json></E>".to_owned()),
        ("multipart/mixed; boundary=b", part("", inside) + "--b--"),
        ("multipart/form-data", part("", inside) + "--b--"),
        ("multipart/related; boundary=b", part("", inside) + "--b\r\nContent-Type: te"),
        ("multipart/related; boundary=b", part("", inside).repeat(1001) + "--b--"),
        ("multipart/related; boundary=b", base64 + "--b--"),
    ] {
        let headers = format!("Content-Type: {content_type}\r\nX-Api-Key: 47114711\r\nContent-Length: {}", body.len());
        let path = format!("{PAIRING};jsessionid=5E55ION?pin=Qu3ry");
        let mut client = Wire::connect(&gateway.url).await;
        client.write(format!("POST {path} HTTP/1.1\r\nHost: g\r\n{headers}\r\n\r\n{body}")).await;
        assert_eq!(client.read_message().await.first, "HTTP/1.1 500 Fault", "{content_type}");
    }
    let many: String = (0..100).map(|n| format!("<CaPin>{n}47114711</CaPin>")).collect();
    let mut client = Wire::connect(&gateway.url).await;
    client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: {}\r\n\r\n{many}", many.len())).await;
    client.read_message().await;
    let exchanges = listed(&gateway, 11).await;
    let last = stdout(&gateway, &["exchanges", "show", &exchanges[10][..32]]);
    assert!(last.contains("(only the beginning)"), "{last}");
    for bytes in gateway.stored() {
        let text = String::from_utf8_lossy(&bytes);
        for secret in ["47114711", "NDcxMTQ3MTE", "jQ3MTE0NzEx", "T0ken", "5E55ION", "Qu3ry"] {
            let before = text.split_once(secret).map(|(before, _)| before.chars().rev().take(300));
            assert!(before.is_none(), "{secret} after, backwards, {:?}", before.map(Iterator::collect::<String>));
        }
    }
    let log = gateway.last_log().await;
    assert!(!["47114711", "5E55ION", "Qu3ry"].iter().any(|secret| log.contains(secret)));
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let upstream = Upstream::start().await;
    let mut gateway = gateway_to(&upstream, &[]).await;
    let mut client = Wire::connect(&gateway.url).await;
    client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\n<a/>")).await;
    let mut server = upstream.accept().await;
    server.read_message().await;
    drop(client);
    server.closed().await;
    assert_eq!(gateway.terminate().await, Some(0));
    assert!(shown(&gateway).await.contains("error: the client went away before the answer"));
}

#[tokio::test]
async fn it_is_kept_before_the_gateway_ends() {
    let conax = Conax::start(|_, _| Reaction::Hold(xml_answer("200 OK", "<b/>"))).await;
    let mut gateway = Gateway::start(&[("upstream.url", &conax.url)]).await;
    let mut client = Wire::connect(&gateway.url).await;
    client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\n<a/>")).await;
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    let (ended, ()) = tokio::join!(gateway.terminate(), async { conax.release() });
    assert_eq!(ended, Some(0));
    assert_eq!(client.read_message().await.body, b"<b/>");
    assert!(shown(&gateway).await.contains("<b/>"));
}

#[tokio::test]
async fn services_are_described_with_the_gateways_address() {
    conax_gateway::tls::install_provider();
    let gateway = Gateway::start(&[]).await;
    let get = async |path: &str| {
        let response = reqwest::get(format!("{}{path}", gateway.url)).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (status, wsdl) = get(&format!("{PAIRING}?wsdl")).await;
    assert_eq!(status, 200);
    assert!(wsdl.contains(&format!("location=\"{}{PAIRING}\"", gateway.url)), "{wsdl}");
    let link = wsdl.split("Location=\"").nth(1).unwrap().split('"').next().unwrap();
    let (status, schema) = get(link.strip_prefix(&gateway.url).unwrap()).await;
    assert!(status == 200 && schema.contains("schema"), "{link}: {schema}");
    assert_eq!(get(PAIRING).await.0, 404);
    let behind = reqwest::Client::new().get(format!("{}{PAIRING}/?WSDL=", gateway.url));
    let behind = behind.header("x-forwarded-proto", "https").header("x-forwarded-host", "soap.example, inner");
    let wsdl = behind.send().await.unwrap().text().await.unwrap();
    assert!(wsdl.contains(&format!("location=\"https://soap.example{PAIRING}\"")), "behind a proxy: {wsdl}");
    assert_eq!(get("/ca-server/webservices/none?wsdl").await.0, 404);
    let put = reqwest::Client::new().put(format!("{}{PAIRING}", gateway.url)).send().await.unwrap();
    assert_eq!((put.status().as_u16(), put.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD, POST"));
    let head = reqwest::Client::new().head(format!("{}{PAIRING}?wsdl", gateway.url)).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers().contains_key("date")), (200, true));

    let gateway = Gateway::start(&[("pass_through.enabled", "false")]).await;
    let (status, body) = post(&gateway, PAIRING, "Content-Length: 4", "<a/>").await;
    assert!(status.ends_with("404 Not Found") && body.contains("METHOD_NOT_FOUND"), "{status} {body}");
}

#[tokio::test]
async fn the_simulator_is_reached_and_both_kinds_of_traffic_are_listed() {
    let (gateway, client) = Gateway::start_signed_in(&[]).await;
    client.pair_now("01450253313").await;
    let request = client.show(&"1".into()).await["request"].as_str().unwrap().to_owned();
    let mut wire = Wire::connect(&gateway.url).await;
    let head = format!(
        "POST {PAIRING} HTTP/1.1\r\nHost: g\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
        request.len()
    );
    wire.write(format!("{head}{request}")).await;
    let answer = wire.read_message().await;
    assert!(String::from_utf8(answer.body).unwrap().contains("StatusCode>OK<"), "{}", answer.first);
    let lines = listed(&gateway, 2).await;
    assert!(
        lines[0].contains("  200  ") && lines[0].contains("01450253313  COMPLETED  CREATE_PAIRING, request 1"),
        "{lines:?}"
    );
    assert!(lines[1].contains("PASSED") && lines[1].ends_with(PAIRING), "{lines:?}");
    let by_id = stdout(&gateway, &["exchanges", "show", &lines[0][..32]]);
    assert_eq!(by_id, stdout(&gateway, &["exchanges", "show", "1"]));
    assert!(by_id.contains("attempt 1: ") && by_id.contains("CreatePairingRequest"), "{by_id}");
    let newest = stdout(&gateway, &["exchanges", "list", "--limit", "1"]);
    assert!(newest.lines().count() == 2 && newest.contains(&lines[1][..32]), "{newest}");
    let missing = run(&["exchanges", "show", &"0".repeat(32), "--data-dir", &gateway.data_dir()]);
    assert_eq!(missing.status.code(), Some(1));

    let command = command_with(&["exchanges", "tail", "--data-dir", &gateway.data_dir()]);
    let mut tail =
        tokio::process::Command::from(command).stdout(std::process::Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut printed = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(tail.stdout.take().unwrap()));
    // The command may not have begun to look yet: then the first requests are missed.
    let line = eventually(async || {
        client.pair_now("01450253314").await;
        tokio::time::timeout(Duration::from_secs(2), printed.next_line()).await.ok()
    })
    .await;
    assert!(line.unwrap().unwrap().starts_with("ID "), "the names of the columns come with the first row");
    let line = printed.next_line().await.unwrap().unwrap();
    assert!(line.contains("01450253314  COMPLETED  CREATE_PAIRING, request "), "{line}");
    let pid = tail.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    assert_eq!(tail.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_connection_that_somebody_signed_in_on_is_nobody_elses() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<b/>";
    let conax = Conax::start(|_, _| Reaction::Keep(answer.to_vec())).await;
    let gateway = Gateway::start(&[("upstream.url", &conax.url)]).await;
    let kept = ["Basic YTpi", "bearer x", "DIGEST username=\"a\"", ""];
    let own = ["NTLM TlRMTVNTUAAB", "negotiate YII=", "Kerberos x", "SomethingNew"];
    for _ in 0..2 {
        for authorization in own.iter().chain(&kept) {
            let header = match *authorization {
                "" => String::new(),
                value => format!("authorization: {value}\r\n"),
            };
            let mut client = Wire::connect(&gateway.url).await;
            client.write(format!("POST {PAIRING} HTTP/1.1\r\nHost: g\r\n{header}Content-Length: 4\r\n\r\n<a/>")).await;
            assert_eq!(client.read_message().await.body, b"<b/>");
        }
    }
    let received = conax.received();
    for request in &received {
        let of_connection = received.iter().filter(|other| other.connection == request.connection);
        let is_own = request.header("authorization").is_some_and(|value| own.contains(&value));
        assert!(!is_own || of_connection.count() == 1, "{}", request.head);
    }
    let shared = received.iter().map(|request| request.connection).max().unwrap() + 1;
    assert!(shared < received.len(), "the others share {shared} connections");
}
