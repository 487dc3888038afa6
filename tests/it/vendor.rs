//! Another vendor's WSDLs, by files alone: the contract `tests/contracts/vendor` in the gateway, and answers of every
//! shape from a real socket.

use serde_json::{Value, json};

use crate::support::{Client, Conax, Gateway, Reaction, run, run_in, values_of, xml_answer};

const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contracts/vendor");

/// An envelope around what stands in the body.
fn envelope(inside: &str) -> String {
    format!("<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{inside}</s:Body></s:Envelope>")
}

fn ok(inside: &str) -> Vec<u8> {
    xml_answer("200 OK", &envelope(&inside.replace("xmlns", "xmlns='urn:vendor'")))
}

fn fault(inside: &str) -> Vec<u8> {
    xml_answer("500 Internal Server Error", &envelope(&format!("<s:Fault>{inside}</s:Fault>")))
}

/// A method and a call of it that the contract takes.
fn call_of(request_type: &str) -> (&'static str, Value) {
    let card = json!([{"smartcard_ca_id": "01450253313"}]);
    match request_type {
        "pair" => ("create_pairing", json!({"smartcard_set": card, "stb_set": [{"stb_ca_id": "b1"}]})),
        "reset" => ("update_ca_pin_to_default_value", json!({"smartcard_set": card})),
        "active" => ("get_active_subscriptions", json!({"smartcard_ca_id": "01450253313"})),
        "cancel" => ("cancel_subscriptions", json!({"smartcard_set": card, "service_ca_id": "9"})),
        "add" => ("add_subscriptions", json!({"smartcard_set": card, "service_ca_id": "9"})),
        "show" => (
            "display_fingerprint",
            json!({"smartcard_set": [{"smartcard_ca_id": "01450253313"}, {"smartcard_ca_id": "01450253314"}],
                "display_date_time": "2030-01-31T09:00:00", "height": 40}),
        ),
        other => panic!("no call for {other}"),
    }
}

async fn record_of(client: &Client, request_type: &str) -> Value {
    let (method, mut body) = call_of(request_type);
    body["process_immediately"] = json!(true);
    client.call(method, body).await.data()
}

/// Answers a request like this, and gives the request's state and error code.
async fn outcome(request_type: &str, answer: Vec<u8>) -> (String, Value, Conax) {
    let conax = Conax::start(move |_, _| Reaction::Write(answer.clone())).await;
    let settings = [
        ("upstream.url", conax.url.as_str()),
        ("contract.dir", CONTRACT),
        ("processor.backoff_initial_s", "800"),
        ("processor.backoff_max_s", "800"),
    ];
    let (_gateway, client) = Gateway::start_signed_in(&settings).await;
    let record = record_of(&client, request_type).await;
    (record["life_cycle_state"].as_str().unwrap().to_owned(), record["error_code"].clone(), conax)
}

#[tokio::test]
async fn answers_of_every_shape_are_understood() {
    let accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let paired = |value: &str| ok(&format!("<PairResponse xmlns><PairResult>{value}</PairResult></PairResponse>"));
    let detail = "<faultcode>s:Server</faultcode><faultstring>no</faultstring><detail><CasFault><Code>17</Code></CasFault></detail>";
    let cases = [
        ("a boolean is compared as one", "pair", paired("1"), "COMPLETED", Value::Null),
        ("and so is a no", "pair", paired("0"), "REJECTED", json!("0")),
        ("one-way, accepted", "reset", accepted.clone(), "COMPLETED", Value::Null),
        ("one-way, 200 without a body", "reset", empty.clone(), "COMPLETED", Value::Null),
        ("one-way, and something else came", "reset", ok("<Other xmlns/>"), "PENDING", json!("OUTCOME_UNKNOWN")),
        ("void", "cancel", ok("<CancelResponse xmlns/>"), "COMPLETED", Value::Null),
        ("void is not nothing", "cancel", empty, "PENDING", json!("OUTCOME_UNKNOWN")),
        (
            "no error is a yes",
            "active",
            ok("<ActiveResponse xmlns><Product>9</Product></ActiveResponse>"),
            "COMPLETED",
            Value::Null,
        ),
        (
            "an error is a no",
            "active",
            ok("<ActiveResponse xmlns><Error>E7</Error></ActiveResponse>"),
            "REJECTED",
            json!("E7"),
        ),
        ("no status where there must be one", "pair", ok("<PairResponse xmlns/>"), "PENDING", json!("OUTCOME_UNKNOWN")),
        (
            "a fault by its string",
            "cancel",
            fault("<faultcode>s:Server</faultcode><faultstring>It is done already</faultstring>"),
            "COMPLETED",
            Value::Null,
        ),
        ("by its detail", "cancel", fault(detail), "PENDING", json!("UPSTREAM_BUSY")),
        (
            "by the end of its code",
            "cancel",
            fault("<faultcode>s:Server.Busy</faultcode><faultstring>x</faultstring>"),
            "PENDING",
            json!("UPSTREAM_BUSY"),
        ),
        (
            "any other",
            "cancel",
            fault("<faultcode>s:Server</faultcode><faultstring>x</faultstring>"),
            "REJECTED",
            json!("AxisFault"),
        ),
    ];
    for (name, request_type, answer, state, code) in cases {
        let (found, error, _) = outcome(request_type, answer).await;
        assert_eq!((found.as_str(), &error), (state, &code), "{name}");
    }
}

