//! Requests and answers by the contracts of `tests/contracts`, and by the one that comes with the program.

use super::*;
use crate::contract::tests::{body_child, contract, fields};
use crate::contract::{Contract, ContractSource, validate};
use crate::request::RequestType;
use crate::soap::decode;

/// The content of a request's body, which must be valid and read back as it was given.
fn body(contract: &Contract, request_type: RequestType, given: &[(&str, &[&str])]) -> Result<String, EncodeError> {
    let operation = contract.operation(request_type).unwrap();
    let bytes = request(operation, &fields(given))?;
    let child = body_child(&bytes);
    assert_eq!(validate::message(&operation.input, &child), []);
    let read = decode::request(operation, &child).unwrap();
    for (name, values) in given {
        let is_broadcast = read.count(name) > values.len();
        assert!(is_broadcast || read.all(name).eq(values.iter().copied().filter(|v| !v.is_empty())), "{name}");
    }
    let text = String::from_utf8(bytes).unwrap();
    let (_, rest) = text.split_once("<soap:Body>").unwrap();
    Ok(rest.split_once("</soap:Body>").unwrap().0.to_owned())
}

#[track_caller]
fn refused(contract: &Contract, request_type: RequestType, given: &[(&str, &[&str])]) -> String {
    let error = body(contract, request_type, given).unwrap_err();
    format!("{}{} {}", error.field, error.index.map_or(String::new(), |i| format!("[{i}]")), error.message)
}

#[test]
fn a_whole_message() {
    let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
    let operation = contract.operation(RequestType::named("CREATE_PAIRING")).unwrap();
    let given = fields(&[("smartcard_ca_id", &["01450253313"]), ("stb_ca_id", &["a", "b"])]);
    let expected = concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?>"#,
        r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>"#,
        r#"<ns1:CreatePairing xmlns:ns1="http://www.conax.com/cas/xsd/pairing/v1"><ns1:CreatePairingRequest>"#,
        "<ns1:CaClientIds><ns1:CaClientId>01450253313</ns1:CaClientId></ns1:CaClientIds><ns1:PairingModuleIds>",
        "<ns1:PairingModuleId>a</ns1:PairingModuleId><ns1:PairingModuleId>b</ns1:PairingModuleId>",
        "</ns1:PairingModuleIds></ns1:CreatePairingRequest></ns1:CreatePairing></soap:Body></soap:Envelope>",
    );
    assert_eq!(String::from_utf8(request(operation, &given).unwrap()).unwrap(), expected);
}

#[test]
fn repeats_in_step() {
    let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
    let add = |given: &[(&str, &[&str])]| body(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), given);
    let day = |n: usize| format!("2026-01-0{n}T00:00:00");
    let (one, two) = (day(1), day(2));
    let text = add(&[("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2"]), ("start_date", &[&one])]).unwrap();
    assert_eq!(text.matches("<ns1:StartTime>2026-01-01T00:00:00</ns1:StartTime>").count(), 2);
    let given: [(&str, &[&str]); 3] =
        [("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2"]), ("start_date", &["", &two])];
    let text = add(&given).unwrap();
    assert!(text.contains("<ns1:ProductId>1</ns1:ProductId></ns1:Subscription>"), "{text}");
    assert!(text.contains("<ns1:ProductId>2</ns1:ProductId><ns1:StartTime>2026-01-02"), "{text}");
    let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), given);
    assert_eq!(
        refused(&[("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2", "3"]), ("start_date", &[&one, &two])]),
        "start_date has 2 values where service_ca_id has 3"
    );
    assert_eq!(
        refused(&[("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", ""]), ("start_date", &[&one])]),
        "service_ca_id[1] is mandatory"
    );
}

