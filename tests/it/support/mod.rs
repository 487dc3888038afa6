//! The ground of the tests: a gateway (the real binary), a client for its JSON face, and a Conax that answers by a script.

mod client;
mod conax;
mod gateway;
mod postgres;
mod relay;
mod tls;
mod wire;

pub use client::{Client, WEB};
pub use conax::{Conax, Reaction, Received, answer_to, ok_answer, operation_of, values_of, xml_answer};
pub use gateway::{BIN, Gateway, PASSWORD, USER, command_with, eventually, run, run_in, run_with_input};
pub use postgres::{Cluster, Pooler};
pub use relay::Relay;
pub use tls::{Authority, Certificate};
pub use wire::{Upstream, Wire};

/// The contract of the program, with more lines in the bindings of some request types.
pub fn contract_with(lines: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let wsdl = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("wsdl");
    for entry in std::fs::read_dir(wsdl).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    for (request_type, lines) in lines {
        let section = format!("[request.{request_type}]\n");
        edit_bindings(folder.path(), &section, &format!("{section}{lines}"));
    }
    folder
}

/// Replaces a text in the bindings of a contract.
pub fn edit_bindings(contract: &std::path::Path, old: &str, new: &str) {
    let bindings = contract.join("bindings.toml");
    let text = std::fs::read_to_string(&bindings).unwrap();
    std::fs::write(bindings, text.replace(old, new)).unwrap();
}
