//! The inspector's data as its pages and programs ask for it: who may, what is found, what is new, and what is decided.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    Authority, Client, Conax, Gateway, PASSWORD, Reaction, USER, answer_to, run_with_input, xml_answer,
};

const OWN: (&str, &str) = ("x-conax-gateway-inspector", "1");
const SERVICE: &str = "/ca-server/webservices/caclient/pairing";

/// A Conax that says no to cards with a 2 in their end, fails on those with a 3, and does the rest.
async fn conax() -> Conax {
    let fault = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
                 <faultcode>s:Server</faultcode><faultstring>The database is down</faultstring></s:Fault></s:Body></s:Envelope>";
    Conax::start(move |_, request| match &request.body {
        body if body.contains("00002<") => Reaction::Write(answer_to(request, "CLIENT_NOT_FOUND", "")),
        body if body.contains("00003<") => Reaction::Write(xml_answer("500 Internal Server Error", fault)),
        body if body.contains("00004<") => Reaction::Close,
        _ => Reaction::Write(answer_to(request, "OK", "")),
    })
    .await
}

async fn start() -> (Gateway, Client, Conax) {
    let conax = conax().await;
    let (gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    (gateway, client, conax)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["data"].clone()
    }

    fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["status"]["code"].as_str().unwrap().to_owned())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }
}

