//! `backup` and `restore`: a copy made beside a running gateway has what was committed, and is put back only where no
//! gateway runs.

use super::support::{Client, Gateway, PASSWORD, run, run_with_input};

fn errors(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_backup_is_made_beside_a_gateway_and_put_back_without_one() {
    let (mut gateway, client) = Gateway::start_signed_in(&[("store.url", "sqlite")]).await;
    client.pair_now("01450253313").await;
    let (data, copy) = (gateway.data_dir(), gateway.folder.path().join("copy").display().to_string());
    let made = run(&["backup", &copy, "--data-dir", &data]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(errors(&["backup", &copy, "--data-dir", &data]).contains("exists already"));
    client.pair_now("01450253314").await;

    assert!(errors(&["restore", &copy, "--data-dir", &data]).contains("another conax-gateway is running here"));
    gateway.terminate().await;
    let file = gateway.folder.path().join("nonsense");
    std::fs::write(&file, "nonsense").unwrap();
    errors(&["restore", file.to_str().unwrap(), "--data-dir", &data]);
    let restored = run(&["restore", &copy, "--data-dir", &data]);
    let said = String::from_utf8(restored.stderr).unwrap();
    assert!(restored.status.success() && said.contains(".before-"), "{said}");
    gateway.start_again(&[]).await;
    let client = Client::sign_in(&gateway.url).await;
    let record = client.show(&"1".into()).await;
    assert_eq!(record["life_cycle_state"], "COMPLETED");
    let list = "conax_web_services/provisioning_requests/list?life_cycle_state=COMPLETED";
    assert_eq!(client.get(list).await.data().as_array().unwrap().len(), 1, "the second came after the backup");

    // Elsewhere there is nothing to be kept.
    let other = gateway.folder.path().join("other").display().to_string();
    let restored = run(&["restore", &copy, "--data-dir", &other]);
    assert!(restored.status.success() && !String::from_utf8_lossy(&restored.stderr).contains(".before-"));
    let listed = run(&["requests", "list", "--data-dir", &other]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("COMPLETED"));
}

#[tokio::test]
async fn a_user_gets_another_password() {
    let (gateway, client) = Gateway::start_signed_in(&[("store.url", "sqlite")]).await;
    let data = gateway.data_dir();
    let passwd = |password: &str, user: &str| run_with_input(&["user", "passwd", user, "--data-dir", &data], password);
    let short = passwd("short\n", "tester");
    assert!(String::from_utf8_lossy(&short.stderr).contains("8 to 256 characters"));
    assert!(!passwd("long enough\n", "nobody").status.success());
    assert!(passwd("another password\n", "tester").status.success());
    let sign_in = |password: &str| {
        let body = serde_json::json!({"username": "tester", "password": password, "organisation": "demo"});
        client.post_raw("authentication/token", body.to_string())
    };
    assert_eq!(sign_in(PASSWORD).await.code(), "INVALID_CREDENTIALS");
    sign_in("another password").await.data();
    // A token of the old password is believed for two seconds at most.
    super::support::eventually(async || {
        (client.get("conax_sms_sas/provisioning_requests/list?type=CREATE_PAIRING").await.status == 401).then_some(())
    })
    .await;
    let listed = run(&["user", "list", "--data-dir", &data]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("UNIT ID"));
}
