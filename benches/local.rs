//! How fast the embedded cloud is: messages through a deployed system, beside a bare echo server in the same run.
//!
//! `cargo bench --bench local` builds the echo template in `release`, deploys it to `wsless local` and loads it from this
//! process over real sockets; a real handler process answers each message. Prints one Markdown table with the limit that
//! each figure is held to; exits with 1 if one isn't reached. `-- --seconds 3` shortens each load; `-- direct queued`
//! measures these parts only.
#![allow(missing_docs, reason = "a program")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Barrier,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

const WSLESS: &str = env!("CARGO_BIN_EXE_wsless");
const PING: &str = r#"{"action":"ping","id":7}"#;
const PONG: &str = r#"{"pong":7}"#;
/// What goes by the queue and comes back as it is.
const ECHO: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const PARTS: [&str; 5] = ["start", "direct", "queued", "idle", "dev"];

fn main() {
    // 10,000 connections are as many files.
    let files = rustix::process::Resource::Nofile;
    let mut limit = rustix::process::getrlimit(files);
    limit.current = limit.maximum.map(|most| most.min(32_768)).or(Some(32_768));
    rustix::process::setrlimit(files, limit).expect("a limit of files");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut load = Duration::from_secs(10);
    let mut parts = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bare-echo-server" => return runtime.block_on(bare_echo_server()),
            "--seconds" => {
                let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                load = Duration::from_secs(seconds.expect("--seconds takes a number"));
            }
            // Cargo says so itself.
            "--bench" => {}
            part => {
                assert!(PARTS.contains(&part), "the parts are {}", PARTS.join(", "));
                parts.push(part.to_owned());
            }
        }
    }
    if parts.is_empty() {
        parts = PARTS.map(str::to_owned).into();
    }
    let missed = runtime.block_on(measure(&parts, load));
    if missed > 0 {
        eprintln!("{missed} figures aren't reached");
        std::process::exit(1);
    }
}

/// A child that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // In order, so that it leaves no process: it's asked, and waited for.
        let _ = Command::new("kill")
            .args(["-INT", &self.0.id().to_string()])
            .status();
        let _ = self.0.wait();
    }
}

/// The table, as it grows.
struct Table(usize);

impl Table {
    fn row(&mut self, what: &str, figure: &str, limit: &str, is_reached: bool) {
        let mark = if is_reached { "" } else { " (not reached)" };
        println!("| {what} | {figure}{mark} | {limit} |");
        self.0 += usize::from(!is_reached);
    }
}

async fn measure(parts: &[String], load: Duration) -> usize {
    let folder = project();
    println!("| what | here | held to |\n|---|---|---|");
    let mut table = Table(0);
    for part in parts {
        match part.as_str() {
            "start" => start(&mut table, &folder),
            "direct" => direct(&mut table, &folder, load).await,
            "queued" => queued(&mut table, &folder, load).await,
            "idle" => idle(&mut table, &folder).await,
            _ => dev(&mut table, &folder).await,
        }
    }
    table.0
}

/// How soon `wsless local` is there, and what it takes.
fn start(table: &mut Table, folder: &Path) {
    // The first one reads the program from the disk.
    let mut ready: Vec<Duration> = (0..5).map(|_| start_cloud(folder).1).collect();
    ready.sort_unstable();
    let ready = ready[2];
    let (cloud, _) = start_cloud(folder);
    let idle_mb = resident_kib(cloud.0.id()) / 1024;
    table.row(
        "`wsless local`: ready after, the middle of 5",
        &format!("{} ms", ready.as_millis()),
        "below 100 ms",
        ready.as_millis() < 100,
    );
    table.row(
        "`wsless local`: memory, idle",
        &format!("{idle_mb} MB"),
        "below 30 MB",
        idle_mb < 30,
    );
}

