//! TLS: the one crypto provider, and the server side of the JSON face. (The upstream side is in `upstream/live`.)

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::FileFault;

/// Makes *ring* the crypto provider of the whole process; called again it does nothing.
pub fn install_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// A server configuration from PEM files.
///
/// # Errors
/// A file that cannot be read, or that holds no usable certificate or key, or two that do not belong together.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, FileFault> {
    let fault = |setting, file: &Path, e: &dyn std::fmt::Display| FileFault {
        setting,
        what: format!("{}: {e}", file.display()),
    };
    let (certificate_setting, key_setting) = ("server.tls_certificate", "server.tls_key");
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).map_err(|e| fault(certificate_setting, certificate, &e))?.collect();
    let chain = chain.map_err(|e| fault(certificate_setting, certificate, &e))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| fault(key_setting, key, &e))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| fault(certificate_setting, certificate, &e))?;
    Ok(Arc::new(config))
}
