//! The binary, as it is started and ended.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::api::Api;
use crate::replica::eventually;
use crate::tls::{Server, go};

fn companion(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datakit-companion"));
    command.args(arguments).env_clear().stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Ends a process as the kubelet does; gives its code.
async fn terminate(mut child: Child) -> Option<i32> {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").arg(id).status().await.unwrap().success());
    timeout(Duration::from_secs(10), child.wait()).await.unwrap().unwrap().code()
}

/// Catches: a process that does not start from a kubeconfig, or does not end when it is asked to.
#[tokio::test]
async fn it_starts_from_a_kubeconfig_and_ends_on_sigterm() {
    let api = Api::start().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    std::fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let mut child = companion(&["--listen", "127.0.0.1:0", "--kubeconfig"])
        .arg(&kubeconfig)
        // As a container would be told.
        .env("DATAKIT_COMPANION_ELECTION", "true")
        // Of the node, for other addresses.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("DATAKIT_COMPANION_LOGGING_CONFIGS", "false")
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().expect("it goes on");
        if let Some((_, rest)) = line.split_once("address=") {
            assert!(rest.contains("election=true logging_configs=false"), "{line}");
            break rest.split_whitespace().next().unwrap().parse().unwrap();
        }
    };
    let server = Server::at(address);
    let ready = format!("{}Connection: close\r\n\r\n", go("GET", "/readyz", ""));
    eventually("ready", async || server.exchange(&ready).await.starts_with("HTTP/1.1 200")).await;
    let campaign = go("POST", "/v1/dk-election?token=t&id=a", "Connection: close\r\n");
    let answer = server.exchange(&format!("{campaign}\r\n")).await;
    assert!(answer.contains("\"status\":\"success\""), "{answer}");
    let leases = api.objects("leases");
    let lease = leases.values().next().unwrap();
    assert_eq!(lease["metadata"]["namespace"], "datakit", "that of the context");
    assert_eq!(terminate(child).await, Some(0));
}

/// Catches: an error that nobody understands, and a process that runs without a service.
#[tokio::test]
async fn errors_at_start_are_told() {
    for (arguments, expected) in [
        (&["--kubeconfig", "/absent"][..], "cannot load the cluster configuration: "),
        (&["--election", "--kubeconfig", "/absent"], "cannot load the cluster configuration: "),
        (&["--tls-cert", "/absent"], "--tls-key <FILE>"),
    ] {
        let mut child = companion(arguments).spawn().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert!(!child.wait().await.unwrap().success());
    }
    let api = Api::start().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    std::fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    for (arguments, expected) in [
        (&[][..], "no service is enabled; use --logging-configs, --election or both"),
        (&["--election", "--listen", "203.0.113.1:1"], "cannot listen on 203.0.113.1:1: "),
        (
            &["--election", "--tls-cert", "/absent.crt", "--tls-key", "/absent.key"],
            "cannot read `/absent.crt`: ",
        ),
    ] {
        let arguments = [arguments, &["--kubeconfig", kubeconfig]].concat();
        let mut child = companion(&arguments).spawn().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert_eq!(child.wait().await.unwrap().code(), Some(1));
    }
}
