//! The contracts of `tests/contracts`, and the one that comes with the program. What is written by them is tested in
//! the SOAP room; here it is what is found, what is refused, and what is served.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::request::{Classification, Family, Fields, RequestType};
use crate::soap::{decode, encode, envelope};
use crate::xml::{self, Element, Limits, Name};

fn folder(name: &str) -> ContractSource {
    ContractSource::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contracts").join(name))
}

fn read(name: &str, file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contracts").join(name).join(file))
        .unwrap()
}

/// Loads a contract that must have no faults.
#[track_caller]
pub(crate) fn contract(name: &str) -> Contract {
    match Contract::load(&folder(name)) {
        Ok(contract) => contract,
        Err(findings) => panic!("{}", findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// Fields from (name, values), an empty value being a place without one.
pub(crate) fn fields(values: &[(&str, &[&str])]) -> Fields {
    let mut fields = Fields::new();
    for (name, values) in values {
        for value in *values {
            fields.push_option(name, Some((*value).to_owned()).filter(|value| !value.is_empty()));
        }
    }
    fields
}

/// The child of the body of an encoded message.
pub(crate) fn body_child(message: &[u8]) -> Element {
    let root = xml::parse(std::str::from_utf8(message).unwrap(), Limits::default()).unwrap();
    envelope::open(&root).unwrap().child.unwrap().clone()
}

#[test]
fn tells_every_fault_with_file_and_line() {
    for name in ["broken", "broken-schema", "broken-toml", "misfit", "pieces", "unsupported"] {
        let findings = Contract::load(&folder(name)).err().expect("it is broken");
        let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let expected = read(name, "findings.txt");
        assert_eq!(found, expected.lines().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn can_be_shared_between_tasks() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Contract>();
}

#[test]
fn a_missing_folder_is_a_finding() {
    let findings = Contract::load(&folder("nowhere")).err().unwrap();
    assert!(findings[0].to_string().starts_with("bindings.toml:1: cannot be read"), "{}", findings[0]);
}

#[test]
fn follows_imports_and_ignores_what_is_not_used() {
    let contract = contract("imports");
    let operation = contract.operation(RequestType::named("UPDATE_CA_PIN_TO_DEFAULT_VALUE")).unwrap();
    assert_eq!(operation.input.root.name, Name::new("urn:pin", "Reset"));
    assert_eq!(operation.output.as_ref().unwrap().root.name, Name::new("urn:inline", "Answer"));
    assert_eq!(operation.input_fields[0].location.to_string(), "schemas/shared/chameleon.xsd:8");
    assert!(contract.operation(RequestType::named("ADD_SUBSCRIPTIONS")).is_none());
}

#[test]
fn takes_the_first_port_and_its_action() {
    let contract = contract("soap12");
    let operation = contract.operation(RequestType::named("GET_ACTIVE_SUBSCRIPTIONS")).unwrap();
    assert_eq!(
        (operation.soap, operation.path.as_str(), operation.action.as_str()),
        (SoapVersion::V12, "/cards", "urn:bare/Active")
    );
    assert_eq!(contract.services(), [Service { wsdl: "service.wsdl", path: "/cards" }]);
}

#[test]
fn finds_operations_and_classes() {
    let contract = contract("rpc");
    assert_eq!(contract.base_path(), "");
    let root = Name::new("urn:rpc:call", "add");
    assert_eq!(contract.find_operation("/rpc", &root).unwrap().request_type, RequestType::named("ADD_SUBSCRIPTIONS"));
    assert!(contract.find_operation("/other", &root).is_none());
    assert!(contract.find_operation("/rpc", &Name::new("", "add")).is_none());
    let verdicts = &contract.operation(RequestType::named("ADD_SUBSCRIPTIONS")).unwrap().verdicts;
    let classes = ["0", "17", "18"].map(|status| verdicts.classify_status(Some(status)));
    assert_eq!(classes, [Classification::Completed, Classification::RetryLater, Classification::Rejected].map(Some));
}

#[test]
fn serves_its_files_with_links_that_lead_back() {
    let contract = contract("imports");
    let serve = |name: &str| contract.document(name, "https://gw:8080/ca", "/pin").unwrap();
    let wsdl = read("imports", "service.wsdl")
        .replace("location = 'schemas/abstract.wsdl'", "location = 'https://gw:8080/ca/pin?xsd=schemas/abstract.wsdl'")
        .replace("http://localhost:8081/cas/pin", "https://gw:8080/ca/pin");
    assert_eq!(serve("service.wsdl"), wsdl);
    let schema = read("imports", "schemas/pin.xsd")
        .replace("\"shared/chameleon.xsd\"", "\"https://gw:8080/ca/pin?xsd=schemas/shared/chameleon.xsd\"")
        .replace("\"./pin.xsd\"", "\"https://gw:8080/ca/pin?xsd=schemas/pin.xsd\"");
    assert_eq!(serve("schemas/pin.xsd"), schema);
    assert!(contract.document("bindings.toml", "", "").is_none());
    assert!(contract.document("schemas/lost.xsd", "", "").is_none());
    assert!(contract.document("../imports/service.wsdl", "", "").is_none());
}

#[test]
fn the_embedded_contract_binds_every_request_type() {
    let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:#?}"));
    assert_eq!(contract.base_path(), "/ca-server/webservices");
    let of_conax =
        |request_type: &RequestType| !RequestType::of_family(Family::Panaccess).any(|other| other == *request_type);
    assert!(RequestType::all().filter(of_conax).all(|request_type| contract.operation(request_type).is_some()));
    assert_eq!(contract.services().len(), 5);
    for operation in contract.operations() {
        let bound: BTreeSet<String> =
            operation.input_fields.iter().map(|field| format!("{:?}", field.source)).collect();
        for field in operation.request_type.fields() {
            assert!(bound.contains(&format!("Field({:?})", field.name)), "{} of {}", field.name, operation.name);
        }
        assert_eq!(contract.find_operation(&operation.path, &operation.input.root.name).unwrap().name, operation.name);
    }
}

/// A value that each parameter of the embedded contract takes.
fn sample(name: &str, number: usize) -> String {
    match name {
        "smartcard_ca_id" | "existing_smartcard_ca_id" => format!("0145025331{number}"),
        "stb_ca_id" => format!("stb01-<&>\"'\u{e9}-{number}"),
        "service_ca_id" => format!("0000{number}"),
        "start_date" | "end_date" | "display_date_time" | "star_indication_date_time" => {
            format!("2026-01-0{}T09:00:00", number + 1)
        }
        "message" => " Grüße,\n 世界 ".to_owned(),
        "ca_pin" => "0042".to_owned(),
        "pairing_status" => "PAIRED".to_owned(),
        "repetition_interval" => "2550".to_owned(),
        _ => "7".to_owned(),
    }
}

/// All parameters, or the mandatory ones.
fn samples(wanted: &[crate::request::Field], with_optional: bool) -> Fields {
    let mut fields = Fields::new();
    for field in wanted.iter().filter(|field| with_optional || field.mandatory) {
        let count = if field.many || field.name.ends_with("_date") { 3 } else { 1 };
        (0..count).for_each(|number| fields.push(field.name, sample(field.name, number)));
    }
    fields
}

#[test]
fn what_the_embedded_contract_writes_is_valid_and_reads_back() {
    let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:#?}"));
    for operation in contract.operations() {
        let is_bound =
            |name: &str| operation.output_fields.iter().any(|f| f.source == ValueSource::Field(name.to_owned()));
        let results = operation.request_type.results().iter().copied();
        let results: Vec<_> = results.filter(|result| is_bound(result.name)).collect();
        let wanted: Vec<_> = operation.request_type.fields().collect();
        for with_optional in [true, false] {
            let fields = samples(&wanted, with_optional);
            let child = body_child(&encode::request(operation, &fields).unwrap());
            assert_eq!(validate::message(&operation.input, &child), [], "{}", operation.name);
            assert_eq!(decode::request(operation, &child), Ok(fields), "{}", operation.name);

            let answer = decode::Answer {
                status: Some("OK".to_owned()),
                reference: Some("3f2504e0-4f89-11d3-9a0c-0305e82c3301".to_owned()),
                message: with_optional.then(|| " done ".to_owned()),
                results: samples(&results, with_optional),
                warnings: Vec::new(),
            };
            let child = body_child(&encode::answer(operation, &answer).unwrap());
            assert_eq!(validate::message(operation.output.as_ref().unwrap(), &child), [], "{}", operation.name);
            assert_eq!(decode::answer(operation, None, &child), Ok(answer), "{}", operation.name);
        }
    }
}