/// Messages that a handler answers in the same exchange.
async fn direct(table: &mut Table, folder: &Path, load: Duration) {
    let (_cloud, _) = start_cloud(folder);
    let address = deploy(folder);
    let (_bare, bare_address) = start_bare();
    for connections in [1, 50, 500] {
        let echoed = exchange(&bare_address, connections, ECHO, ECHO, load).await;
        table.row(
            &format!("bare echo server, {}", counted(connections)),
            &echoed.shown(),
            "the limit of this machine",
            true,
        );
        let direct = exchange(&address, connections, PING, PONG, load).await;
        let (limit, is_reached) = match connections {
            1 => (
                "p50 below 0.3 ms",
                direct.percentile(50) < Duration::from_micros(300),
            ),
            50 => (
                "12,000/s, p99 below 25 ms",
                direct.rate() >= 12_000.0 && direct.percentile(99) < Duration::from_millis(25),
            ),
            _ => ("10,000/s", direct.rate() >= 10_000.0),
        };
        table.row(
            &format!("direct route, {}", counted(connections)),
            &direct.shown(),
            limit,
            is_reached,
        );
    }
}

/// Messages that go by the queue, a handler, the results queue and `push`.
async fn queued(table: &mut Table, folder: &Path, load: Duration) {
    let (_cloud, _) = start_cloud(folder);
    let address = deploy(folder);
    for connections in [1, 500] {
        let queued = exchange(&address, connections, ECHO, ECHO, load).await;
        let (limit, is_reached) = match connections {
            1 => (
                "p50 below 5 ms",
                queued.percentile(50) < Duration::from_millis(5),
            ),
            _ => ("4,000/s", queued.rate() >= 4_000.0),
        };
        table.row(
            &format!("queued route, {}", counted(connections)),
            &queued.shown(),
            limit,
            is_reached,
        );
    }
}

/// Connections that say nothing.
async fn idle(table: &mut Table, folder: &Path) {
    let (cloud, _) = start_cloud(folder);
    let address = deploy(folder);
    let before = resident_kib(cloud.0.id());
    let held = hold(&address, 10_000).await;
    let each = resident_kib(cloud.0.id()).saturating_sub(before) * 1024 / held.len().max(1) as u64;
    table.row(
        &format!("{} idle connections: memory of each", held.len()),
        &format!("{:.1} KB", each as f64 / 1000.0),
        "at most 12 KB each of 10,000",
        held.len() == 10_000 && each <= 12_000,
    );
}

/// How soon a built project that is started with `wsless dev` answers its first message.
async fn dev(table: &mut Table, folder: &Path) {
    // The first time builds it.
    let (running, _) = first_answer(folder).await;
    drop(running);
    let (_running, took) = first_answer(folder).await;
    table.row(
        "`wsless dev` on a built project: first answer after",
        &format!("{} ms", took.as_millis()),
        "within 1 s",
        took <= Duration::from_secs(1),
    );
}

