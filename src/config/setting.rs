//! The types that a setting can have, and how each one reads a TOML value.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};
use toml::Value;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::secret::Secret;
use crate::words::{Word, parse_word};

/// A setting: the commented default and the table in docs/configuration.md come from it.
#[derive(Clone, Copy, Debug)]
pub struct SettingInfo {
    /// Section, as in `server`.
    pub section: &'static str,
    /// Key, as in `listen`.
    pub key: &'static str,
    /// Default, as TOML.
    pub default: &'static str,
    /// Meaning of the setting, in one sentence.
    pub doc: &'static str,
    /// Nobody may see its value, and a file may have it, which the setting of the same name with `_file` names.
    pub is_secret: bool,
}

impl SettingInfo {
    /// The environment variable that sets it.
    pub fn environment(&self) -> String {
        format!("CONAX_GATEWAY_{}_{}", self.section, self.key).to_uppercase()
    }
}

/// The greatest count or size that a setting can have.
const MOST: usize = 1_000_000_000;

/// A value that a setting can have.
pub trait Setting: Sized {
    /// Nobody may see such a value.
    const IS_SECRET: bool = false;

    /// Reads a TOML value.
    ///
    /// # Errors
    /// The expected value, as the end of the sentence "must be …".
    fn from_toml(value: &Value) -> Result<Self, String>;
}

pub(super) fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "a string".to_owned())
}

impl Setting for String {
    fn from_toml(value: &Value) -> Result<Self, String> {
        text(value).map(str::to_owned)
    }
}

impl Setting for bool {
    fn from_toml(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "true or false".to_owned())
    }
}

impl Setting for u64 {
    fn from_toml(value: &Value) -> Result<Self, String> {
        value.as_integer().and_then(|n| Self::try_from(n).ok()).ok_or_else(|| "a whole number of 0 or more".to_owned())
    }
}

impl Setting for usize {
    fn from_toml(value: &Value) -> Result<Self, String> {
        let number = value.as_integer().and_then(|n| Self::try_from(n).ok()).filter(|n| (1..=MOST).contains(n));
        number.ok_or_else(|| format!("a whole number from 1 to {MOST}"))
    }
}

/// Seconds, whole or not.
impl Setting for Duration {
    fn from_toml(value: &Value) -> Result<Self, String> {
        let seconds = value.as_float().or_else(|| value.as_integer().map(|n| n as f64));
        let in_range = seconds.filter(|s| (0.001..=31_536_000.0).contains(s));
        in_range.map(Self::from_secs_f64).ok_or_else(|| "a number of seconds from 0.001 to 31536000".to_owned())
    }
}

impl Setting for SocketAddr {
    fn from_toml(value: &Value) -> Result<Self, String> {
        text(value)?.parse().map_err(|_| "an address and port such as \"127.0.0.1:8080\"".to_owned())
    }
}

impl Setting for PathBuf {
    fn from_toml(value: &Value) -> Result<Self, String> {
        // TOML reads "C:\new" as a name with a line end in it.
        let text = text(value)?;
        match text {
            "" => Err("a path".to_owned()),
            _ if text.chars().any(char::is_control) => {
                Err("a path without control characters (in TOML, write '\\' twice)".to_owned())
            }
            _ => Ok(text.into()),
        }
    }
}

impl Setting for chrono_tz::Tz {
    fn from_toml(value: &Value) -> Result<Self, String> {
        text(value)?.parse().map_err(|_| "an IANA time zone such as \"Europe/Athens\"".to_owned())
    }
}

/// An empty string stands for "not set".
impl<T: Setting> Setting for Option<T> {
    const IS_SECRET: bool = T::IS_SECRET;