/// Asks with exactly these headers; a body is JSON.
async fn ask(client: &Client, verb: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
    let verb = Method::from_bytes(verb.as_bytes()).unwrap();
    let mut request = client.http.request(verb, format!("{}/inspector/{path}", client.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    Answer { status, headers, text: answer.text().await.unwrap() }
}

/// Asks with a token of the API.
async fn get(client: &Client, path: &str) -> Answer {
    ask(client, "GET", path, &[("authorization", &format!("Bearer {}", client.token))], None).await
}

async fn rows(client: &Client, query: &str) -> Vec<Value> {
    get(client, &format!("api/exchanges?{query}")).await.data()["rows"].as_array().unwrap().clone()
}

/// Kind and number of each row, such as `r3` and `x1`.
async fn found(client: &Client, query: &str) -> Vec<String> {
    let name = |row: &Value| format!("{}{}", if row["kind"] == "request" { "r" } else { "x" }, row["number"]);
    rows(client, query).await.iter().map(name).collect()
}

async fn pass_through(client: &Client, card: &str) {
    let body = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><p:CreatePairing \
         xmlns:p=\"http://www.conax.com/cas/xsd/pairing/v1\"><p:CreatePairingRequest><p:CaClientIds><p:CaClientId>{card}\
         </p:CaClientId></p:CaClientIds></p:CreatePairingRequest></p:CreatePairing></s:Body></s:Envelope>"
    );
    let request = client.http.post(format!("{}{SERVICE}", client.url)).header("content-type", "text/xml").body(body);
    request.send().await.unwrap().bytes().await.unwrap();
}

/// Cookie of a new session.
async fn sign_in(client: &Client, username: &str, password: &str) -> String {
    let body = json!({"username": username, "password": password});
    let answer = ask(client, "POST", "api/session", &[OWN], Some(body)).await;
    assert_eq!(answer.data()["username"], username);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_is_a_cookie_for_the_inspector_alone_and_ends_when_it_is_told_to() {
    let (gateway, client, _) = start().await;
    for path in ["api/session", "api/exchanges", "api/exchanges/1", "api/stream"] {
        let answer = ask(&client, "GET", path, &[], None).await;
        assert_eq!(answer.code(), (401, "INVALID_TOKEN".to_owned()), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    let body = |password: &str| Some(json!({"username": USER, "password": password}));
    let answer = ask(&client, "POST", "api/session", &[OWN], body("wrong")).await;
    assert_eq!(answer.code(), (401, "INVALID_CREDENTIALS".to_owned()));
    let answer = ask(&client, "POST", "api/session", &[OWN], body(PASSWORD)).await;
    assert_eq!(answer.data(), json!({"username": USER, "role": "operate"}));
    let (cookie, attributes) = answer.header("set-cookie").split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/inspector/; Max-Age=7200; HttpOnly; SameSite=Strict");
    let with_cookie = [("cookie", cookie)];
    assert_eq!(ask(&client, "GET", "api/session", &with_cookie, None).await.data()["role"], "operate");
    assert_eq!(ask(&client, "GET", "api/exchanges", &with_cookie, None).await.data()["rows"], json!([]));
    // The API does not know the cookie.
    let request = client.http.get(client.address("conax_web_services/provisioning_requests/list?type=CREATE_PAIRING"));
    assert_eq!(request.header("cookie", cookie).send().await.unwrap().status(), 400);
    let ended = ask(&client, "DELETE", "api/session", &[OWN, ("cookie", cookie)], None).await;
    assert!(ended.header("set-cookie").contains("Max-Age=0"), "{}", ended.header("set-cookie"));
    assert_eq!(ask(&client, "GET", "api/session", &with_cookie, None).await.status, 401);
    // Guesses are slowed down, as at the API.
    for _ in 0..5 {
        ask(&client, "POST", "api/session", &[OWN], body("guess")).await;
    }
    let answer = ask(&client, "POST", "api/session", &[OWN], body("guess")).await;
    assert_eq!((answer.code().0, answer.header("retry-after")), (429, "1"));
    drop(gateway);
}

#[tokio::test]
async fn a_cookie_is_secure_where_the_client_called_with_https() {
    let authority = Authority::new("gateway");
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = authority.issue("127.0.0.1").write(folder.path(), "server");
    let (chain, key) = (chain.display().to_string(), key.display().to_string());
    let gateway = Gateway::start(&[("server.tls_certificate", &chain), ("server.tls_key", &key)]).await;
    conax_gateway::tls::install_provider();
    let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
    let body = json!({"username": USER, "password": PASSWORD}).to_string();
    let request = http.post(format!("{}/inspector/api/session", gateway.url)).header(OWN.0, OWN.1);
    let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert!(answer.headers()["set-cookie"].to_str().unwrap().ends_with("; SameSite=Strict; Secure"));
}

#[tokio::test]
async fn what_changes_something_has_to_come_from_a_page_of_ours() {
    let (_gateway, client, _conax) = start().await;
    let request = client.pair("01450000001", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    let cookie = sign_in(&client, USER, PASSWORD).await;
    let cookie = ("cookie", cookie.as_str());
    let path = format!("api/exchanges/{}/cancel", request["number"].as_str().unwrap());
    let reason = || Some(json!({"reason": "r"}));
    let cross_site = ("sec-fetch-site", "cross-site");
    for headers in [&[cookie][..], &[cookie, OWN, cross_site], &[cookie, OWN, ("sec-fetch-site", "same-site")]] {
        let answer = ask(&client, "POST", &path, headers, reason()).await;
        assert_eq!(answer.code(), (403, "FORBIDDEN".to_owned()), "{headers:?}");
    }
    let sign_in = Some(json!({"username": USER, "password": PASSWORD}));
    assert_eq!(ask(&client, "POST", "api/session", &[], sign_in).await.status, 403, "nor can anybody be signed in");
    // The request that a form of another site could send, if the site knew a way around the header.
    let form = client.http.post(format!("{}/inspector/{path}", client.url)).header(OWN.0, OWN.1);
    let form = form.header(cookie.0, cookie.1).header("content-type", "text/plain").body("{\"reason\":\"r\"}");
    assert_eq!(form.send().await.unwrap().status(), 415);
    assert_eq!(client.show(&request["number"]).await["life_cycle_state"], "PENDING");
    let answer = ask(&client, "POST", &path, &[cookie, OWN, ("sec-fetch-site", "same-origin")], reason()).await;
    assert_eq!(answer.data()["life_cycle_state"], "REJECTED");
}

#[tokio::test]
async fn pages_may_load_nothing_from_elsewhere_and_run_nothing_that_stands_in_them() {
    let (_gateway, client, _conax) = start().await;
    let page = ask(&client, "GET", "", &[], None).await;
    let policy = page.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self';",
        "style-src 'self';",
        "frame-ancestors 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && policy.contains("require-trusted-types-for 'script'"));
    assert_eq!((page.header("x-content-type-options"), page.header("cache-control")), ("nosniff", "no-store"));
    assert!(!page.text.contains("<script>") && !page.text.contains("style=") && !page.text.contains("//"));
    let files: Vec<&str> = page.text.split('"').filter_map(|text| text.strip_prefix("/inspector/assets/")).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let asset = ask(&client, "GET", &format!("assets/{file}"), &[], None).await;
        assert_eq!((asset.status.as_u16(), asset.header("content-security-policy")), (200, policy), "{file}");
    }
    for (verb, path, status) in [
        ("GET", "exchanges/1", 200),
        ("GET", "assets/none.js", 404),
        ("GET", "assets/..%2Fmod.rs", 404),
        ("GET", "none", 404),
        ("PUT", "api/session", 405),
        ("POST", "api/exchanges", 405),
    ] {
        assert_eq!(ask(&client, verb, path, &[OWN], None).await.status, status, "{verb} {path}");
    }
    let gateway = Gateway::start(&[("inspector.enabled", "false")]).await;
    let answer = client.http.get(format!("{}/inspector/", gateway.url)).send().await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn requests_and_what_was_passed_through_are_found_by_every_term() {
    let (_gateway, client, _conax) = start().await;
    for card in ["01450000001", "01450000002", "01450000003"] {
        client.pair_now(card).await;
    }
    pass_through(&client, "01450000003").await;
    pass_through(&client, "01450000004").await;
    crate::support::eventually(async || (found(&client, "state=passed,broken").await.len() == 2).then_some(())).await;
    client.pair("01460000001", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    assert_eq!(found(&client, "").await, ["r4", "x2", "x1", "r3", "r2", "r1"]);
    for (query, expected) in [
        ("type:create_pairing", &["r4", "x2", "x1", "r3", "r2", "r1"][..]),
        ("type:CreateP*", &["r4", "x2", "x1", "r3", "r2", "r1"]),
        ("type:send_*", &[]),
        ("card:01450000003", &["x1", "r3"]),
        ("card:0145*3,0146*", &["r4", "x1", "r3"]),
        ("card:0145", &[]),
        ("stb:9000000001 state:completed", &["r1"]),
        ("stb:9000*", &["r4", "r3", "r2", "r1"]),
        ("state:pending", &["r4"]),
        ("-state:completed", &["r4", "x2", "x1", "r3", "r2"]),
        ("state:broken", &["x2"]),
        ("state:rejected,passed", &["x1", "r3", "r2"]),
        ("fault:client_not*", &["r2"]),
        ("fault:\"database is\"", &["x1", "r3"]),
        ("fault:AxisFault", &["r3"]),
        ("status:5*", &["x1", "r3"]),
        ("status:200", &["r2", "r1"]),
        ("number:1", &["x1", "r1"]),
        ("dur:<1h", &["x2", "x1", "r3", "r2", "r1"]),
        ("dur:>1h", &[]),
        ("since:1h", &["r4", "x2", "x1", "r3", "r2", "r1"]),
        ("until:1h", &[]),
        ("since:2999-01-01", &[]),
        ("01450000002", &["r2"]),
        ("the DATABASE", &["x1", "r3"]),
        ("\"the database\" -card:01450000003", &[]),
        ("100%", &[]),
    ] {
        assert_eq!(found(&client, &format!("q={}", query.replace('%', "%25"))).await, expected, "{query}");
    }
    assert_eq!(found(&client, "card=01450000003&type=CREATE_PAIRING&since=1h&state=REJECTED").await, ["r3"]);
    for query in ["q=stat:x", "state=done", "before=x", "limit=501", "nothing=1"] {
        assert_eq!(get(&client, &format!("api/exchanges?{query}")).await.code(), (400, "INVALID_PARAMETER".to_owned()));
    }
    let rows = rows(&client, "q=card:01450000003").await;
    assert_eq!((&rows[0]["operation"], &rows[0]["cards"]), (&json!("CreatePairing"), &json!(["01450000003"])));
    assert_eq!((&rows[0]["state"], &rows[0]["http_status"]), (&json!("PASSED"), &json!(500)));
    assert!(rows[0]["reason"].as_str().unwrap().starts_with("The database is down"));
    assert_eq!((&rows[1]["state"], &rows[1]["reason"]), (&json!("REJECTED"), &json!("The database is down")));
    assert!(rows[1]["duration_ms"].is_number() && rows[1]["attempts"] == 1);
}

#[tokio::test]
async fn pages_follow_one_another_without_a_gap_or_a_row_twice() {
    let (_gateway, client, _conax) = start().await;
    for n in 0..7 {
        client.pair_now(&format!("0145000001{n}")).await;
        if n % 2 == 0 {
            pass_through(&client, "01450000001").await;
        }
    }
    crate::support::eventually(async || (found(&client, "").await.len() == 11).then_some(())).await;
    let all = found(&client, "").await;
    let (mut paged, mut before) = (Vec::new(), String::new());
    loop {
        let page = get(&client, &format!("api/exchanges?limit=3{before}")).await.data();
        let name = |row: &Value| format!("{}{}", if row["kind"] == "request" { "r" } else { "x" }, row["number"]);
        let rows = page["rows"].as_array().unwrap();
        paged.extend(rows.iter().map(name));
        assert!(rows.len() == 3 || page["next"].is_null(), "{page}");
        let Some(next) = page["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn one_request_is_shown_with_everything_and_so_is_an_exchange() {
    let (_gateway, client, _conax) = start().await;
    let record = client.pair_now("01450000003").await;
    let by_number = get(&client, "api/exchanges/1").await.data();
    let detail = get(&client, &format!("api/exchanges/{}", record["id"].as_str().unwrap())).await.data();
    assert_eq!(by_number, detail);
    assert_eq!(detail["record"], client.show(&record["number"]).await);
    assert_eq!(detail["call"]["smartcard_set"][0]["smartcard_ca_id"], "01450000003");
    assert_eq!(detail["soap"]["path"], SERVICE);
    let attempt = &detail["attempts"][0];
    assert_eq!(
        (&attempt["attempt"], &attempt["http_status"], &attempt["sent"]),
        (&json!(1), &json!(500), &json!(true))
    );
    assert_eq!(attempt["response"], detail["record"]["response"]);
    assert_eq!(detail["decisions"], json!(["again", "edit", "note"]));
    pass_through(&client, "01450000003").await;
    crate::support::eventually(async || (found(&client, "state=passed").await.len() == 1).then_some(())).await;
    let id = rows(&client, "state=passed").await[0]["id"].as_str().unwrap().to_owned();
    let detail = get(&client, &format!("api/exchanges/{id}")).await.data();
    assert!(detail["request"]["body"].as_str().unwrap().contains("01450000003"));
    assert!(detail["answer"]["body"].as_str().unwrap().contains("The database is down"));
    assert!(detail["axis"].as_str().unwrap().starts_with("AxisFault\n"));
    for id in ["2", "x", "0123456789ABCDEF0123456789ABCDEF"] {
        assert_eq!(get(&client, &format!("api/exchanges/{id}")).await.code(), (404, "NOT_FOUND".to_owned()));
    }
}

#[tokio::test]
async fn secrets_are_masked_as_in_the_record() {
    let (_gateway, client, _conax) = start().await;
    let body =
        json!({"smartcard_set": [{"smartcard_ca_id": "01450000001"}], "ca_pin": "4711", "process_immediately": true});
    let record = client.call("update_ca_pin_to_given_value", body).await;
    assert_eq!(record.status, 200, "{:#}", record.json);
    let detail = get(&client, "api/exchanges/1").await;
    assert_eq!(detail.status, 200);
    assert!(!detail.text.contains("4711"), "{}", detail.text);
    assert_eq!(found(&client, "q=4711").await, [""; 0]);
}

#[tokio::test]
async fn only_an_operator_decides_and_the_reason_is_kept() {
    let (gateway, client, _conax) = start().await;
    let data_dir = gateway.data_dir();
    for role in ["read", "provision"] {
        let words = ["user", "add", role, "--role", role, "--data-dir", &data_dir];
        assert!(run_with_input(&words, "some-password\n").status.success());
    }
    let waiting = client.pair("01450000001", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    let path = format!("api/exchanges/{}", waiting["id"].as_str().unwrap());
    let decide = async |cookie: &str, decision: &str, body: Value| {
        ask(&client, "POST", &format!("{path}/{decision}"), &[OWN, ("cookie", cookie)], Some(body)).await
    };
    for role in ["read", "provision"] {
        let cookie = sign_in(&client, role, "some-password").await;
        assert_eq!(
            ask(&client, "GET", &path, &[("cookie", &cookie)], None).await.data()["decisions"],
            json!(["cancel", "note"])
        );
        assert_eq!(decide(&cookie, "cancel", json!({"reason": "r"})).await.code(), (403, "FORBIDDEN".to_owned()));
    }
    let cookie = sign_in(&client, USER, PASSWORD).await;
    for (decision, body, code) in [
        ("cancel", json!({}), (400, "MISSING_PARAMETER")),
        ("cancel", json!({"reason": "  "}), (400, "INVALID_PARAMETER")),
        ("cancel", json!({"reason": "r", "more": 1}), (400, "INVALID_PARAMETER")),
        ("retry", json!({"reason": "r"}), (409, "CONFLICT")),
        ("settle_completed", json!({"reason": "r"}), (409, "CONFLICT")),
        ("again", json!({"reason": "r"}), (409, "CONFLICT")),
        ("praise", json!({"reason": "r"}), (404, "METHOD_NOT_FOUND")),
    ] {
        assert_eq!(decide(&cookie, decision, body).await.code(), (code.0, code.1.to_owned()), "{decision}");
    }
    assert_eq!(decide(&cookie, "cancel", json!({"reason": "moved"})).await.data()["life_cycle_state"], "REJECTED");
    let detail = get(&client, &path).await.data();
    let event = &detail["events"][0];
    assert_eq!((&event["event"], &event["user"], &event["text"]), (&json!("CANCELLED"), &json!(USER), &json!("moved")));
    assert_eq!(detail["decisions"], json!(["again", "edit", "note"]));
    let again = decide(&cookie, "again", json!({"reason": "moved back"})).await;
    assert_eq!(again.data()["number"], "2");
    let linked = get(&client, "api/exchanges/2").await.data();
    assert_eq!((&linked["events"][0]["user"], &linked["call"]), (&json!(USER), &detail["call"]));
    assert!(linked["events"][0]["text"].as_str().unwrap().contains("moved back"), "{linked}");

    let message =
        json!({"smartcard_set": [{"smartcard_ca_id": "01450000004"}], "message": "m", "process_immediately": true});
    let unknown = client.call("send_mail_message_to_client", message).await.data();
    assert_eq!(unknown["delivery"]["state"], "needs_operator");
    let path = format!("api/exchanges/{}", unknown["number"].as_str().unwrap());
    let detail = get(&client, &path).await.data();
    assert_eq!(detail["decisions"], json!(["retry", "settle_completed", "settle_rejected", "note"]));
    let body = json!({"reason": "seen", "reference": "R-9"});
    let settled =
        ask(&client, "POST", &format!("{path}/settle_completed"), &[OWN, ("cookie", &cookie)], Some(body)).await.data();
    assert_eq!((&settled["life_cycle_state"], &settled["reference_number"]), (&json!("COMPLETED"), &json!("R-9")));
}

/// The events of a stream.
struct Events(reqwest::Response, String);

impl Events {
    async fn open(client: &Client, query: &str) -> Self {
        let request =
            client.http.get(format!("{}/inspector/api/stream?{query}", client.url)).bearer_auth(&client.token);
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self(answer, String::new())
    }

    /// The next event; `None` at the end. Comments that keep the stream alive do not count as one.
    async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(std::time::Duration::from_secs(20), self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.1.split_once("\n\n") {
                let data = event.strip_prefix("event: rows\ndata: ").map(|data| serde_json::from_str(data).unwrap());
                self.1 = rest.to_owned();
                if data.is_some() {
                    return data;
                }
                continue;
            }
            let piece = self.0.chunk().await;
            self.1.push_str(std::str::from_utf8(&piece.ok()??).unwrap());
        }
    }
}

#[tokio::test]
async fn a_stream_tells_what_is_new_what_has_changed_and_what_the_search_no_longer_finds() {
    let (gateway, client, _conax) = start().await;
    let mut all = Events::open(&client, "").await;
    let mut pending = Events::open(&client, "q=state:pending").await;
    let waiting = client.pair("01450000001", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    for events in [&mut all, &mut pending] {
        let event = events.next().await.unwrap();
        assert_eq!((&event["rows"][0]["state"], &event["rows"][0]["id"]), (&json!("PENDING"), &waiting["id"]));
    }
    // Another process decides.
    let words = ["requests", "cancel", "1", "--reason", "r", "--user", "u", "--data-dir", &gateway.data_dir()];
    assert!(crate::support::run(&words).status.success());
    let event = all.next().await.unwrap();
    assert_eq!((&event["rows"][0]["state"], &event["gone"]), (&json!("REJECTED"), &json!([])));
    assert_eq!(pending.next().await.unwrap(), json!({"rows": [], "gone": [waiting["id"]]}));
    pass_through(&client, "01450000003").await;
    assert_eq!(all.next().await.unwrap()["rows"][0]["operation"], "CreatePairing");
    // A page of one row: the older one is pushed out of it, and not gone.
    let mut one = Events::open(&client, "limit=1").await;
    assert_eq!(one.next().await.unwrap()["rows"].as_array().unwrap().len(), 1);
    client.pair("01450000005", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    let event = one.next().await.unwrap();
    assert_eq!((&event["rows"][0]["cards"], &event["gone"]), (&json!(["01450000005"]), &json!([])));
}

#[tokio::test]
async fn streams_end_with_the_gateway_and_there_are_not_too_many() {
    let (mut gateway, client, _conax) = start().await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Events::open(&client, "").await);
    }
    let answer = get(&client, "api/stream").await;
    assert_eq!((answer.code(), answer.header("retry-after")), ((503, "UNAVAILABLE".to_owned()), "10"));
    drop(open.pop());
    crate::support::eventually(async || {
        let request = client.http.get(format!("{}/inspector/api/stream", client.url)).bearer_auth(&client.token);
        (request.send().await.unwrap().status() == 200).then_some(())
    })
    .await;
    let began = std::time::Instant::now();
    assert_eq!(gateway.terminate().await, Some(0));
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "nobody waits for them");
    for mut events in open {
        while events.next().await.is_some() {}
    }
}

/// The id of the first exchange that was passed through, once it is kept.
async fn passed(client: &Client) -> String {
    let found = async || rows(client, "state=passed").await.first().map(|row| row["id"].as_str().unwrap().to_owned());
    crate::support::eventually(found).await
}

/// A program can compare, count, note, edit and export as the pages do.
#[tokio::test]
async fn two_are_compared_and_all_are_counted() {
    let (_gateway, client, _conax) = start().await;
    for card in ["01450000001", "01450000002", "01450000003"] {
        client.pair_now(card).await;
    }
    pass_through(&client, "01450000003").await;
    let exchange = passed(&client).await;
    let differences = |compared: &Value| -> Vec<(String, String)> {
        let differences = compared["differences"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        differences.map(|each| (text(&each["in"]), text(&each["at"]))).collect()
    };
    let compared = get(&client, "api/compare/1/2").await.data();
    assert_eq!((&compared["first"]["number"], &compared["second"]["kind"]), (&json!(1), &json!("request")));
    let found = differences(&compared);
    for part in ["record", "request", "answer"] {
        assert!(found.iter().any(|(place, _)| place == part), "{part}: {found:?}");
    }
    assert!(found.iter().any(|(_, at)| at.ends_with("CaClientId/text()")), "{found:?}");
    assert_eq!(differences(&get(&client, "api/compare/1/1").await.data()), []);
    let mixed = differences(&get(&client, &format!("api/compare/3/{exchange}")).await.data());
    assert!(mixed.iter().any(|(place, at)| place == "record" && at == "state"), "{mixed:?}");
    assert_eq!(get(&client, "api/compare/1/9").await.code(), (404, "NOT_FOUND".to_owned()));

    let overview = get(&client, "api/overview?since=1h").await.data();
    let figures = &overview["figures"];
    assert_eq!((&overview["rows"], &overview["counted_from"]), (&json!(4), &Value::Null));
    let last = figures["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(last["states"], json!({"COMPLETED": 1, "PASSED": 1, "REJECTED": 2}));
    let reasons = figures["reasons"].as_array().unwrap();
    assert!(
        reasons.len() == 3 && reasons.contains(&json!({"reason": "The database is down", "count": 1})),
        "{reasons:?}"
    );
    assert_eq!(
        (&figures["types"][0]["operation"], &figures["durations"]["count"]),
        (&json!("CREATE_PAIRING"), &json!(4))
    );
    assert_eq!(overview["waiting"]["store"]["needs_operator"], 0);
    assert_eq!(overview["upstreams"][0]["breaker"], "closed");
    let some = get(&client, "api/overview?q=state:rejected%20card:*3").await.data();
    assert_eq!(some["rows"], 1);
    assert_eq!(get(&client, "api/overview?q=stat:x").await.code().0, 400);
}

#[tokio::test]
async fn a_note_and_an_edited_call_stand_in_the_history() {
    let (_gateway, client, _conax) = start().await;
    client.pair_now("01450000002").await;
    let waiting = client.pair("01450000001", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    let token = format!("Bearer {}", client.token);
    let decide = async |id: &str, decision: &str, body: Value| {
        let path = format!("api/exchanges/{id}/{decision}");
        ask(&client, "POST", &path, &[OWN, ("authorization", &token)], Some(body)).await
    };
    let number = waiting["number"].to_string();
    decide(number.trim_matches('"'), "note", json!({"reason": "the customer has called"})).await.data();
    let detail = get(&client, "api/exchanges/2").await.data();
    assert_eq!(detail["events"][0]["event"], "NOTED");
    assert_eq!(
        (&detail["events"][0]["text"], &detail["events"][0]["user"]),
        (&json!("the customer has called"), &json!(USER))
    );
    assert_eq!(detail["record"]["delivery"], waiting["delivery"], "it waits as before");

    let mut call = get(&client, "api/exchanges/1").await.data()["call"].clone();
    call["smartcard_set"][0]["smartcard_ca_id"] = json!("01450000001");
    let wrong = json!({"reason": "r", "call": {"smartcard_set": []}});
    assert_eq!(decide("1", "edit", wrong).await.code().0, 400);
    assert_eq!(decide("1", "edit", json!({"reason": "r"})).await.code(), (400, "MISSING_PARAMETER".to_owned()));
    assert_eq!(decide("2", "edit", json!({"reason": "r", "call": call})).await.code(), (409, "CONFLICT".to_owned()));
    let sent = decide("1", "edit", json!({"reason": "a wrong digit", "call": call})).await.data();
    let ended = client.ended(&sent["number"]).await;
    assert_eq!(ended["life_cycle_state"], "COMPLETED");
    let history = get(&client, "api/exchanges/3").await.data();
    assert_eq!((&history["cards"], &history["events"][0]["event"]), (&json!(["01450000001"]), &json!("RESUBMISSION")));
    assert_eq!(history["events"][0]["text"], "of request 1: edited: a wrong digit");
}

#[tokio::test]
async fn what_is_saved_has_pseudonyms() {
    let (_gateway, client, _conax) = start().await;
    client.pair_now("01450000003").await;
    client.pair("01450000001", json!({"scheduled_date": "9000-01-01T00:00:00"})).await.data();
    pass_through(&client, "01450000003").await;
    let exchange = passed(&client).await;
    for id in ["1", &exchange] {
        let har = get(&client, &format!("api/exchanges/{id}/har")).await;
        assert_eq!((har.status.as_u16(), har.header("content-type")), (200, "application/json"));
        assert!(har.header("content-disposition").ends_with(".har\""), "{}", har.header("content-disposition"));
        let text = &har.json()["log"]["entries"][0];
        assert_eq!(text["response"]["status"], 500);
        assert!(har.text.contains("The database is down") && !har.text.contains("01450000003"), "{}", har.text);
    }
    let tar = get(&client, "api/exchanges/1/fixtures").await;
    assert!(tar.text.contains("fixtures/CREATE_PAIRING/") && tar.text.contains("request.xml"));
    assert!(!tar.text.contains("01450000003"));
    assert_eq!(get(&client, "api/exchanges/2/har").await.code(), (409, "CONFLICT".to_owned()), "nothing was sent");
    for path in ["api/exchanges/1/har", "api/compare/1/1", "api/overview"] {
        assert_eq!(ask(&client, "GET", path, &[], None).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_card_that_nothing_has_leads_to_those_near_it() {
    let (_gateway, client, _conax) = start().await;
    for card in ["01450000001", "01450000012", "99999999999"] {
        client.pair_now(card).await;
    }
    let near = async |query: &str| get(&client, &format!("api/near?q={query}")).await.data()["near"].clone();
    assert_eq!(near("card:01450000002").await, json!(["01450000001", "01450000012"]));
    assert_eq!((near("card:7").await, near("state:pending").await), (json!([]), json!([])));
    assert_eq!(near("-card:01450000002").await, json!([]), "what is not meant is not near");
    pass_through(&client, "01450000003").await;
    let exchange = get(&client, &format!("api/exchanges/{}", passed(&client).await)).await.data();
    assert_eq!(exchange["state"], "PASSED");
    assert!(exchange["reason"].as_str().unwrap().contains("The database is down"), "{exchange}");
}
