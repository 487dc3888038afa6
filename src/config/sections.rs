//! Every setting there is: its key, type, default and meaning stand here and nowhere else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::provider::{MAIN, ProviderSections};
use super::read::Layers;
use super::secrets::Secrets;
use super::setting::{
    CardRange, HttpStatusMode, LogFilter, LogFormat, MetricsListen, Setting, SettingInfo, SimulatorBehavior,
};
use super::target::{BaseUrl, StoreUrl, UpstreamTarget};
use crate::secret::Secret;

/// Declares the sections: for each one a struct, and for all of them the list of settings and the reading.
macro_rules! sections {
    ($($(#[$sdoc:meta])* $section:ident: $name:ident {
        $(#[doc = $doc:literal] $key:ident: $type:ty = $default:literal,)*
    })*) => {
        $(
            $(#[$sdoc])*
            #[derive(Clone, Debug)]
            pub struct $name {
                $(#[doc = $doc] pub $key: $type,)*
            }

            impl $name {
                /// Reads the section from the layers, where faults are collected.
                pub(super) fn from_layers(layers: &mut Layers, section: &str) -> Self {
                    Self { $($key: layers.setting::<$type>(section, stringify!($key), $default),)* }
                }
            }
        )*

        /// The whole configuration.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[$sdoc])* pub $section: $name,)*
            /// Secret values that the contract's requests contain.
            pub secrets: Secrets,
            /// The provider that sees it: see [`Config::of_providers`].
            pub provider: String,
            /// The sections of the further providers, by name.
            pub providers: BTreeMap<String, ProviderSections>,
            /// The file that it was read from.
            pub file: Option<PathBuf>,
        }

        impl Config {
            pub(super) fn settings() -> Vec<SettingInfo> {
                vec![$($(SettingInfo {
                    section: stringify!($section),
                    key: stringify!($key),
                    default: $default,
                    doc: $doc.trim_ascii(),
                    is_secret: <$type as Setting>::IS_SECRET,
                },)*)*]
            }

            /// Reads every setting from the layers, where faults are collected.
            pub(super) fn from_layers(layers: &mut Layers) -> Self {
                Self {
                    $($section: $name::from_layers(layers, stringify!($section)),)*
                    secrets: layers.secrets.remove(MAIN).unwrap_or_default(),
                    provider: MAIN.to_owned(),
                    providers: layers.read_sections_of_providers(),
                    file: None,
                }
            }
        }
    };
}

sections! {
    /// The JSON face: where it listens and how it answers.
    server: Server {
        /// Address and port of the JSON face; port 0 picks a free one.
        listen: SocketAddr = "\"127.0.0.1:8080\"",
        /// HTTP status of API errors: "rest" (by kind) or "always_200".
        http_status: HttpStatusMode = "\"rest\"",
        /// IANA time zone of all dates without an offset.
        time_zone: chrono_tz::Tz = "\"UTC\"",
        /// Certificate chain (PEM file) to serve TLS with; empty serves plain HTTP.
        tls_certificate: Option<PathBuf> = "\"\"",
        /// Private key (PEM file) of the certificate.
        tls_key: Option<PathBuf> = "\"\"",
        /// Connections open at the same time; when there are as many, those for which nothing is done give way to new ones.
        max_connections: usize = "1024",
        /// Connections from one address (of IPv6, one /64 network); 0 is seven eighths of max_connections.
        max_connections_per_address: u64 = "0",
        /// Bytes of a request body.
        max_body_bytes: usize = "1048576",
        /// Cards or boxes in one set of a request.
        max_set_items: usize = "10000",
        /// Seconds to the first byte of a connection.
        first_byte_timeout_s: Duration = "5",
        /// Seconds that a client has for its request headers, and that a connection may be idle.
        header_timeout_s: Duration = "30",
        /// Seconds that a client has for its request body.
        body_timeout_s: Duration = "30",
        /// Seconds that a client may take nothing of its answer.
        write_timeout_s: Duration = "30",
        /// Requests per second that one user may make; 0 sets no limit.
        user_requests_per_s: u64 = "0",
        /// Seconds that requests under way get to finish after SIGTERM.
        shutdown_grace_s: Duration = "20",
    }
    /// Signing in.
    auth: Auth {
        /// Seconds that a token is valid, from its issue.
        token_ttl_s: Duration = "7200",
    }
    /// Where records are kept.
    store: StoreSection {
        /// Folder of the embedded database, and of what else is kept.
        data_dir: PathBuf = "\"data\"",
        /// "sqlite", the embedded database in data_dir; "sqlite:DIR", in another folder; or "postgres://USER@HOST/DATABASE", which several gateways share.
        url: StoreUrl = "\"sqlite\"",
        /// Password of the user of PostgreSQL.
        password: Option<Secret> = "\"\"",
        /// File with that password in its first line, in place of store.password.
        password_file: Option<PathBuf> = "\"\"",
        /// Certificates (PEM file) of the authorities trusted for PostgreSQL; empty trusts the system's.
        ca_file: Option<PathBuf> = "\"\"",
        /// Writes that may wait for the disk; more are answered UNAVAILABLE.
        queue: usize = "4096",
        /// Connections for reading.
        readers: usize = "3",
        /// Connections to PostgreSQL for writing.
        writers: usize = "6",
        /// A pooler such as PgBouncer in transaction mode stands in front of PostgreSQL: nothing is kept in a session, and what other gateways do is found out by looking, every processor.poll_s.
        transaction_pooling: bool = "false",
        /// Seconds without a sign of life after which another gateway takes over what this one left under way.
        lease_s: Duration = "30",
        /// Seconds that one read may take.
        read_timeout_s: Duration = "10",
        /// Days that an ended request is kept, and an exchange at most; 0 keeps it for ever.
        retention_days: u64 = "0",
        /// Days that an exchange is kept; 0 sets no limit.
        exchange_retention_days: u64 = "30",
        /// Bytes that all exchanges may take, as they are kept; the oldest go first.
        exchange_bytes: u64 = "1073741824",
    }
    /// Services, cards and boxes known by name.
    catalogue: CatalogueSection {
        /// Refuse cards, services and subscriptions that the catalogue does not have.
        strict: bool = "false",
    }
    /// The SOAP contract.
    contract: ContractSection {
        /// Folder with WSDL, XSD and bindings.toml; empty uses the built-in copies.
        dir: Option<PathBuf> = "\"\"",
    }
    /// The Conax that requests are sent to.
    upstream: Upstream {
        /// "simulator"; the base URL of the Conax services (of several, by comma, the first that is reached is used); "replay:DIR"; or "record:DIR=" and one of these.
        url: UpstreamTarget = "\"simulator\"",
        /// When false nothing is sent and requests stay PENDING (CRM.COM's "Not Effective").
        effective: bool = "true",
        /// User name for HTTP Basic; empty sends none.
        username: Option<String> = "\"\"",
        /// Password for HTTP Basic.
        password: Option<Secret> = "\"\"",
        /// File with that password in its first line, in place of upstream.password.
        password_file: Option<PathBuf> = "\"\"",
        /// Certificates (PEM file) of the authorities trusted for upstream; empty trusts the system's.
        ca_file: Option<PathBuf> = "\"\"",
        /// Client certificate chain (PEM file).
        client_certificate: Option<PathBuf> = "\"\"",
        /// Private key (PEM file) of the client certificate.
        client_key: Option<PathBuf> = "\"\"",
        /// Requests under way at the same time.
        max_concurrency: usize = "32",
        /// Seconds to connect, TLS included.
        connect_timeout_s: Duration = "10",
        /// Seconds from sending a request to the last byte of its answer.
        answer_timeout_s: Duration = "60",
        /// Seconds that an idle connection is kept; stay below the server's own time-out.
        idle_timeout_s: Duration = "4",
        /// Bytes of an answer, after decompression.
        max_response_bytes: usize = "8388608",
        /// Calls in a row without any answer after which a base URL is left alone for a while.
        breaker_failures: u64 = "10",
        /// Most seconds that it is left alone before one call tries again.
        breaker_pause_s: Duration = "30",
    }
    /// SOAP requests of clients that go to upstream as they are.
    pass_through: PassThrough {
        /// Carry clients' own SOAP requests to upstream; when false there is nothing below the contract's base path.
        enabled: bool = "true",
        /// Bytes of the body of such a request.
        max_body_bytes: usize = "67108864",
        /// Bytes of each of its bodies that are kept, unpacked.
        capture_bytes: usize = "16777216",
    }
    /// How requests are worked through.
    processor: Processor {
        /// Attempts, also those that a breaker did not let through, before what could not be delivered is REJECTED.
        max_attempts: u64 = "8",
        /// Seconds before the second try; doubles each time.
        backoff_initial_s: Duration = "1",
        /// Most seconds between two tries.
        backoff_max_s: Duration = "300",
        /// Seconds that a request whose outcome is unknown is looked into, and holds up its cards; then an operator decides.
        in_doubt_timeout_s: Duration = "900",
        /// Seconds that an immediate request waits for earlier ones of its card before it is answered as PENDING.
        immediate_wait_s: Duration = "30",
        /// Immediate requests that may wait for a slot; more are answered UNAVAILABLE, and nothing is accepted for them.
        immediate_queue: usize = "256",
        /// Seconds that an immediate request waits for a slot; a request that would probably wait for more than half of that is answered UNAVAILABLE at once.
        immediate_queue_s: Duration = "5",
        /// Seconds after which the run looks for due requests even if nothing woke it.
        poll_s: Duration = "5",
    }
    /// The pages that show the traffic, at /inspector/.
    inspector: Inspector {
        /// Serve the inspector; when false there is nothing at /inspector/.
        enabled: bool = "true",
    }
    /// Recorded traffic.
    fixtures: FixturesSection {
        /// Key of the pseudonyms (64 hexadecimal digits), made if there is none; empty is conax-gateway/redaction.key in the user's configuration folder.
        key_file: Option<PathBuf> = "\"\"",
        /// Elements and attributes that are personal, by local name, beside those that the bindings fill with cards, boxes, PINs and messages.
        redact: Vec<String> = "[\"Username\", \"Password\", \"Nonce\", \"BinarySecurityToken\", \"Name\", \"FirstName\", \"LastName\", \"Email\", \"Phone\", \"Address\"]",
        /// Elements that differ each time, by local name or {namespace}local, beside sequence and reference numbers.
        volatile: Vec<String> = "[\"{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security\", \"{http://www.w3.org/2005/08/addressing}MessageID\", \"{http://www.w3.org/2005/08/addressing}RelatesTo\"]",
    }
    /// The built-in Conax simulator.
    simulator: SimulatorSection {
        /// Address and port; port 0 picks a free one.
        listen: SocketAddr = "\"127.0.0.1:0\"",
        /// Card numbers that exist; every other one is CLIENT_NOT_FOUND.
        cards: Vec<CardRange> = "[\"00000000000..98999999999\", \"000000000000..989999999999\", \"smrt00000000..smrt99999999\", \"smcb0000000..smcb9999999\", \"sc000000000..sc999999999\", \"stb00-0000-0000..stb99-9999-9999\"]",
        /// Requests that a session is good for, where the contract has logins; 0 sets no limit.
        session_requests: u64 = "0",
        /// The simulator's answer to every request: normal, cxf_fault, axis_fault, slow, cut, garbage or busy.
        behavior: SimulatorBehavior = "\"normal\"",
        /// Seconds that "slow" waits before it answers.
        slow_s: Duration = "5",
    }
    /// Metrics, for Prometheus.
    metrics: MetricsSection {
        /// Where /metrics is: "server" (at server.listen), "off", or an address and port of its own, where /livez and /readyz answer as well.
        listen: MetricsListen = "\"server\"",
    }
    /// Spans of calls, for OpenTelemetry.
    otlp: Otlp {
        /// Base URL of the receiver (OTLP over HTTP), as in http://127.0.0.1:4318; empty makes no spans.
        url: Option<BaseUrl> = "\"\"",
        /// Value of the Authorization header to the receiver.
        authorization: Option<Secret> = "\"\"",
        /// File with that header in its first line, in place of otlp.authorization.
        authorization_file: Option<PathBuf> = "\"\"",
    }
    /// Logging, to standard error.
    log: Log {
        /// "text" or "json".
        format: LogFormat = "\"text\"",
        /// Filter: error, warn, info, debug, trace, or per module as in "info,conax_gateway::upstream=debug".
        filter: LogFilter = "\"info\"",
    }
}
