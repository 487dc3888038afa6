//! `health`: asks a running gateway whether it is alive, for images that have no other program for that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Failed;
use super::output::ResultFlag;
use super::settings::{ConfigFlags, configuration};
use crate::config::{Config, MetricsListen};

/// Time in which the gateway has to answer.
const TIME: Duration = Duration::from_secs(2);

/// Flags of `health`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    result: ResultFlag,
    #[command(flatten)]
    config: ConfigFlags,
}

pub(super) async fn run(args: Args) -> Result<(), Failed> {
    let address = address(&configuration(args.config, Vec::new())?)?;
    let failed = |message: &dyn std::fmt::Display| Failed(format!("{address}: {message}"));
    match tokio::time::timeout(TIME, ask(address)).await {
        Ok(Ok(head)) if head.starts_with(b"HTTP/1.1 200") => {
            args.result.print_or_note(None, &json!({"is_alive": true, "address": address.to_string()}));
            Ok(())
        }
        Ok(Ok(_)) => Err(failed(&"the answer is not 200")),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(failed(&"no answer in time")),
    }
}

/// An address at which the gateway answers to plain HTTP.
fn address(config: &Config) -> Result<SocketAddr, Failed> {
    let mut address = match config.metrics.listen {
        MetricsListen::Own(address) => address,
        _ if config.server.tls_certificate.is_none() => config.server.listen,
        _ => {
            let message =
                "server.listen speaks TLS: give metrics.listen an address of its own, where health is answered, too";
            return Err(Failed(message.to_owned()));
        }
    };
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(address)
}

async fn ask(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).await?;
    Ok(head)
}
