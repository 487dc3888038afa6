//! TLS: the one crypto provider, the server side of the JSON face, and the client side of the way to Conax.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::config::{FileFault, Upstream};

/// Makes *ring* the crypto provider of the whole process; called again it does nothing.
pub fn install_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// A server configuration from PEM files.
///
/// # Errors
/// A file that cannot be read, or that holds no usable certificate or key, or two that do not belong together.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, FileFault> {
    let (certificate_setting, key_setting) = ("server.tls_certificate", "server.tls_key");
    let chain = chain(certificate_setting, certificate)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private(key_setting, key)?)
        .map_err(|e| fault(certificate_setting, certificate, &e))?;
    Ok(Arc::new(config))
}

/// The client side, for every HTTP client that calls Conax: the authorities that are trusted, and the certificate shown.
///
/// # Errors
/// A file that cannot be read, or that holds no usable certificate or key, or two that do not belong together.
pub fn client_config(config: &Upstream) -> Result<ClientConfig, FileFault> {
    let builder = trusting(config.ca_file.as_deref())?;
    let mut tls = match (&config.client_certificate, &config.client_key) {
        (Some(certificate), Some(key)) => {
            let (certificate_setting, key_setting) = ("upstream.client_certificate", "upstream.client_key");
            let private = private(key_setting, key)?;
            builder
                .with_client_auth_cert(chain(certificate_setting, certificate)?, private)
                .map_err(|e| fault(certificate_setting, certificate, &e))?
        }
        _ => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// Trusts the authorities of a file and no other, or the system's.
fn trusting(ca_file: Option<&Path>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, FileFault> {
    let builder = ClientConfig::builder();
    let setting = "upstream.ca_file";
    let Some(file) = ca_file else {
        let failed = |e: rustls::Error| FileFault { setting, what: format!("the system's authorities: {e}") };
        return builder.with_platform_verifier().map_err(failed);
    };
    let mut roots = RootCertStore::empty();
    for certificate in chain(setting, file)? {
        roots.add(certificate).map_err(|e| fault(setting, file, &e))?;
    }
    Ok(builder.with_root_certificates(roots))
}

/// The certificates of a PEM file: at least one.
fn chain(setting: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.map_err(|e| fault(setting, file, &e))?;
    if chain.is_empty() {
        return Err(fault(setting, file, &"it holds no certificate"));
    }
    Ok(chain)
}

fn private(setting: &'static str, file: &Path) -> Result<PrivateKeyDer<'static>, FileFault> {
    PrivateKeyDer::from_pem_file(file).map_err(|e| fault(setting, file, &e))
}

fn fault(setting: &'static str, file: &Path, what: &dyn std::fmt::Display) -> FileFault {
    FileFault { setting, what: format!("{}: {what}", file.display()) }
}
