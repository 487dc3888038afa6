//! The settings that name the store, Conax, and the receiver of traces, by URL or folder.

use std::path::PathBuf;

use toml::Value;

use super::setting::{Setting, text};

/// The engine and the place of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// The embedded database, in that folder, or else in `store.data_dir`.
    Sqlite(Option<PathBuf>),
    /// A database of PostgreSQL.
    Postgres {
        /// As it was written: it holds no secret.
        text: String,
        /// The meaning of the word.
        config: Box<tokio_postgres::Config>,
    },
}

impl StoreUrl {
    /// Reads what a person wrote.
    ///
    /// # Errors
    /// The expected text, as the end of the sentence "must be …".
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "\"sqlite\", \"sqlite:DIR\", or \"postgres://USER@HOST/DATABASE\"";
        if text == "sqlite" {
            return Ok(Self::Sqlite(None));
        }
        if let Some(folder) = text.strip_prefix("sqlite:").filter(|folder| !folder.is_empty()) {
            return Ok(Self::Sqlite(Some(folder.into())));
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(EXPECTED.to_owned());
        }
        // The error of the parser may quote what it read.
        let config: tokio_postgres::Config = text.parse().map_err(|_| EXPECTED.to_owned())?;
        if config.get_password().is_some() {
            return Err("without a password: that is for store.password_file".to_owned());
        }
        Ok(Self::Postgres { text: text.to_owned(), config: Box::new(config) })
    }
}

impl Setting for StoreUrl {
    fn from_toml(value: &Value) -> Result<Self, String> {
        Self::parse(text(value)?)
    }
}

/// The target of requests, and the folder of recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTarget {
    /// The folder that exchanges are recorded into.
    pub record: Option<PathBuf>,
    /// The source of answers.
    pub source: UpstreamSource,
}

/// The source of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamSource {
    /// The built-in Conax simulator, on a socket of its own.
    Simulator,
    /// A Conax, by the base URLs of its services: the first one that can be reached is used.
    Urls(Vec<String>),
    /// A folder of fixtures.
    Replay(PathBuf),
}

/// The allowed values of `upstream.url`.
const TARGETS: &str = "\"simulator\", \"replay:DIR\", or http:// or https:// URLs without user, query or fragment, \
                       separated by commas; or \"record:DIR=\" and one of these";

impl std::str::FromStr for UpstreamTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A folder's name may have a "=" in it.
        let split = |rest: &str| {
            let starts = ["=simulator", "=replay:", "=http://", "=https://"];
            let at = starts.iter().filter_map(|start| rest.find(start)).min()?;
            Some((rest.get(..at).filter(|dir| !dir.is_empty())?.into(), rest.get(at + 1..)?.to_owned()))
        };
        let (record, source) = match text.strip_prefix("record:") {
            Some(rest) => split(rest).map(|(dir, source)| (Some(dir), source)).ok_or_else(|| TARGETS.to_owned())?,
            None => (None, text.to_owned()),
        };
        Ok(Self { record, source: source.parse()? })
    }
}

impl std::str::FromStr for UpstreamSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("replay:")) {
            ("simulator", _) => Ok(Self::Simulator),
            (_, Some(dir)) if !dir.is_empty() => Ok(Self::Replay(dir.into())),
            _ => {
                let urls: Option<Vec<String>> = text.split(',').map(|url| base_url(url.trim())).collect();
                urls.map(Self::Urls).ok_or_else(|| TARGETS.to_owned())
            }
        }
    }
}

fn base_url(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let is_plain = is_plain && url.port() != Some(0);
    let is_http = matches!(url.scheme(), "http" | "https");
    (is_http && is_plain && url.fragment().is_none()).then(|| text.trim_end_matches('/').to_owned())
}

/// The base URL of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// As it was given, without the slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for BaseUrl {
    fn from_toml(value: &Value) -> Result<Self, String> {
        let expected = "an http:// or https:// URL without user, query or fragment, and without /v1/traces";
        base_url(text(value)?).filter(|url| !url.ends_with("/v1/traces")).map(Self).ok_or_else(|| expected.to_owned())
    }
}

impl Setting for UpstreamTarget {
    fn from_toml(value: &Value) -> Result<Self, String> {
        text(value)?.parse()
    }
}
