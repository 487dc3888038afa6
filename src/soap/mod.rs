//! SOAP messages: written by the plan of the contract, and read from received bytes.
//!
//! Nothing here knows an operation: the loaded contract has the plans of requests and answers.
//!
//! ```
//! use conax_gateway::contract::{Contract, ContractSource};
//! use conax_gateway::request::{Fields, RequestType};
//! use conax_gateway::soap::{decode, encode, envelope};
//! use conax_gateway::xml::{Limits, parse};
//!
//! // The contract that comes with the program; `ContractSource::Folder` loads an operator's own.
//! let contract = Contract::load(&ContractSource::Embedded).expect("the contract has no findings");
//! let operation = contract.operation(RequestType::named("CREATE_PAIRING")).expect("the contract has the operation");
//!
//! let mut fields = Fields::new();
//! fields.push("smartcard_ca_id", "01450253313");
//! fields.push("stb_ca_id", "THMOD001-10002");
//! let request = String::from_utf8(encode::request(operation, &fields)?)?;
//! assert!(request.contains("<ns1:CaClientId>01450253313</ns1:CaClientId>"));
//!
//! // Conax's side of it: the request reads back as it was given.
//! let document = parse(&request, Limits::default())?;
//! let body = envelope::open(&document)?.child.expect("the body holds the request");
//! assert_eq!(decode::request(operation, body)?, fields);
//!
//! let answer = r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
//!     <CreatePairingResponse xmlns="http://www.conax.com/cas/xsd/pairing/v1"
//!                            xmlns:c="http://www.conax.com/cas/xsd/common-types/v1">
//!         <TransactionStatus>
//!             <c:StatusCode>OK</c:StatusCode><c:TransactionId>38a4254b</c:TransactionId>
//!         </TransactionStatus>
//!     </CreatePairingResponse>
//! </soap:Body></soap:Envelope>"#;
//! let document = parse(answer, Limits::default())?;
//! let body = envelope::open(&document)?.child.expect("the body holds the answer");
//! let answer = decode::answer(operation, None, body)?;
//! assert_eq!((answer.status.as_deref(), answer.reference.as_deref()), (Some("OK"), Some("38a4254b")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod charset;
pub mod decode;
pub mod encode;
pub mod encoded;
pub mod envelope;
pub mod fault;
mod media_type;
mod multipart;
pub mod result;
pub mod texts;