#[test]
fn refuses_what_the_contract_does_not_take() {
    let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
    let long = "x".repeat(65);
    let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("CREATE_PAIRING"), given);
    for (cards, boxes, why) in [
        (&["1"][..], &[][..], "stb_ca_id is mandatory"),
        (&["1"], &[""], "stb_ca_id is mandatory"),
        (&["1", &long], &["b"], "smartcard_ca_id[1] must be at most 64 characters"),
        (&[&long], &["b"], "smartcard_ca_id must be at most 64 characters"),
        (&["1"], &["a", "\u{1}"], "stb_ca_id[1] has a character U+0001 that XML 1.0 cannot carry"),
    ] {
        assert_eq!(refused(&[("smartcard_ca_id", cards), ("stb_ca_id", boxes)]), why);
    }
    assert_eq!(refused(&[("message", &["x"])]), "message is not taken by this Conax contract");
    let status = RequestType::named("GET_PAIRING_STATUS_FOR_CARD");
    assert_eq!(
        super::tests::refused(&contract, status, &[("smartcard_ca_id", &["1", "2"])]),
        "smartcard_ca_id takes one value"
    );
}

#[test]
fn rpc_has_a_wrapper_and_unqualified_parts() {
    let contract = contract("rpc");
    let given: [(&str, &[&str]); 3] =
        [("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2"]), ("start_date", &["2026-01-01T00:00:00"])];
    assert_eq!(
        body(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), &given).unwrap(),
        "<ns1:add xmlns:ns1=\"urn:rpc:call\"><operator>sms-1</operator><card>c</card><request><product>1</product>\
         <product>2</product><start>2026-01-01T00:00:00</start></request></ns1:add>"
    );
    let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), given);
    assert_eq!(
        refused(&[("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2", "3", "4"])]),
        "service_ca_id takes at most 3 values"
    );
    assert_eq!(
        refused(&[("smartcard_ca_id", &["c", "d"]), ("service_ca_id", &["1"])]),
        "smartcard_ca_id takes one value"
    );
}

#[test]
fn bare_documents_and_qualified_forms() {
    let contract = contract("soap12");
    let active =
        body(&contract, RequestType::named("GET_ACTIVE_SUBSCRIPTIONS"), &[("smartcard_ca_id", &["c"])]).unwrap();
    assert_eq!(active, "<ns1:card xmlns:ns1=\"urn:bare\">c</ns1:card>");
    let given: [(&str, &[&str]); 2] = [("smartcard_ca_id", &["01450253313"]), ("ca_pin", &["0\"<"])];
    assert_eq!(
        body(&contract, RequestType::named("UPDATE_CA_PIN_TO_GIVEN_VALUE"), &given).unwrap(),
        "<ns1:pin xmlns:ns1=\"urn:bare\" ns1:pin=\"0&quot;&lt;\"><ns1:card>01450253313</ns1:card></ns1:pin>"
    );
    let operation = contract.operation(RequestType::named("GET_ACTIVE_SUBSCRIPTIONS")).unwrap();
    let results = fields(&[("service_ca_id", &["1", "2"]), ("start_date", &["", "2026-01-01"])]);
    let given = Answer { status: Some("OK".to_owned()), results, ..Answer::default() };
    let text = String::from_utf8(answer(operation, &given).unwrap()).unwrap();
    assert!(text.contains("xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\""), "{text}");
    assert!(text.contains("code=\"OK\"><product>1</product><product from=\"2026-01-01\">2</product></ns1:"), "{text}");
    assert_eq!(decode::answer(operation, None, &body_child(text.as_bytes())), Ok(given));
}

