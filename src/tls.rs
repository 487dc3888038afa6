//! TLS: the one crypto provider, the server side of the JSON face, and the client side of the way to Conax.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::config::{Config, FileFault, Upstream, UpstreamSource};

/// Makes *ring* the crypto provider of the whole process; called again it does nothing.
pub fn install_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// A server configuration from PEM files.
///
/// # Errors
/// Every file that cannot be read, or that holds no usable certificate or key, or two that do not belong together.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Vec<FileFault>> {
    let (chain, key) = pair(("server.tls_certificate", certificate), ("server.tls_key", key))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    Ok(Arc::new(config.map_err(|e| vec![unfit("server.tls_certificate", certificate, &e)])?))
}

/// The client side, for every HTTP client that calls Conax: the authorities that are trusted, and the certificate shown.
///
/// # Errors
/// As [`server_config`].
pub fn client_config(config: &Upstream) -> Result<ClientConfig, Vec<FileFault>> {
    let has_tls = match &config.url.source {
        UpstreamSource::Urls(urls) => urls.iter().any(|url| url.starts_with("https:")),
        UpstreamSource::Simulator | UpstreamSource::Replay(_) => false,
    };
    let builder = trusting("upstream.ca_file", config.ca_file.as_deref(), has_tls);
    let shown = match (&config.client_certificate, &config.client_key) {
        (Some(certificate), Some(key)) => {
            let read = pair(("upstream.client_certificate", certificate), ("upstream.client_key", key));
            read.map(|(chain, key)| Some((certificate, chain, key)))
        }
        _ => Ok(None),
    };
    let (builder, shown) = both(builder.map_err(|fault| vec![fault]), shown)?;
    let mut tls = match shown {
        Some((certificate, chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|e| vec![unfit("upstream.client_certificate", certificate, &e)])?,
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// A client's TLS that trusts the system's authorities, for calls to a base URL; `setting` is named if that cannot be.
///
/// # Errors
/// The system's authorities cannot be found.
pub fn public_client_config(setting: &'static str, url: &str) -> Result<ClientConfig, FileFault> {
    let builder = trusting(setting, None, url.starts_with("https:"))?;
    Ok(builder.with_no_client_auth())
}

/// The client side of the way to the store, which may be one without TLS.
///
/// # Errors
/// The file of authorities cannot be read, or holds none.
pub fn store_client_config(ca_file: Option<&Path>, has_tls: bool) -> Result<ClientConfig, FileFault> {
    install_provider();
    Ok(trusting("store.ca_file", ca_file, has_tls)?.with_no_client_auth())
}

/// Trusts the authorities of a file and no other, or the system's; where there is no TLS, a system without any will do.
fn trusting(
    setting: &'static str,
    ca_file: Option<&Path>,
    has_tls: bool,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, FileFault> {
    let builder = ClientConfig::builder();
    let Some(file) = ca_file else {
        let failed = |e: rustls::Error| FileFault {
            setting,
            message: format!("the system's authorities: {e}: install ca-certificates, or name a file"),
        };
        return match has_tls {
            true => builder.with_platform_verifier().map_err(failed),
            false => Ok(builder.with_root_certificates(RootCertStore::empty())),
        };
    };
    let mut roots = RootCertStore::empty();
    for certificate in chain(setting, file)? {
        roots.add(certificate).map_err(|e| fault(setting, file, &e))?;
    }
    Ok(builder.with_root_certificates(roots))
}

/// Both results, or the faults of both.
fn both<A, B, F>(a: Result<A, Vec<F>>, b: Result<B, Vec<F>>) -> Result<(A, B), Vec<F>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => Err(a.err().into_iter().chain(b.err()).flatten().collect()),
    }
}

/// A certificate chain and its key; of each the setting and the file.
fn pair(
    certificate: (&'static str, &Path),
    key: (&'static str, &Path),
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Vec<FileFault>> {
    both(chain(certificate.0, certificate.1).map_err(|f| vec![f]), private(key.0, key.1).map_err(|f| vec![f]))
}

/// The certificates of a PEM file: at least one.
fn chain(setting: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let bytes = std::fs::read(file).map_err(|e| fault(setting, file, &e))?;
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    read.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| unreadable(setting, file, &bytes, "certificate"))
}

fn private(setting: &'static str, file: &Path) -> Result<PrivateKeyDer<'static>, FileFault> {
    let bytes = std::fs::read(file).map_err(|e| fault(setting, file, &e))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| unreadable(setting, file, &bytes, "private key"))
}

/// The fault of a file without a readable certificate or key, with the remedy.
fn unreadable(setting: &'static str, file: &Path, bytes: &[u8], wanted: &str) -> FileFault {
    let shown = file.display();
    let text = String::from_utf8_lossy(bytes);
    let has = |label: &str| text.contains(label);
    let message = match bytes {
        [0xFE, 0xED, 0xFE, 0xED, ..] | [0xCE, 0xCE, 0xCE, 0xCE, ..] => format!(
            "it is a Java key store: make PKCS#12 of it with 'keytool -importkeystore -srckeystore {shown} -destkeystore \
             {shown}.p12 -deststoretype pkcs12', and PEM of that with openssl pkcs12"
        ),
        [0x30, ..] if is_pkcs12(bytes) => {
            format!("it is PKCS#12, not PEM: convert it with 'openssl pkcs12 -in {shown} -out {shown}.pem -nodes'")
        }
        [0x30, ..] => {
            let command = if wanted == "certificate" { "x509" } else { "pkey" };
            format!("it is DER, not PEM: convert it with 'openssl {command} -inform der -in {shown} -out {shown}.pem'")
        }
        _ if has("ENCRYPTED") => {
            format!(
                "its key is encrypted: decrypt it with 'openssl pkey -in {shown} -out {shown}.pem', and protect that file"
            )
        }
        _ if wanted == "private key" && has("BEGIN CERTIFICATE") => {
            "it holds a certificate and no private key".to_owned()
        }
        _ if wanted == "certificate" && has("PRIVATE KEY") => "it holds a private key and no certificate".to_owned(),
        _ => format!("it holds no {wanted} in PEM (-----BEGIN …-----) that can be read"),
    };
    fault(setting, file, &message)
}

/// A PFX begins with a sequence, and in it the version 3 (RFC 7292, 4).
fn is_pkcs12(bytes: &[u8]) -> bool {
    let length = bytes.get(1).copied().unwrap_or_default();
    let more = if length >= 0x80 { usize::from(length & 0x7F) } else { 0 };
    bytes.get(2 + more..).is_some_and(|content| content.starts_with(&[2, 1, 3]))
}

/// A certificate and key that cannot be used together.
fn unfit(setting: &'static str, file: &Path, error: &rustls::Error) -> FileFault {
    let key = setting.replace("certificate", "key");
    match error {
        rustls::Error::InconsistentKeys(_) => {
            fault(setting, file, &format!("{key} is not the key of its first certificate"))
        }
        // rustls has no variant for a key that its provider does not take.
        rustls::Error::General(message) if message.contains("private key") => {
            let message = format!(
                "{key} cannot be used: make one of RSA with 2048 to 8192 bits, ECDSA P-256 or P-384, or Ed25519"
            );
            fault(setting, file, &message)
        }
        error => fault(setting, file, error),
    }
}

/// A certificate that is shown to others, and when it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateExpiry {
    /// The setting that names its file.
    pub setting: String,
    /// When the first of its chain expires.
    pub at: DateTime<Utc>,
}

/// When the certificates expire that the gateway shows, to its clients and to Conax.
///
/// # Errors
/// A file that cannot be read, with the provider whose it is.
pub fn expiries(config: &Config) -> Result<Vec<CertificateExpiry>, String> {
    let configs = config.of_providers();
    let mut shown = vec![(config, "server.tls_certificate", &config.server.tls_certificate)];
    for config in &configs {
        shown.push((config, "upstream.client_certificate", &config.upstream.client_certificate));
    }
    let mut found = Vec::new();
    for (config, setting, file) in shown {
        let Some(file) = file else { continue };
        let at = first_expiry(setting, file).map_err(|fault| config.name_fault(&fault.to_string()))?;
        found.extend(at.map(|at| CertificateExpiry { setting: config.setting_name(setting), at }));
    }
    Ok(found)
}

/// When the first certificate of a chain expires.
fn first_expiry(setting: &'static str, file: &Path) -> Result<Option<DateTime<Utc>>, FileFault> {
    let ends = chain(setting, file)?.iter().map(expiry).collect::<Option<Vec<_>>>();
    let ends = ends.ok_or_else(|| fault(setting, file, &"it has a certificate that cannot be parsed"))?;
    Ok(ends.into_iter().min())
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<DateTime<Utc>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
}

fn fault(setting: &'static str, file: &Path, message: &dyn std::fmt::Display) -> FileFault {
    FileFault { setting, message: format!("{}: {message}", file.display()) }
}