async fn first_answer(folder: &Path) -> (Running, Duration) {
    let began = Instant::now();
    let mut child = wsless(folder)
        .current_dir(folder)
        .args(["dev", "--port", "0", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("wsless dev starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let running = Running(child);
    let address = loop {
        let line = lines.next().expect("wsless dev runs").expect("a line");
        let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        if let Some(address) = told["endpoint"].as_str() {
            break address.to_owned();
        }
    };
    let mut socket = connect(&address).await;
    let asked = socket.send(Message::text(PING)).await;
    asked.expect("a message is sent");
    answer(&mut socket, PONG).await;
    let took = began.elapsed();
    // What it still says is nobody's, but must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (running, took)
}

fn counted(connections: usize) -> String {
    let s = if connections == 1 { "" } else { "s" };
    format!("{connections} connection{s}")
}

/// The echo template's project, in the target folder.
fn project() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-echo");
    if !folder.exists() {
        let status = wsless(&folder)
            .args(["init", "--template", "echo", "--name", "echo"])
            .arg(&folder)
            .status();
        assert!(status.expect("wsless runs").success(), "wsless init failed");
        // Our own workspace is above target/.
        let manifest = folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("a Cargo.toml");
        std::fs::write(&manifest, format!("{text}\n[workspace]\n")).expect("a Cargo.toml");
    }
    folder
}

fn wsless(folder: &Path) -> Command {
    let mut command = Command::new(WSLESS);
    command.env("XDG_STATE_HOME", folder.with_extension("state"));
    command
}

fn start_cloud(folder: &Path) -> (Running, Duration) {
    let began = Instant::now();
    let mut child = wsless(folder)
        .args(["local", "--port", "0", "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("wsless local starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output"))
        .read_line(&mut line)
        .expect("a line");
    assert!(line.contains("\"endpoint\""), "wsless local said: {line}");
    (Running(child), began.elapsed())
}

fn deploy(folder: &Path) -> String {
    let output = wsless(folder)
        .current_dir(folder)
        .args(["deploy", "--local", "--yes", "--output", "json"])
        .stderr(Stdio::inherit())
        .output()
        .expect("wsless runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let endpoint = result
        .filter_map(|line| Some(line["endpoint"].as_str()?.to_owned()))
        .next_back();
    endpoint.unwrap_or_else(|| panic!("wsless deploy failed: {text}"))
}

fn start_bare() -> (Running, String) {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .arg("--bare-echo-server")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output"))
        .read_line(&mut line)
        .expect("a line");
    (Running(child), line.trim().to_owned())
}

/// Resident memory of a process, without what it started.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
}

async fn bare_echo_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("ws://{}/", listener.local_addr().expect("an address"));
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(mut socket) = accept_async_with_config(stream, Some(config())).await else {
                return;
            };
            while let Some(Ok(message)) = socket.next().await {
                if !message.is_text() || socket.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn connect(address: &str) -> WebSocketStream<TcpStream> {
    let request = address.into_client_request().expect("an address");
    let host = request.uri().authority().expect("a host").to_string();
    let stream = TcpStream::connect(&host).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket's option");
    let connected = client_async_with_config(request, stream, Some(config())).await;
    connected.expect("a handshake").0
}

/// What a load came to.
struct Load {
    took: Duration,
    /// In order.
    latencies: Vec<Duration>,
}

impl Load {
    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    fn percentile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get(last * percent / 100)
            .copied()
            .unwrap_or_default()
    }

    fn shown(&self) -> String {
        let ms = |percent| self.percentile(percent).as_secs_f64() * 1000.0;
        format!(
            "{:.0}/s, p50 {:.2} ms, p99 {:.1} ms",
            self.rate(),
            ms(50),
            ms(99)
        )
    }
}

/// One message under way on each connection, for so long. A warm-up of a second isn't counted.
async fn exchange(
    address: &str,
    connections: usize,
    send: &'static str,
    expect: &'static str,
    load: Duration,
) -> Load {
    let start = std::sync::Arc::new(Barrier::new(connections + 1));
    let warm = Duration::from_secs(1);
    let mut clients = Vec::new();
    for _ in 0..connections {
        let (address, start) = (address.to_owned(), std::sync::Arc::clone(&start));
        clients.push(tokio::spawn(async move {
            let mut socket = connect(&address).await;
            start.wait().await;
            let (began, mut latencies) = (Instant::now(), Vec::new());
            while began.elapsed() < warm + load {
                let sent = Instant::now();
                socket
                    .send(Message::text(send))
                    .await
                    .expect("a message is sent");
                answer(&mut socket, expect).await;
                if began.elapsed() > warm {
                    latencies.push(sent.elapsed());
                }
            }
            let _ = socket.close(None).await;
            latencies
        }));
    }
    start.wait().await;
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await.expect("a client"));
    }
    latencies.sort_unstable();
    Load {
        took: load,
        latencies,
    }
}

/// Waits for the next message, which is to be this.
async fn answer(socket: &mut WebSocketStream<TcpStream>, expect: &str) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return assert_eq!(text.as_str(), expect),
            Some(Ok(_)) => {}
            other => panic!("the connection ended: {other:?}"),
        }
    }
}

/// Opens connections and holds them; as many as can be had.
async fn hold(address: &str, count: usize) -> Vec<WebSocketStream<TcpStream>> {
    let opened = futures::stream::iter(0..count)
        .map(|_| connect(address))
        .buffer_unordered(50);
    opened.collect().await
}