#[test]
fn constants_choices_lists_and_nil() {
    let contract = contract("types");
    let display = |given: &[(&str, &[&str])]| body(&contract, RequestType::named("DISPLAY_FINGERPRINT"), given);
    let cards: (&str, &[&str]) = ("smartcard_ca_id", &["01450253313", "smrt1"]);
    let open = concat!(
        r#"<ns1:Display xmlns:ns1="urn:types" version="1.0" mode="live"><ns1:Origin><ns1:System>CRM</ns1:System>"#,
        "</ns1:Origin><ns1:Cards>01450253313 smrt1</ns1:Cards>",
    );
    let nil = "<ns1:Height xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"></ns1:Height>";
    let end = "<ns1:End>end</ns1:End></ns1:Display>";
    assert_eq!(
        display(&[cards, ("display_duration", &["5"])]).unwrap(),
        format!("{open}<ns1:For>5</ns1:For>{nil}{end}")
    );
    let all = fields(&[
        cards,
        ("display_date_time", &["2026-01-01T00:00:00"]),
        ("position_x", &[" 1 "]),
        ("height", &["2"]),
        ("fingerprint_slot", &["a  b"]),
    ]);
    let operation = contract.operation(RequestType::named("DISPLAY_FINGERPRINT")).unwrap();
    let text = String::from_utf8(request(operation, &all).unwrap()).unwrap();
    let as_given = "<ns1:At>2026-01-01T00:00:00</ns1:At><ns1:Position><ns1:X>1</ns1:X></ns1:Position><ns1:Height>2\
                    </ns1:Height><ns1:Slot>a  b</ns1:Slot><ns1:End>end</ns1:End>";
    assert!(text.contains(as_given), "{text}");
    let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("DISPLAY_FINGERPRINT"), given);
    assert_eq!(
        refused(&[cards, ("display_duration", &["5"]), ("display_date_time", &["2026-01-01T00:00:00"])]),
        "display_duration cannot be given together with display_date_time"
    );
    assert_eq!(
        refused(&[cards]),
        "display_date_time is mandatory, or one of the others: display_date_time, display_duration"
    );
    assert_eq!(refused(&[cards, ("display_duration", &["5"]), ("position_y", &["1"])]), "position_x is mandatory");
    assert_eq!(
        refused(&[("smartcard_ca_id", &["smrt1", "smrt2", "smrt3"]), ("display_duration", &["5"])]),
        "smartcard_ca_id must be at most 2 items"
    );
    assert_eq!(
        refused(&[("smartcard_ca_id", &["smrt1", "smrt 2"]), ("display_duration", &["5"])]),
        "smartcard_ca_id[1] must not be empty or contain white space"
    );
}

#[test]
fn groups_repeat() {
    let contract = contract("types");
    let pair: [(&str, &[&str]); 2] = [("smartcard_ca_id", &["smrt1", "", "smrt2"]), ("stb_ca_id", &["", "b", ""])];
    assert_eq!(
        body(&contract, RequestType::named("CREATE_PAIRING"), &pair).unwrap(),
        "<ns1:Pair xmlns:ns1=\"urn:types\"><ns1:Card id=\"smrt1\" kind=\"card\"></ns1:Card><ns1:Box>b</ns1:Box>\
         <ns1:Card id=\"smrt2\" kind=\"card\"></ns1:Card></ns1:Pair>"
    );
    assert_eq!(
        refused(
            &contract,
            RequestType::named("CREATE_PAIRING"),
            &[("smartcard_ca_id", &["smrt1"]), ("stb_ca_id", &["b"])]
        ),
        "stb_ca_id cannot be given together with smartcard_ca_id"
    );
    let day = "2026-01-01T00:00:00";
    let add: [(&str, &[&str]); 4] = [
        ("smartcard_ca_id", &["smrt1"]),
        ("service_ca_id", &["1", "2", "3"]),
        ("start_date", &["", day, day]),
        ("end_date", &["", "", day]),
    ];
    let text = body(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), &add).unwrap();
    let product = |n| format!("<ns1:Product kind=\"svc\">{n}</ns1:Product>");
    let start = format!("<ns1:Start>{day}</ns1:Start>");
    let nil = "<ns1:End xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"></ns1:End>";
    let expected =
        [product(1), product(2), start.clone(), nil.to_owned(), product(3), start, format!("<ns1:End>{day}</ns1:End>")];
    assert!(text.contains(&format!("<ns1:Items>{}</ns1:Items>", expected.concat())), "{text}");
    let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), given);
    assert_eq!(
        refused(&[("smartcard_ca_id", &["smrt1"]), ("service_ca_id", &["1"])]),
        "service_ca_id takes at least 2 values"
    );
    assert_eq!(
        refused(&[("smartcard_ca_id", &["smrt1"]), ("service_ca_id", &["1", "123456789"])]),
        "service_ca_id[1] must be at most 8 characters"
    );
}