#[tokio::test]
async fn a_request_goes_to_the_port_that_is_named_with_all_that_its_schema_demands() {
    let answer = ok("<PairResponse xmlns><PairResult>true</PairResult></PairResponse>");
    let (_, _, conax) = outcome("pair", answer).await;
    let sent = conax.received().remove(0);
    assert!(sent.head.starts_with("POST /v2/cas HTTP/1.1"), "{}", sent.head);
    assert_eq!(sent.header("soapaction"), Some("\"urn:vendor/Pair\""));
    let body = sent.body.split_once("<soap:Body>").unwrap().1;
    assert_eq!(
        body,
        "<ns1:Pair xmlns:ns1=\"urn:vendor\"><ns1:Param><ns1:Name>CARD</ns1:Name><ns1:Value>01450253313</ns1:Value>\
         </ns1:Param><ns1:Param><ns1:Name>STB</ns1:Name><ns1:Value>b1</ns1:Value></ns1:Param></ns1:Pair>\
         </soap:Body></soap:Envelope>"
    );
    let answer = ok("<AddResponse xmlns><AddResult>00</AddResult><Unneeded><B>1</B></Unneeded></AddResponse>");
    let (state, _, conax) = outcome("add", answer).await;
    assert_eq!(state, "COMPLETED");
    let sent = conax.received().remove(0);
    assert!(sent.head.starts_with("POST /v1/cas HTTP/1.1"), "{}", sent.head);
    assert_eq!(
        sent.body.split_once("<soap:Body>").unwrap().1,
        "<ns1:Add xmlns:ns1=\"urn:vendor\"><ns1:Device xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:type=\"ns1:Smartcard\"><ns1:Number>01450253313</ns1:Number></ns1:Device><ns1:Product>9</ns1:Product>\
         <ns1:Tree><ns1:Tree><ns1:Tree><ns1:Tree><ns1:Value>deep</ns1:Value></ns1:Tree></ns1:Tree></ns1:Tree></ns1:Tree>\
         <ns1:Anything>text</ns1:Anything><x:Origin xmlns:x=\"urn:crm\" id=\"1\"><x:System>CRM</x:System></x:Origin>\
         </ns1:Add></soap:Body></soap:Envelope>"
    );
}

#[tokio::test]
async fn values_are_written_as_the_vendor_wants_them() {
    let accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let (state, _, conax) = outcome("show", accepted).await;
    assert_eq!(state, "COMPLETED");
    let sent = conax.received().remove(0);
    assert!(sent.head.starts_with("POST /show HTTP/1.1"), "{}", sent.head);
    let values = |local: &str| values_of(&sent, local);
    assert_eq!(values("Card"), ["01450253313", "01450253314"]);
    assert_eq!(values("Short"), ["xx0145", "xx0145"]);
    assert_eq!((values("From"), values("Size")), (vec!["2030-01-31".to_owned()], vec!["size-large".to_owned()]));
    let (id, at) = (&values("Id")[0], &values("At")[0]);
    assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "{id}");
    assert!(at.starts_with("20") && at.ends_with('Z') && at.len() == 20, "{at}");
}

