//! A client of the JSON face.

use serde_json::{Value, json};

use super::gateway::{PASSWORD, USER, eventually};

/// Where the web services family is.
pub const WEB: &str = "conax_web_services/provisioning_requests";

/// An answer: HTTP status, headers, JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub json: Value,
}

impl Answer {
    /// status.code of the envelope.
    pub fn code(&self) -> &str {
        self.json["status"]["code"].as_str().unwrap()
    }

    /// The place that an error names.
    pub fn place(&self) -> &str {
        self.json["status"]["description"].as_str().unwrap()
    }

    /// The data of a call that worked.
    #[track_caller]
    pub fn data(self) -> Value {
        assert_eq!((self.status, self.code()), (200, "OK"), "{:#}", self.json);
        self.json["data"].clone()
    }

    /// Makes sure that it is this error at this place, with a sentence.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str, place: &str) {
        assert_eq!((self.status, self.code(), self.place()), (status, code, place), "{:#}", self.json);
        let message = self.json["status"]["message"].as_str().unwrap();
        assert!(message.ends_with(['.', '?']) && message.len() > 10, "{message}");
        assert_eq!(self.json["data"], Value::Null);
    }
}

/// Calls with a token.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub url: String,
    pub token: String,
}

impl Client {
    pub async fn sign_in(url: &str) -> Self {
        conax_gateway::tls::install_provider();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut client = Self { http, url: url.to_owned(), token: String::new() };
        let body = json!({"username": USER, "password": PASSWORD, "organisation": "demo"});
        let token = client.post_raw("authentication/token", body.to_string()).await.data();
        client.token = token["token"].as_str().unwrap().to_owned();
        client
    }

    pub fn address(&self, path: &str) -> String {
        format!("{}/crmapi/rest/v2/{path}", self.url)
    }

    /// POST of a JSON object, with the token in it.
    pub async fn post(&self, path: &str, mut body: Value) -> Answer {
        body["token"] = self.token.as_str().into();
        self.post_raw(path, body.to_string()).await
    }

    /// POST of bytes as they are.
    pub async fn post_raw(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.http.post(self.address(path)).header("content-type", "application/json");
        answer(request.body(body).send().await.unwrap()).await
    }

    /// The same with an Idempotency-Key.
    pub async fn post_with_key(&self, path: &str, key: &str, body: String) -> Answer {
        let request = self.http.post(self.address(path)).header("content-type", "application/json");
        answer(request.header("idempotency-key", key).body(body).send().await.unwrap()).await
    }

    /// GET, with the token in the query.
    pub async fn get(&self, path: &str) -> Answer {
        let separator = if path.contains('?') { '&' } else { '?' };
        self.get_raw(&format!("{path}{separator}token={}", self.token)).await
    }

    /// GET of a path as it is.
    pub async fn get_raw(&self, path: &str) -> Answer {
        answer(self.http.get(self.address(path)).send().await.unwrap()).await
    }

    /// create_pairing of one card and one box; `more` is merged into the body.
    pub async fn pair(&self, card: &str, more: Value) -> Answer {
        let mut body = json!({"smartcard_set": [{"smartcard_ca_id": card}], "stb_set": [{"stb_ca_id": "9000000001"}]});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.post(&format!("{WEB}/create_pairing"), body).await
    }

    /// create_pairing, processed immediately.
    pub async fn pair_now(&self, card: &str) -> Value {
        self.pair(card, json!({"process_immediately": true})).await.data()
    }

    /// POST to a method of the web services family.
    pub async fn call(&self, method: &str, body: Value) -> Answer {
        self.post(&format!("{WEB}/{method}"), body).await
    }

    /// The record once it is no longer PENDING.
    pub async fn ended(&self, number: &Value) -> Value {
        eventually(async || Some(self.show(number).await).filter(|r| r["life_cycle_state"] != "PENDING")).await
    }

    /// The record as it stands.
    pub async fn show(&self, number: &Value) -> Value {
        self.get(&format!("{WEB}/show?provisioning_request_identifier=number={}", number.as_str().unwrap()))
            .await
            .data()
    }
}

async fn answer(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let json = serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)));
    Answer { status, headers, json }
}
