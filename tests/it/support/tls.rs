//! Certificates made for one test, and fatal alerts at any moment.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::cipher::OutboundPlainMessage;
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, ServerConnection, SupportedCipherSuite};

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key, as PEM.
pub struct Certificate {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A good certificate for a host name.
    pub fn issue(&self, host: &str) -> Certificate {
        self.sign(CertificateParams::new(vec![host.to_owned()]).unwrap())
    }

    /// A certificate that has expired.
    pub fn issue_expired(&self, host: &str) -> Certificate {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Certificate { chain, key: key.serialize_pem() }
    }

    pub fn write(&self, folder: &Path) -> PathBuf {
        write(folder, "ca.pem", &self.pem)
    }
}

impl Certificate {
    /// Writes chain and key as NAME.pem and NAME.key.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        (write(folder, &format!("{name}.pem"), &self.chain), write(folder, &format!("{name}.key"), &self.key))
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// The record of a fatal alert, which rustls sends only for reasons of its own; the configuration must let its secrets out.
pub fn fatal_alert(connection: ServerConnection, number: u8) -> Vec<u8> {
    let suite = connection.negotiated_cipher_suite().unwrap();
    let (sequence, secrets) = connection.dangerous_extract_secrets().unwrap().tx;
    let (ConnectionTrafficSecrets::Aes128Gcm { key, iv } | ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets
    else {
        panic!("a suite without GCM: {suite:?}")
    };
    let mut encrypter = match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => suite.aead_alg.encrypter(key, &iv.as_ref()[..4], &iv.as_ref()[4..]),
    };
    let (typ, version, alert) = (ContentType::Alert, ProtocolVersion::TLSv1_2, [2, number]);
    let message = OutboundPlainMessage { typ, version, payload: alert.as_slice().into() };
    encrypter.encrypt(message, sequence).unwrap().encode()
}
