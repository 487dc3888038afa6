//! The simulator's socket: `?wsdl` and `?xsd=` on GET, SOAP on POST.

use std::io;
use std::sync::{Arc, PoisonError};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::conax::{Refusal, Status, pairing_status};
use super::reserved::{self, Effect};
use super::{Simulator, fault};
use crate::config::SimulatorBehavior;
use crate::contract::{Operation, SESSION, SoapVersion, validate};
use crate::request::{Classification, Fields, RequestType, random_uuid};
use crate::shutdown::Shutdown;
use crate::soap::decode::Answer;
use crate::soap::{decode, encode, encoded, envelope, texts};
use crate::words::Word as _;
use crate::xml::{self, Element, Limits, Name};

/// Most bytes of a request body.
const BODY_BYTES: usize = 16 * 1024 * 1024;
/// CXF's fault string for a message that belongs to no operation.
const NO_OPERATION: &str = "No binding operation info while invoking a service.";
/// Most violations that an answer names.
const NAMED: usize = 3;

type Reply = Response<Full<Bytes>>;

/// Serves until shutdown, which cuts open connections.
pub(super) async fn serve(simulator: Arc<Simulator>, listener: TcpListener, mut shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        drop(stream.set_nodelay(true));
        let simulator = Arc::clone(&simulator);
        connections.spawn(async move {
            let service = service_fn(|request| respond(&simulator, request));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the simulator ended early");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers a request; an error cuts the connection.
async fn respond(simulator: &Simulator, request: Request<Incoming>) -> Result<Reply, io::Error> {
    match *request.method() {
        Method::GET => Ok(describe(simulator, &request)),
        Method::POST => call(simulator, request).await,
        _ => Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET and POST.")),
    }
}

/// Serves WSDL and XSD with the address that the client used.
fn describe(simulator: &Simulator, request: &Request<Incoming>) -> Reply {
    let host = request.headers().get(HOST).and_then(|h| h.to_str().ok()).unwrap_or("localhost");
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    match simulator.contract.served(path, query, &format!("http://{host}")) {
        Some(document) => xml_reply(StatusCode::OK, SoapVersion::V11, document.into_bytes()),
        None => plain(StatusCode::NOT_FOUND, "No service here; try PATH?wsdl."),
    }
}

async fn call(simulator: &Simulator, request: Request<Incoming>) -> Result<Reply, io::Error> {
    let path = request.uri().path().to_owned();
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = Limited::new(request.into_body(), BODY_BYTES).collect().await;
    let body = body.map_err(|e| io::Error::other(e.to_string()))?.to_bytes();
    let soap = SoapVersion::of_content_type(content_type.as_deref().unwrap_or_default());
    let text = texts::text_of_partial(&body, content_type.as_deref());
    let Ok(root) = xml::parse(&text, Limits::default()) else {
        return Ok(fault_reply(soap, fault::cxf(soap, "Couldn't parse stream.")));
    };
    let root = encoded::without_references(&root).unwrap_or(root);
    let nothing = Element::empty(Name::new("", ""));
    let child = match envelope::open(&root) {
        Ok(envelope::Opened { child: Some(child), .. }) => child,
        // The requests of some operations have an empty body.
        Ok(_) => &nothing,
        Err(_) => {
            return Ok(fault_reply(soap, fault::cxf(soap, NO_OPERATION)));
        }
    };
    let service = path.strip_prefix(simulator.contract.base_path()).unwrap_or_default();
    let Some(operation) = simulator.contract.find_operation(service, &child.name) else {
        if child.name.local.is_empty() {
            return Ok(fault_reply(soap, fault::cxf(soap, NO_OPERATION)));
        }
        let text = format!("Message part {} was not recognized.  (Does it exist in service WSDL?)", child.name);
        return Ok(fault_reply(soap, fault::cxf(soap, &text)));
    };
    let mut child = child.clone();
    if operation.input.is_encoded {
        encoded::name_items(&operation.input.root, &mut child);
    }
    perform(simulator, operation, &child).await
}

async fn perform(simulator: &Simulator, operation: &Operation, child: &Element) -> Result<Reply, io::Error> {
    let fields = decode::request(operation, child).unwrap_or_default();
    let cards = fields.all("smartcard_ca_id").chain(fields.all("existing_smartcard_ca_id"));
    let soap = operation.soap;
    if let Some(reply) = begin_or_end(simulator, operation, &fields) {
        return Ok(reply);
    }
    let effect = reserved::effect(cards).unwrap_or(Effect::Behavior(simulator.config.behavior));
    match effect {
        Effect::Behavior(SimulatorBehavior::Normal) => {}
        Effect::Behavior(SimulatorBehavior::CxfFault) => {
            return Ok(fault_reply(soap, fault::cxf(soap, "Fault in the simulator.")));
        }
        Effect::Behavior(SimulatorBehavior::AxisFault) => {
            return Ok(fault_reply(soap, fault::axis(soap, "java.lang.IllegalStateException: fault in the simulator")));
        }
        Effect::Behavior(SimulatorBehavior::Slow) => tokio::time::sleep(simulator.config.slow_s).await,
        Effect::Behavior(SimulatorBehavior::Cut) => return Err(io::Error::other("cut as configured")),
        Effect::Behavior(SimulatorBehavior::Garbage) => return Ok(plain(StatusCode::OK, "%%% this is not XML %%%")),
        Effect::Behavior(SimulatorBehavior::Busy) => {
            return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "Busy, try again."));
        }
        Effect::Status(status) => {
            let refusal = Refusal { status, message: "Reserved card of the simulator".to_owned() };
            return Ok(reply(operation, Err(refusal)));
        }
    }
    let violations = validate::message(&operation.input, child);
    let result = if violations.is_empty() {
        let mut conax = simulator.conax.lock().unwrap_or_else(PoisonError::into_inner);
        conax.perform(operation.request_type, &fields, simulator.clock.now())
    } else {
        let named: Vec<_> = violations.iter().take(NAMED).map(|v| format!("{} {}", v.path, v.message)).collect();
        Err(Refusal { status: Status::InputValidationError, message: named.join("; ") })
    };
    Ok(reply(operation, result))
}

/// The answer to LOGIN, to LOGOUT, and to a request whose session is not open.
fn begin_or_end(simulator: &Simulator, operation: &Operation, fields: &Fields) -> Option<Reply> {
    let mut sessions = simulator.sessions.lock().unwrap_or_else(PoisonError::into_inner);
    let given = fields.first(SESSION);
    match operation.request_type {
        RequestType::LOGIN => {
            let mut results = Fields::new();
            results.push(SESSION, sessions.begin());
            Some(reply(operation, Ok(results)))
        }
        RequestType::LOGOUT => {
            sessions.end(given.unwrap_or_default());
            Some(reply(operation, Ok(Fields::new())))
        }
        // A session in a header is not checked.
        _ if given.is_none_or(|session| sessions.admit(session)) => None,
        _ => {
            let code = operation.verdicts.fault_code_for(Classification::SessionEnded).unwrap_or("not_logged_in");
            Some(fault_reply(operation.soap, fault::bare(operation.soap, code)))
        }
    }
}

fn reply(operation: &Operation, result: Result<Fields, Refusal>) -> Reply {
    let (status, message, results) = match result {
        Ok(results) => (Status::Ok, None, results),
        // The schema requires a pairing status even in a rejection.
        Err(refusal) => {
            let asks_pairing = operation.request_type.results().iter().any(|field| field.mandatory);
            let results = if asks_pairing { pairing_status(false) } else { Fields::new() };
            (refusal.status, Some(refusal.message), results)
        }
    };
    let class = if status == Status::Ok { Classification::Completed } else { Classification::Rejected };
    let verdicts = &operation.verdicts;
    let text = verdicts.status_for(class, status.as_str());
    if text.is_none() && verdicts.classify_status(None) != Some(class) {
        // The schema of this answer has no place for a rejection.
        let text = message.unwrap_or_else(|| status.as_str().to_owned());
        return fault_reply(operation.soap, fault::cxf(operation.soap, &text));
    }
    if operation.output.is_none() {
        return with_type(StatusCode::ACCEPTED, operation.soap.content_type(), Vec::new());
    }
    let answer = Answer { status: text, reference: Some(random_uuid()), message, results, warnings: Vec::new() };
    match encode::answer(operation, &answer) {
        Ok(body) => xml_reply(StatusCode::OK, operation.soap, body),
        Err(error) => {
            tracing::error!(operation = operation.name, field = error.field, reason = error.message, "no answer");
            let text = "The simulator cannot answer by this contract.";
            fault_reply(operation.soap, fault::cxf(operation.soap, text))
        }
    }
}

/// Faults are SOAP 1.1, whatever the request was.
fn fault_reply(soap: SoapVersion, body: Vec<u8>) -> Reply {
    xml_reply(StatusCode::INTERNAL_SERVER_ERROR, soap, body)
}

fn xml_reply(status: StatusCode, soap: SoapVersion, body: Vec<u8>) -> Reply {
    with_type(status, soap.content_type(), body)
}

fn plain(status: StatusCode, text: &str) -> Reply {
    with_type(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

fn with_type(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
