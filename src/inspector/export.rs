//! Exports a request or an exchange with pseudonyms, to be given away: as cases in a folder, as a tar archive of the
//! folder, or as an HTTP archive.

use std::path::Path;
use std::sync::Arc;

use tokio::task::{JoinError, spawn_blocking};

use super::found::Found;
use crate::api::{Dates, Record};
use crate::config::Config;
use crate::contract::Contract;
use crate::recording::{self, CaseFault, MessageRules, Recorder};
use crate::redaction::{KeyFault, Pseudonymizer};
use crate::request::RequestType;
use crate::store::{Store, StoreError};

/// The parts of the gateway that an export needs.
pub struct Exporter {
    /// The configuration, with the key, and with further personal names.
    pub config: Arc<Config>,
    /// The contract, with the operations and the personal names.
    pub contract: Arc<Contract>,
    /// The store, with the histories, and the catalogue entries that calls name.
    pub store: Arc<dyn Store>,
}

/// Why traffic is not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// The key of the pseudonyms cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The folder or files in it cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Cases(Vec<CaseFault>),
    /// A client's own exchange cannot be exported.
    #[error(transparent)]
    Exchange(#[from] recording::ExportFault),
    /// The contract does not have the operation any more.
    #[error("the SOAP contract has no operation for {0}")]
    NoOperation(RequestType),
    /// No attempt of the request was sent.
    #[error("nothing was sent yet")]
    NothingSent,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file, or the task that writes it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The task.
    #[error("{0}")]
    Task(#[from] JoinError),
}

/// The form of a downloaded export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportForm {
    /// A tar archive of a folder of fixtures.
    Fixtures,
    /// An HTTP archive.
    Har,
}

impl ExportForm {
    /// The suffix of the file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Fixtures => "fixtures.tar",
            Self::Har => "har",
        }
    }

    /// The media type of the file.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Fixtures => "application/x-tar",
            Self::Har => "application/json",
        }
    }
}

impl Exporter {
    /// Adds an exchange, or a request with every sent attempt, to a folder of fixtures; returns the labels of new cases.
    ///
    /// # Errors
    /// An [`ExportFault`].
    pub async fn add_to_folder(&self, found: Found, folder: &Path) -> Result<Vec<String>, ExportFault> {
        let (config, contract, folder) = (Arc::clone(&self.config), Arc::clone(&self.contract), folder.to_owned());
        let open = move || {
            let pseudonymizer = Pseudonymizer::open(&config, &contract)?;
            let rules = Arc::new(MessageRules::from_contract(&contract, &config.fixtures.volatile));
            let recorder = Recorder::open(&folder, rules, Arc::clone(&pseudonymizer)).map_err(ExportFault::Cases)?;
            Ok::<_, ExportFault>((recorder, pseudonymizer))
        };
        let contract = Arc::clone(&self.contract);
        match found {
            Found::Exchange(exchange) => {
                spawn_blocking(move || {
                    let (recorder, pseudonymizer) = open()?;
                    let names = pseudonymizer.names();
                    let label = recording::export_exchange(&recorder, names, contract.base_path(), &exchange)?;
                    Ok(label.into_iter().collect())
                })
                .await?
            }
            Found::Request(request) => {
                let reply = Record::new(&request, Dates(self.config.server.time_zone)).to_reply();
                let attempts = self.store.list_attempts(request.number).await?;
                let call = request.content.call_with_secret().unwrap_or_default();
                let entries = recording::find_entries(self.store.as_ref(), &call).await?;
                spawn_blocking(move || {
                    let request_type = request.content.request_type;
                    let operation = contract.operation(request_type).ok_or(ExportFault::NoOperation(request_type))?;
                    let (recorder, _) = open()?;
                    let labels = recording::export_request(&recorder, operation, &request, &attempts, &reply, &entries);
                    labels.map_err(|fault| ExportFault::Cases(vec![fault]))
                })
                .await?
            }
        }
    }

    /// Exports a request or an exchange as a single file.
    ///
    /// # Errors
    /// An [`ExportFault`].
    pub async fn export(&self, found: Found, form: ExportForm) -> Result<Vec<u8>, ExportFault> {
        let folder = tempfile::tempdir()?;
        if self.add_to_folder(found, folder.path()).await?.is_empty() {
            return Err(ExportFault::NothingSent);
        }
        let contract = Arc::clone(&self.contract);
        spawn_blocking(move || match form {
            ExportForm::Fixtures => {
                let mut archive = tar::Builder::new(Vec::new());
                archive.append_dir_all("fixtures", folder.path())?;
                Ok(archive.into_inner()?)
            }
            ExportForm::Har => {
                let cases = recording::read_folder(folder.path()).map_err(ExportFault::Cases)?;
                Ok(recording::write_har(&cases, contract.base_path()).to_string().into_bytes())
            }
        })
        .await?
    }
}