#[tokio::test]
async fn the_simulator_speaks_it_too() {
    let (_gateway, client) = Gateway::start_signed_in(&[("contract.dir", CONTRACT)]).await;
    for request_type in ["pair", "reset", "cancel", "add", "active", "show"] {
        let record = record_of(&client, request_type).await;
        assert_eq!(record["life_cycle_state"], "COMPLETED", "{request_type}: {record:#}");
    }
    let refused = |error: &str, request_type: &'static str, card: &'static str| {
        let (method, body) = call_of(request_type);
        let body = serde_json::from_str(&body.to_string().replace("01450253313", card)).unwrap();
        (method, body, error.to_owned())
    };
    for (method, mut body, error) in [
        refused("0", "pair", "99000000007"),
        refused("SYSTEM_ERROR", "active", "99000000007"),
        refused("AxisFault", "cancel", "99000000007"),
    ] {
        let body: &mut Value = &mut body;
        body["process_immediately"] = json!(true);
        let record = client.call(method, body.clone()).await.data();
        assert_eq!(
            (&record["life_cycle_state"], &record["error_code"]),
            (&json!("REJECTED"), &json!(error)),
            "{method}"
        );
    }
}

#[test]
fn a_draft_is_a_contract_to_start_from() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/wsdl")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "bindings.toml" {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let dir = folder.path().to_str().unwrap();
    let wsdls = ["authorization", "pairing", "ca-pin"].map(|name| format!("{dir}/{name}.wsdl"));
    let draft = |more: &[&str]| {
        let args: Vec<&str> = ["contract", "draft"]
            .into_iter()
            .chain(wsdls.iter().map(String::as_str))
            .chain(more.iter().copied())
            .collect();
        let output = run(&args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let check = |drafted: &str| {
        std::fs::write(folder.path().join("bindings.toml"), drafted).unwrap();
        let output = run_in(folder.path(), &["contract", "check"], &[("CONAX_GATEWAY_CONTRACT_DIR", dir)]);
        assert!(output.status.success(), "{}\n{drafted}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let checked = check(&draft(&[]));
    for line in [
        "CREATE_PAIRING: CreatePairing (pairing.wsdl, /ca-server/webservices/caclient/pairing, SOAP 1.1, resend never)",
        "  smartcard_ca_id+ -> CreatePairingRequest/CaClientIds/CaClientId: string",
        "  stb_ca_id+ -> CreatePairingRequest/PairingModuleIds/PairingModuleId: string",
        "  (status) <- TransactionStatus/StatusCode: string",
        "  ca_pin -> UpdateCaPinToGivenValueRequest/CaPin: string",
    ] {
        assert!(checked.lines().any(|checked| checked.starts_with(line)), "{line}\n{checked}");
    }
    let one = draft(&["--type", "UPDATE_CA_PIN_TO_DEFAULT_VALUE", "--operation", "AddSubscriptions"]);
    let checked = check(&one);
    assert!(checked.starts_with("UPDATE_CA_PIN_TO_DEFAULT_VALUE: AddSubscriptions"), "{checked}");
    assert!(one.contains("Subscription/ProductId\" = \"1\" # mandatory: "), "{one}");
}

#[test]
fn a_draft_covers_what_is_mandatory_as_its_types_want_it() {
    let folder = tempfile::tempdir().unwrap();
    let wsdl = folder.path().join("service.wsdl");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contracts/drafted/service.wsdl"), &wsdl).unwrap();
    let drafted = run(&["contract", "draft", wsdl.to_str().unwrap()]).stdout;
    std::fs::write(folder.path().join("bindings.toml"), &drafted).unwrap();
    let dir = [("CONAX_GATEWAY_CONTRACT_DIR", folder.path().to_str().unwrap())];
    let output = run_in(folder.path(), &["contract", "check"], &dir);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let drafted = String::from_utf8(drafted).unwrap();
    assert!(drafted.contains("\"1\" = \"completed\"") && drafted.contains("\"Operator\" = "), "{drafted}");
    assert!(drafted.contains("# Operations offered: CreatePairing, Open, Ping\n"), "{drafted}");
    const PASSWORD: &str =
        "\"Password\" = \"1\" # mandatory: string; if this is a secret: among the values, as \"{secret.NAME}\"";
    let login = ["contract", "draft", wsdl.to_str().unwrap(), "--type", "login", "--operation", "Open"];
    let drafted = run(&login).stdout;
    std::fs::write(folder.path().join("bindings.toml"), &drafted).unwrap();
    let output = run_in(folder.path(), &["contract", "check"], &dir);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let drafted = String::from_utf8(drafted).unwrap();
    for line in ["session = \"Session\"", "\"SUCCESS\" = \"completed\"", "\"User\" = ", PASSWORD] {
        assert!(drafted.lines().any(|drafted| drafted.starts_with(line)), "{line}: {drafted}");
    }
    assert!(!drafted.contains("Operations offered"), "{drafted}");
    let output = run(&["contract", "draft", wsdl.to_str().unwrap(), "--type", "login", "--operation", "Opn"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("'Opn'; offered: CreatePairing, Open, Ping"), "{error}");
}

#[tokio::test]
async fn an_operation_may_have_nothing_in_its_body() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let wsdl = folder.path().join("service.wsdl");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contracts/drafted/service.wsdl"), &wsdl).unwrap();
    let ping = ["--type", "GET_ACTIVE_SUBSCRIPTIONS", "--operation", "Ping"];
    let drafted = run(&[&["contract", "draft", wsdl.to_str().unwrap()][..], &ping].concat()).stdout;
    std::fs::write(folder.path().join("bindings.toml"), &drafted).unwrap();
    let (_gateway, client) = Gateway::start_signed_in(&[("contract.dir", dir)]).await;
    let record = record_of(&client, "active").await;
    assert_eq!(record["life_cycle_state"], "COMPLETED", "{record:#}");
    assert!(record["request"].as_str().unwrap().ends_with("<soap:Body></soap:Body></soap:Envelope>"), "{record:#}");
}

#[test]
fn a_call_is_tried_without_being_sent() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let vendor = [("CONAX_GATEWAY_CONTRACT_DIR", CONTRACT)];
    let tried = |args: &[&str], environment: &[(&str, &str)]| {
        let output = run_in(folder.path(), &[&["contract", "try"], args].concat(), environment);
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    write("pair.json", r#"{"smartcard_ca_id": ["01450253313"], "stb_ca_id": "b1"}"#);
    write("no.xml", &envelope("<PairResponse xmlns='urn:vendor'><PairResult>0</PairResult></PairResponse>"));
    let (shown, _) = tried(&["CREATE_PAIRING", "pair.json", "--answer", "no.xml"], &vendor);
    assert!(
        shown.starts_with(
            "POST /v2/cas\nContent-Type: text/xml; charset=utf-8\nSOAPAction: \"urn:vendor/Pair\"\n\n<?xml"
        ),
        "{shown}"
    );
    assert!(shown.contains("<ns1:Name>STB</ns1:Name><ns1:Value>b1</ns1:Value>"), "{shown}");
    assert!(shown.ends_with("\n\nRejected\nerror_code: 0\n"), "{shown}");
    write("active.json", r#"{"smartcard_ca_id": 7}"#);
    write("yes.xml", &envelope("<ActiveResponse xmlns='urn:vendor'><Product>9</Product></ActiveResponse>"));
    let (shown, _) = tried(&["GET_ACTIVE_SUBSCRIPTIONS", "active.json", "--answer", "yes.xml"], &vendor);
    assert!(shown.ends_with("\n\nCompleted\nresult: {\"Product\":[\"9\"]}\n"), "{shown}");
    write("pin.json", r#"{"smartcard_ca_id": "01450253313", "ca_pin": "4711"}"#);
    let (shown, _) = tried(&["UPDATE_CA_PIN_TO_GIVEN_VALUE", "pin.json"], &[]);
    assert!(shown.contains("<ns1:CaPin>****</ns1:CaPin>") && !shown.contains("4711"), "{shown}");
    let (_, error) = tried(&["CREATE_PAIRING", "active.json"], &vendor);
    assert!(error.contains("stb_ca_id is mandatory"), "{error}");
    write("bad.json", r#"{"smartcard_ca_id": {}}"#);
    let (_, error) = tried(&["CREATE_PAIRING", "bad.json"], &vendor);
    assert!(error.contains("bad.json: 'smartcard_ca_id' is neither a text nor a number"), "{error}");
}