#[test]
fn encoded_messages_say_their_types() {
    let contract = contract("encoded");
    let given: [(&str, &[&str]); 3] =
        [("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2"]), ("start_date", &["", "2026-01-01T00:00:00"])];
    let text = body(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), &given).unwrap();
    let text = text.replace(" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"", "");
    let right = |product: &str, from: &str| {
        format!("<item xsi:type=\"ns1:Right\"><product xsi:type=\"ns3:string\">{product}</product>{from}</item>")
    };
    let nil = "<from xsi:type=\"ns2:dateTime\" xsi:nil=\"true\"></from>";
    let from = "<from xsi:type=\"ns2:dateTime\">2026-01-01T00:00:00</from>";
    let rights = format!(
        "<rights xsi:type=\"ns3:Array\" xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
         soapenc:arrayType=\"ns1:Right[2]\">{}{}</rights>",
        right("1", nil),
        right("2", from)
    );
    let order = format!("<order xsi:type=\"ns1:Order\"><card xsi:type=\"ns2:string\">c</card>{rights}</order>");
    assert!(text.contains(&format!("{order}<urgent xsi:type=\"ns2:boolean\">true</urgent></ns1:add>")), "{text}");
    // A parameter is missed all the same.
    let missing = body(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), &given[..1]).unwrap_err();
    assert_eq!((missing.field.as_str(), missing.message.as_str()), ("service_ca_id", "is mandatory"));
}

#[test]
fn arrays_hold_arrays() {
    let contract = contract("encoded");
    let given: [(&str, &[&str]); 2] = [("smartcard_ca_id", &["c", "d"]), ("service_ca_id", &["1"])];
    let text = body(&contract, RequestType::named("CANCEL_SUBSCRIPTIONS"), &given).unwrap();
    let text = text.replace(" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"", "");
    let text = text.replace(" xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\"", "");
    let array = |tag: &str, of: &str, inside: &str| {
        format!("<{tag} xsi:type=\"ns2:Array\" soapenc:arrayType=\"{of}\">{inside}</{tag}>")
    };
    let item = |value: &str| format!("<item xsi:type=\"ns3:string\">{value}</item>");
    let inner = array("item", "ns3:string[2]", &(item("c") + &item("d")));
    let rows = array("rows", "ns3:string[][1]", &inner);
    let lists = array("lists", "ns1:Strings[1]", &array("list", "ns3:string[1]", &item("1")));
    assert!(text.contains(&format!("{rows}{lists}")), "{text}");
}

#[test]
fn ten_thousand_repetitions_are_quick() {
    let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
    let operation = contract.operation(RequestType::named("ADD_SUBSCRIPTIONS")).unwrap();
    let mut given = fields(&[("smartcard_ca_id", &["c"]), ("start_date", &["2026-01-01T00:00:00"])]);
    (0..10_000).for_each(|n| given.push("service_ca_id", format!("{n:08}")));
    let bytes = request(operation, &given).unwrap();
    let child = body_child(&bytes);
    assert_eq!(validate::message(&operation.input, &child), []);
    assert_eq!(decode::request(operation, &child).unwrap().count("service_ca_id"), 10_000);
}

#[test]
fn an_answer_leaves_out_what_it_has_no_value_for() {
    let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
    let operation = contract.operation(RequestType::named("GET_PAIRING_STATUS_FOR_CARD")).unwrap();
    let given = Answer { status: Some("SYSTEM_ERROR".to_owned()), ..Answer::default() };
    let child = body_child(&answer(operation, &given).unwrap());
    assert_eq!(child.elements().count(), 1);
    assert_eq!(decode::answer(operation, None, &child), Ok(given));
}
