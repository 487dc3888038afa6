//! Unix signals: the process goes on, or finishes the work under way; no signal leaves a request in doubt.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::support::{BIN, Conax, Gateway, Reaction, eventually, ok_answer};

/// Signals without a meaning here. A terminal that is closed sends the first.
const IGNORED: [&str; 6] = ["HUP", "USR1", "USR2", "ALRM", "IO", "PIPE"];

#[tokio::test]
async fn a_signal_without_meaning_costs_no_request() {
    let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
    let (mut gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
    let call = tokio::spawn(async move { client.pair_now("a").await });
    eventually(async || (conax.received().len() == 1).then_some(())).await;
    for signal in IGNORED {
        gateway.signal(signal).await;
    }
    conax.release();
    assert_eq!(call.await.unwrap()["life_cycle_state"], "COMPLETED");
    assert_eq!(gateway.terminate().await, Some(0));
}

#[tokio::test]
async fn whatever_asks_for_the_end_lets_a_request_finish() {
    for signal in ["TERM", "INT", "QUIT"] {
        let conax = Conax::start(|_, _| Reaction::Hold(ok_answer("1"))).await;
        let (mut gateway, client) = Gateway::start_signed_in(&[("upstream.url", &conax.url)]).await;
        let call = tokio::spawn(async move { client.pair_now("a").await });
        eventually(async || (conax.received().len() == 1).then_some(())).await;
        gateway.signal(signal).await;
        gateway.logged("stopping").await;
        conax.release();
        assert_eq!(gateway.ended().await, Some(0), "{signal}");
        assert_eq!(call.await.unwrap()["life_cycle_state"], "COMPLETED", "{signal}");
    }
}

#[test]
fn the_simulator_alone_does_the_same() {
    let mut simulator = Command::new(BIN)
        .args(["simulator", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(simulator.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    let pid = simulator.id().to_string();
    for signal in IGNORED.into_iter().chain(["QUIT"]) {
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }
    assert_eq!(simulator.wait().unwrap().code(), Some(0));
}