    fn from_toml(value: &Value) -> Result<Self, String> {
        if value.as_str() == Some("") { Ok(None) } else { T::from_toml(value).map(Some) }
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn from_toml(value: &Value) -> Result<Self, String> {
        value.as_array().ok_or_else(|| "an array, as in [\"…\", \"…\"]".to_owned())?.iter().map(T::from_toml).collect()
    }
}

/// A file that a setting names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {message}")]
pub struct FileFault {
    /// The setting at fault.
    pub setting: &'static str,
    /// The fault, as a sentence.
    pub message: String,
}

impl Setting for Secret {
    const IS_SECRET: bool = true;

    fn from_toml(value: &Value) -> Result<Self, String> {
        text(value).map(Self::new)
    }
}

/// Which HTTP status an API error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum HttpStatusMode {
    /// The status of the contract's table.
    Rest,
    /// 200 throughout, for clients that cannot read a body behind an error status.
    #[strum(serialize = "always_200")]
    Always200,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// For a person.
    Text,
    /// A JSON object a line.
    Json,
}

/// The simulator's behaviour for requests whose card is not reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum SimulatorBehavior {
    /// Answers as Conax would.
    Normal,
    /// Answers a fault as Apache CXF words it.
    CxfFault,
    /// Answers a fault as Apache Axis words it.
    AxisFault,
    /// Answers as Conax would, after `simulator.slow_s`.
    Slow,
    /// Closes the connection instead of answering.
    Cut,
    /// Answers text that is not XML.
    Garbage,
    /// Answers HTTP 503.
    Busy,
}

/// A setting that takes one of a few words.
fn word<T: Word>(value: &Value) -> Result<T, String> {
    parse_word(text(value)?, T::VARIANTS.iter().copied(), T::as_str)
}

impl Setting for HttpStatusMode {
    fn from_toml(value: &Value) -> Result<Self, String> {
        word(value)
    }
}

impl Setting for LogFormat {
    fn from_toml(value: &Value) -> Result<Self, String> {
        word(value)
    }
}

impl Setting for SimulatorBehavior {
    fn from_toml(value: &Value) -> Result<Self, String> {
        word(value)
    }
}

/// Which log lines are written.
#[derive(Clone, Debug)]
pub struct LogFilter(pub Targets);

impl Setting for LogFilter {
    fn from_toml(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        // A word alone would be read as the module of that name, and a mistyped level silence all the others.
        let is_level = |word: &str| word.contains('=') || word.trim().parse::<LevelFilter>().is_ok();
        let targets = Some(text).filter(|text| text.split(',').all(is_level)).and_then(|text| text.parse().ok());
        targets.map(Self).ok_or_else(|| {
            "off, error, warn, info, debug or trace, or per module as in \"info,conax_gateway::upstream=debug\""
                .to_owned()
        })
    }
}

/// Where metrics are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// At the address of the JSON face.
    Server,
    /// At an address of its own.
    Own(SocketAddr),
}

impl Setting for MetricsListen {
    fn from_toml(value: &Value) -> Result<Self, String> {
        match text(value)? {
            "off" => Ok(Self::Off),
            "server" => Ok(Self::Server),
            text => text
                .parse()
                .map(Self::Own)
                .map_err(|_| "\"server\", \"off\", or an address and port such as \"127.0.0.1:9464\"".to_owned()),
        }
    }
}

/// Card numbers from one to another, both included: of equal length, compared as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRange {
    from: String,
    to: String,
}

impl CardRange {
    /// Is the card within?
    pub fn contains(&self, card: &str) -> bool {
        card.len() == self.from.len() && (self.from.as_str()..=self.to.as_str()).contains(&card)
    }
}

impl fmt::Display for CardRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

impl Setting for CardRange {
    fn from_toml(value: &Value) -> Result<Self, String> {
        let range = text(value)?.split_once("..").filter(|(from, to)| from.len() == to.len() && from <= to);
        let (from, to) = range.ok_or_else(|| "a range such as \"00000000000..99999999999\"".to_owned())?;
        Ok(Self { from: from.to_owned(), to: to.to_owned() })
    }
}
