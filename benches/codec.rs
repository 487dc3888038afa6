//! What one request costs in memory: its SOAP request written, its answer read, a fault as Axis prints it, JSON in and out.
//!
//! `cargo bench` runs all; docs/performance.md says what was measured.

use std::hint::black_box;

use conax_gateway::api::parse_object;
use conax_gateway::axis;
use conax_gateway::contract::{Contract, ContractSource, Operation};
use conax_gateway::recording::compare_texts;
use conax_gateway::request::{Fields, RequestType};
use conax_gateway::soap::{decode, encode, envelope};
use conax_gateway::xml::{Limits, parse};
use divan::Bencher;

const ANSWER: &str = include_str!("../fixtures/CREATE_PAIRING/success/response.xml");
const REQUEST: &str = include_str!("../fixtures/CREATE_PAIRING/success/request.xml");
const FAULT: &str = include_str!("../fixtures/CREATE_PAIRING/fault/response.xml");
const CALL: &str = include_str!("../fixtures/CREATE_PAIRING/success/call.json");
const REPLY: &str = include_str!("../fixtures/CREATE_PAIRING/success/reply.json");
/// Cards of a message: one, and as many as a set may have by default.
const CARDS: [usize; 3] = [1, 100, 10_000];

fn main() {
    divan::main();
}

fn contract() -> Contract {
    Contract::load(&ContractSource::Embedded).expect("the contract that comes with the program has no findings")
}

fn pairing(contract: &Contract) -> &Operation {
    contract.operation(RequestType::named("CREATE_PAIRING")).expect("the contract has the operation")
}

fn fields(cards: usize) -> Fields {
    let mut fields = Fields::new();
    (0..cards).for_each(|card| fields.push("smartcard_ca_id", format!("{card:011}")));
    fields.push("stb_ca_id", "THMOD001-10002");
    fields
}

#[divan::bench(args = CARDS)]
fn write_request(bencher: Bencher, cards: usize) {
    let (contract, fields) = (contract(), fields(cards));
    bencher.bench(|| encode::request(pairing(&contract), black_box(&fields)));
}

#[divan::bench(args = CARDS)]
fn read_request(bencher: Bencher, cards: usize) {
    let contract = contract();
    let request = encode::request(pairing(&contract), &fields(cards)).expect("the fields are good");
    let request = String::from_utf8(request).expect("messages are UTF-8");
    bencher.bench(|| {
        let root = parse(black_box(&request), Limits::default()).expect("it is XML");
        let opened = envelope::open(&root).expect("it is an envelope");
        decode::request(pairing(&contract), opened.child.expect("the body has a child"))
    });
}

#[divan::bench]
fn read_answer(bencher: Bencher) {
    let contract = contract();
    bencher.bench(|| {
        let root = parse(black_box(ANSWER), Limits::default()).expect("it is XML");
        let opened = envelope::open(&root).expect("it is an envelope");
        decode::answer(pairing(&contract), opened.header, opened.child.expect("the body has a child"))
            .map(|answer| answer.status)
    });
}

#[divan::bench]
fn print_fault() -> Option<axis::AxisFault> {
    axis::soap_fault(&parse(black_box(FAULT), Limits::default()).expect("it is XML"))
}

/// As a replay finds out in what a request differs from a recorded one.
#[divan::bench]
fn compare_messages(bencher: Bencher) {
    let other = REQUEST.replace("</", "x</");
    bencher.bench(|| compare_texts(Some(black_box(REQUEST)), Some(black_box(&other))));
}

#[divan::bench]
fn read_call() -> usize {
    parse_object(black_box(CALL).as_bytes()).expect("it is an object").len()
}

#[divan::bench]
fn write_reply(bencher: Bencher) {
    let reply: serde_json::Value = serde_json::from_str(REPLY).expect("it is JSON");
    bencher.bench(|| black_box(&reply).to_string());
}

/// At each start.
#[divan::bench]
fn load_contract() -> Contract {
    contract()
}
