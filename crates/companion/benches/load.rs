//! The load of a large cluster: 300 DataKits that campaign or renew every 3 seconds, and 5,000 logfwds that ask once a
//! minute, against two replicas. A third through, the leader falls silent.
//!
//! ```text
//! cargo bench -p datakit-companion [-- --seconds 60]
//! ```
//!
//! It fails where an answer is an error, two DataKits lead at once, nobody leads at the end, or memory grows.

#![allow(dead_code, reason = "a benchmark uses less of the support than tests")]

#[path = "../tests/support/api.rs"]
mod api;
#[path = "../tests/support/tls.rs"]
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::client::TlsStream;

use api::Api;
use tls::{Server, go};

const DATAKITS: u32 = 300;
const LOGFWDS: u32 = 5000;
const CONFIGS: u32 = 50;

/// A replica in a process of its own.
struct Replica {
    child: Child,
    server: Server,
}

impl Replica {
    async fn start(kubeconfig: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_datakit-companion"))
            .args(["--election", "--logging-configs", "--listen", "127.0.0.1:0"])
            .args(["--kubeconfig", kubeconfig])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address: SocketAddr = loop {
            let line = lines.next_line().await.unwrap().expect("the replica ended");
            if let Some((_, rest)) = line.split_once("address=") {
                break rest.split_whitespace().next().unwrap().parse().unwrap();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let server = Server::at(address);
        let ready = format!("{}Connection: close\r\n\r\n", go("GET", "/readyz", ""));
        while !server.exchange(&ready).await.starts_with("HTTP/1.1 200") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { child, server }
    }

    /// Megabytes of memory, and seconds of processor time.
    fn usage(&self) -> (f64, f64) {
        let id = self.child.id().unwrap();
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap();
        let pages: f64 = read("statm").split(' ').nth(1).unwrap().parse().unwrap();
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: f64 = [11, 12].iter().map(|index| fields[*index].parse::<f64>().unwrap()).sum();
        (pages * 4096.0 / 1e6, ticks / 100.0)
    }
}

/// What came back.
#[derive(Default)]
struct Answers {
    millis: BTreeMap<(&'static str, u16), Vec<f64>>,
    leads_until: BTreeMap<String, Instant>,
    leaders: Vec<String>,
    errors: Vec<String>,
}

impl Answers {
    fn add(&mut self, what: &'static str, code: u16, started: Instant) {
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        self.millis.entry((what, code)).or_default().push(millis);
    }

    /// As DataKit decides it: it collects until one interval before the end of the lease.
    fn decided(&mut self, id: &str, status: &str) {
        let now = Instant::now();
        if status != "success" {
            self.leads_until.remove(id);
            return;
        }
        let others = self.leads_until.iter().filter(|(other, until)| *other != id && **until > now);
        let others: Vec<String> = others.map(|(other, _)| other.clone()).collect();
        if !others.is_empty() {
            self.errors.push(format!("{id} leads beside {others:?}"));
        }
        self.leads_until.insert(id.to_owned(), now + Duration::from_secs(27));
        if self.leaders.last().is_none_or(|last| last != id) {
            self.leaders.push(id.to_owned());
        }
    }
}

/// Sends a request over an open connection, and reads the answer: its code and its body.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> std::io::Result<(u16, Value)> {
    stream.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read.extend(&buffer[..length]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.unwrap().parse::<usize>().unwrap() {
            let code = head.split(' ').nth(1).unwrap().parse().unwrap();
            return Ok((code, serde_json::from_str(body).unwrap_or(Value::Null)));
        }
    }
}

/// One DataKit until the end; the leader falls silent at `silence`.
async fn datakit(
    index: u32,
    replicas: Arc<Vec<Replica>>,
    answers: Arc<Mutex<Answers>>,
    silence: Instant,
    end: Instant,
) {
    let id = format!("node-{index}");
    let mut stream = None;
    let mut next = Instant::now() + Duration::from_secs(3) * index / DATAKITS;
    while next < end {
        tokio::time::sleep_until(next.into()).await;
        next += Duration::from_secs(3);
        let is_leader = answers.lock().leads_until.get(&id).is_some_and(|it| *it > Instant::now());
        if is_leader && silence < Instant::now() && answers.lock().leaders.len() == 1 {
            return;
        }
        let (what, path) = match is_leader {
            true => ("heartbeat", "/v1/dk-election/heartbeat"),
            false => ("campaign", "/v1/dk-election"),
        };
        let target = format!("{path}?id={id}&namespace=default&token=tkn_0123456789");
        let headers = "Content-Length: 0\r\nAccept: application/json\r\n";
        let request = format!("{}\r\n", go("POST", &target, headers));
        let started = Instant::now();
        let connection = match &mut stream {
            Some(connection) => connection,
            None => {
                let server = &replicas[index as usize % replicas.len()].server;
                stream.insert(server.connect().await.unwrap())
            }
        };
        match ask(connection, &request).await {
            Ok((code, body)) => {
                let mut answers = answers.lock();
                answers.add(what, code, started);
                let status = body["content"]["status"].as_str().unwrap_or_default();
                answers.decided(&id, status);
            }
            Err(error) => {
                answers.lock().errors.push(format!("{what}: {error}"));
                stream = None;
            }
        }
    }
}

/// One logfwd until the end. Each request has a connection of its own.
async fn logfwd(
    index: u32,
    replicas: Arc<Vec<Replica>>,
    answers: Arc<Mutex<Answers>>,
    end: Instant,
) {
    let target = format!(
        "/v1/logging/configs?namespace=team-{}&pod_name=web-{index}&pod_labels=app%3Dweb%2Ctier%3Dfront",
        index % (CONFIGS + 10),
    );
    let request = format!("{}\r\n", go("GET", &target, ""));
    let mut next = Instant::now() + Duration::from_secs(60) * index / LOGFWDS;
    while next < end {
        tokio::time::sleep_until(next.into()).await;
        next += Duration::from_secs(60);
        let started = Instant::now();
        let server = &replicas[index as usize % replicas.len()].server;
        let answer = match server.connect().await {
            Ok(mut stream) => ask(&mut stream, &request).await,
            Err(error) => Err(error),
        };
        let mut answers = answers.lock();
        match answer {
            Ok((code, _)) => answers.add("logfwd", code, started),
            Err(error) => answers.errors.push(format!("logfwd: {error}")),
        }
    }
}

fn seconds() -> u64 {
    let arguments: Vec<String> = std::env::args().collect();
    let given =
        arguments.windows(2).find(|pair| pair[0] == "--seconds").map(|pair| pair[1].clone());
    given.map_or(60, |seconds| seconds.parse().expect("--seconds takes a number"))
}

#[tokio::main]
async fn main() {
    let seconds = seconds();
    let api = Api::start().await;
    for index in 0..CONFIGS {
        let selector = json!({
            "namespaceRegex": format!("^team-{index}$"),
            "podRegex": "^(web|api)-[0-9]+$",
            "podLabelSelector": "app in (web,api),!legacy",
        });
        let configs = json!([{ "type": "file", "source": "web", "path": "/var/log/**/*.log" }]);
        let object = json!({ "spec": { "selector": selector, "configs": configs } });
        let _stored = api.put("clusterloggingconfigs", "", &format!("config-{index:02}"), object);
    }
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    std::fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let replicas =
        Arc::new(vec![Replica::start(kubeconfig).await, Replica::start(kubeconfig).await]);
    let before = api.all_calls();
    let idle: Vec<f64> = replicas.iter().map(|replica| replica.usage().0).collect();

    let answers: Arc<Mutex<Answers>> = Arc::default();
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    // The Lease of a silent leader expires after 30 seconds.
    let silence = if seconds >= 60 { start + Duration::from_secs(seconds / 3) } else { end };
    let datakits = (0..DATAKITS)
        .map(|index| tokio::spawn(datakit(index, replicas.clone(), answers.clone(), silence, end)));
    let mut tasks: Vec<_> = datakits.collect();
    tasks.extend(
        (0..LOGFWDS)
            .map(|index| tokio::spawn(logfwd(index, replicas.clone(), answers.clone(), end))),
    );
    let mut memory: Vec<f64> = Vec::new();
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory.push(replicas.iter().map(|replica| replica.usage().0).fold(0.0, f64::max));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let used: Vec<f64> = replicas.iter().map(|replica| replica.usage().1).collect();
    let mut answers = answers.lock();
    print(seconds, &mut answers, &idle, &memory, &used);
    println!("\ncalls to the API server");
    for ((verb, resource), count) in api.all_calls() {
        let count = count - before.get(&(verb.clone(), resource.clone())).unwrap_or(&0);
        if count > 0 {
            println!("  {verb:<7}{resource:<24}{count:>8}");
        }
    }
    check(&answers, &memory);
}

fn print(seconds: u64, answers: &mut Answers, idle: &[f64], memory: &[f64], used: &[f64]) {
    println!(
        "{DATAKITS} DataKits, {LOGFWDS} logfwds, {CONFIGS} configurations, 2 replicas, {seconds} s\n"
    );
    println!("  answers     code    count   median ms      99 %       max");
    for ((what, code), millis) in &mut answers.millis {
        let count = millis.len();
        millis.sort_by(f64::total_cmp);
        let at = |part: f64| millis[((millis.len() - 1) as f64 * part) as usize];
        println!(
            "  {what:<12}{code:>4}{count:>9}{:>12.1}{:>10.1}{:>10.1}",
            at(0.5),
            at(0.99),
            at(1.0),
        );
    }
    println!("\nleaders, one after the other: {}", answers.leaders.join(", "));
    let peak = memory.iter().copied().fold(0.0, f64::max);
    println!("memory of a replica: {:.1} MB before, {peak:.1} MB at most", idle[0]);
    let share = used.iter().map(|used| format!("{:.1} %", used / seconds as f64 * 100.0));
    println!("processor of each replica: {} of a core", share.collect::<Vec<String>>().join(", "));
}

fn check(answers: &Answers, memory: &[f64]) {
    assert_eq!(answers.errors, [""; 0]);
    let failed: Vec<_> = answers.millis.keys().filter(|(_, code)| *code >= 500).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let now = Instant::now();
    assert!(answers.leads_until.values().any(|until| *until > now), "nobody leads at the end");
    // From the middle on nothing new comes.
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let (_, later) = memory.split_at(memory.len() / 2);
    let (third, fourth) = later.split_at(later.len() / 2);
    assert!(mean(fourth) < mean(third) * 1.1, "memory grows: {third:?}, then {fourth:?}");
}
