//! Habits that any HTTP client may rely on: gzip, HEAD, and headers that describe an answer.

use std::io::Read as _;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Client, Gateway, PASSWORD, USER, WEB};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn is_packed(&self) -> bool {
        self.header("content-encoding") == Some("gzip")
    }

    fn unpacked(&self) -> Vec<u8> {
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(self.body.as_slice()).read_to_end(&mut body).unwrap();
        body
    }
}

async fn ask(client: &Client, method: Method, path: &str, encoding: &str) -> Answer {
    let request = client.http.request(method, format!("{}{path}", client.url)).bearer_auth(&client.token);
    let answer = request.header("accept-encoding", encoding).send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    Answer { status, headers, body: answer.bytes().await.unwrap().to_vec() }
}

#[tokio::test]
async fn large_answers_come_in_gzip_where_nobody_learns_a_secret_from_their_length() {
    // Nothing is sent, so that no record changes.
    let (_gateway, client) = Gateway::start_signed_in(&[("upstream.effective", "false")]).await;
    for card in 1..100 {
        client.pair(&format!("{card:011}"), json!({})).await.data();
    }
    let list = format!("/crmapi/rest/v2/{WEB}/list?type=CREATE_PAIRING&number_of_results=99&fields_set=id,number");
    let long = list.replace("&fields_set=id,number", "");
    for path in
        [&list, &long, "/openapi.json", "/metrics", "/inspector/", "/ca-server/webservices/caclient/pairing?wsdl"]
    {
        let plain = ask(&client, Method::GET, path, "identity, gzip;q=0").await;
        assert_eq!((plain.status, plain.is_packed()), (StatusCode::OK, false), "{path}");
        let packed = ask(&client, Method::GET, path, "br, gzip").await;
        assert_eq!(packed.is_packed(), plain.body.len() >= 1400, "{path}");
        for answer in [&plain, &packed] {
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{path}");
            assert_eq!(answer.header("content-length").unwrap(), answer.body.len().to_string(), "{path}");
        }
        if path != "/metrics" && packed.is_packed() {
            assert!(packed.unpacked() == plain.body && packed.body.len() * 2 < plain.body.len(), "{path}");
        }
    }
    assert!(ask(&client, Method::GET, &long, "gzip").await.unpacked().len() > 64 << 10, "a long one is among them");
    // A page that another site opened can have the browser ask for these, with a text of its choice in the query.
    let data = ask(&client, Method::GET, "/inspector/api/exchanges?q=0", "gzip").await;
    assert!(data.body.len() > 1400 && !data.is_packed() && data.header("vary").is_none());
    let body = json!({"username": USER, "password": PASSWORD, "organisation": "demo"}).to_string();
    let token = client.post_raw("authentication/token", body).await;
    assert!(token.headers.get("vary").is_none(), "it is not even a question of its length");
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let number = client.pair_now("01450253313").await["number"].as_str().unwrap().to_owned();
    let show = format!("/crmapi/rest/v2/{WEB}/show?provisioning_request_identifier=number=");
    for path in [
        &format!("{show}{number}"),
        &format!("{show}999"),
        &format!("/crmapi/rest/v2/{WEB}/list?type=CREATE_PAIRING"),
        "/openapi.json",
        "/livez",
        "/inspector/",
        "/inspector/api/session",
        "/inspector/api/exchanges",
    ] {
        for encoding in ["identity", "gzip"] {
            let (get, head) =
                (ask(&client, Method::GET, path, encoding).await, ask(&client, Method::HEAD, path, encoding).await);
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
            for name in ["content-type", "content-length", "content-encoding", "vary"] {
                assert_eq!(head.header(name), get.header(name), "{path}: {name}");
            }
        }
    }
    let create = ask(&client, Method::HEAD, &format!("/crmapi/rest/v2/{WEB}/create_pairing"), "identity").await;
    assert_eq!((create.status.as_u16(), create.header("allow")), (405, Some("POST")));
    let put = ask(&client, Method::PUT, &format!("/crmapi/rest/v2/{WEB}/list"), "identity").await;
    assert_eq!((put.status.as_u16(), put.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn an_answer_says_that_it_repeats_an_earlier_one() {
    let (_gateway, client) = Gateway::start_signed_in(&[]).await;
    let body = |now: bool| {
        let body = json!({"token": client.token, "process_immediately": now, "smartcard_set": [{"smartcard_ca_id": "01450253313"}], "stb_set": [{"stb_ca_id": "1"}]});
        body.to_string()
    };
    let path = format!("{WEB}/create_pairing");
    for (now, key) in [(true, "immediate"), (false, "in its turn")] {
        let answers = [
            client.post_with_key(&path, key, body(now)).await,
            client.post_with_key(&path, key, body(now)).await,
            client.post_with_key(&path, key, body(!now)).await,
        ];
        let replayed = answers.each_ref().map(|answer| answer.headers.get("idempotent-replayed").is_some());
        assert_eq!(replayed, [false, true, false], "{key}");
        let numbers: Vec<&Value> = answers.iter().map(|answer| &answer.json["data"]["number"]).collect();
        assert!(numbers[0] == numbers[1] && numbers[2].is_null());
    }
    let plain = client.post_raw(&path, body(true)).await;
    assert!(plain.headers.get("idempotent-replayed").is_none());
}
