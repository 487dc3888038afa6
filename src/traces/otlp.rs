//! Writes spans in the OpenTelemetry protocol, as Protocol Buffers
//! (<https://github.com/open-telemetry/opentelemetry-proto>, `trace/v1/trace.proto`). The numbers of fields are from that
//! file.

use chrono::{DateTime, Utc};

use super::{Span, Value};

/// `Status.code` of a failure.
const ERROR: u64 = 2;

/// An `ExportTraceServiceRequest` with these spans.
pub(super) fn export_request(spans: &[Span]) -> Vec<u8> {
    let mut resource = Message::default();
    for (key, value) in [("service.name", "conax-gateway"), ("service.version", env!("BUILD_VERSION"))] {
        resource.message(1, &attribute(key, &value.into()));
    }
    let mut scope = Message::default();
    scope.bytes(1, b"conax-gateway");
    let mut of_scope = Message::default();
    of_scope.message(1, &scope);
    for span in spans {
        of_scope.message(2, &message_of(span));
    }
    let mut of_resource = Message::default();
    of_resource.message(1, &resource);
    of_resource.message(2, &of_scope);
    let mut request = Message::default();
    request.message(1, &of_resource);
    request.0
}

fn message_of(span: &Span) -> Message {
    let mut message = Message::default();
    message.bytes(1, &bytes_of(&span.trace_id));
    message.bytes(2, &bytes_of(&span.span_id));
    if let Some(state) = &span.tracestate {
        message.bytes(3, state.as_bytes());
    }
    if let Some(parent) = &span.parent_id {
        message.bytes(4, &bytes_of(parent));
    }
    message.bytes(5, span.name.as_bytes());
    message.number(6, u64::from(span.kind as u8));
    message.fixed(7, nanoseconds(span.began));
    message.fixed(8, nanoseconds(span.ended));
    for (key, value) in &span.attributes {
        message.message(9, &attribute(key, value));
    }
    if span.is_failure {
        let mut status = Message::default();
        status.number(3, ERROR);
        message.message(15, &status);
    }
    message
}

/// A `KeyValue`.
fn attribute(key: &str, value: &Value) -> Message {
    let mut any = Message::default();
    match value {
        Value::Text(text) => any.bytes(1, text.as_bytes()),
        Value::Whole(number) => any.number(3, number.cast_unsigned()),
    }
    let mut message = Message::default();
    message.bytes(1, key.as_bytes());
    message.message(2, &any);
    message
}

/// The bytes of an id with an even number of hex digits.
fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len() / 2).filter_map(|at| hex.get(at * 2..at * 2 + 2));
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

/// Nanoseconds since 1970; 0 before that, and after 2262.
fn nanoseconds(at: DateTime<Utc>) -> u64 {
    at.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or_default()
}

/// A message on the wire (<https://protobuf.dev/programming-guides/encoding/>).
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// A number as a varint.
    fn number(&mut self, field: u64, number: u64) {
        self.varint(field << 3);
        self.varint(number);
    }

    /// A number in eight bytes.
    fn fixed(&mut self, field: u64, number: u64) {
        self.varint(field << 3 | 1);
        self.0.extend(number.to_le_bytes());
    }

    /// A text, or bytes.
    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// Seven bits per byte, the lowest first; all bytes but the last have the eighth bit set.
    fn varint(&mut self, mut number: u64) {
        loop {
            let [seven, ..] = (number & 0x7f).to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.0.push(seven);
            }
            self.0.push(seven | 0x80);
        }
    }
}
