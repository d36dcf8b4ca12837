//! Other people's emulators of AWS, and our own embedded cloud, each on a loopback port of its own.

use std::fs::{File, TryLockError};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::guarded::Guarded;
use super::venv::Venv;
use super::{run, shared_dir, wait_for};

/// Where the embedded cloud says that it's there.
const HEALTH: &str = "/_wsless/health";

/// Which emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Runs Lambda functions, queues and WebSockets; forgives much in the control plane.
    Ministack,
    /// Control plane only; keeps integration fields that ministack drops.
    Moto,
    /// `wsless local`.
    Embedded,
}

/// How ministack is to behave.
#[derive(Debug, Clone, Copy, Default)]
pub struct MinistackOptions {
    /// Verify signatures and enforce identity policies; functions run with their own role's session.
    /// The keys `test`/`test` stay root and are not looked at: use an IAM user's.
    pub auth: bool,
}

/// A running emulator; dropped, it's gone with all the processes that it started.
#[derive(Debug)]
pub struct Emulator {
    kind: Kind,
    // In this order they go: the process before its folder and the lock on its port.
    process: Guarded,
    temp: TempDir,
    port: Port,
}

impl Emulator {
    /// Starts ministack and waits until it's healthy.
    pub fn ministack(options: MinistackOptions) -> Self {
        let python = Venv::ministack().python();
        Self::start(Kind::Ministack, "/_ministack/health", |port, temp| {
            let settings = [
                ("GATEWAY_PORT", port.to_string()),
                // Its default is 0.0.0.0.
                ("BIND_HOST", "127.0.0.1".to_owned()),
                ("MINISTACK_HOST", "localhost".to_owned()),
                ("MINISTACK_ACCOUNT_ID", "000000000000".to_owned()),
                ("MINISTACK_REGION", "us-east-1".to_owned()),
                // Functions are given it only when the server itself has it.
                ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
                ("LAMBDA_EXECUTOR", "local".to_owned()),
                // Else it listens on 2222 and 8883 of all interfaces.
                ("SFTP_ENABLED", "0".to_owned()),
                ("IOT_MTLS_ENABLED", "0".to_owned()),
                ("AUTH", options.auth.to_string()),
                ("LOG_LEVEL", "INFO".to_owned()),
                ("AWS_ACCESS_KEY_ID", "test".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ];
            let program = [python.to_str().expect("a path in UTF-8"), "-m", "ministack"];
            Guarded::start(&python, "ministack", &program, &environment(settings, temp))
        })
    }

    /// Starts moto's server. Its Lambda runs no code.
    pub fn moto() -> Self {
        let venv = Venv::moto();
        let python = venv.python();
        let server = venv.bin("moto_server");
        Self::start(Kind::Moto, "/moto-api/", |port, temp| {
            // Without it AWSLambdaBasicExecutionRole and the like don't exist.
            let settings = [("MOTO_IAM_LOAD_MANAGED_POLICIES", "true".to_owned())];
            let port = port.to_string();
            let server = server.to_str().expect("a path in UTF-8");
            let program = [server, "-H", "127.0.0.1", "-p", &port];
            Guarded::start(&python, "moto", &program, &environment(settings, temp))
        })
    }

    /// Starts `wsless local` with these further arguments.
    pub fn embedded(arguments: &[&str]) -> Self {
        Self::start(Kind::Embedded, HEALTH, |port, temp| {
            local(port, arguments, temp)
        })
    }

    /// Starts `wsless local` once more, at the address that it had.
    pub fn start_again(&mut self, arguments: &[&str]) {
        assert_eq!(self.kind, Kind::Embedded);
        self.process = local(self.port.number, arguments, &self.temp);
        let healthy = become_healthy(&mut self.process, self.port.number, HEALTH);
        assert!(healthy, "it ended at its start:\n{}", self.log());
    }

    fn start(kind: Kind, health: &str, mut spawn: impl FnMut(u16, &TempDir) -> Guarded) -> Self {
        // Between our look at the port and the emulator's bind another program may take it: try another then.
        for _ in 0..3 {
            let port = Port::reserve();
            let temp = tempfile::tempdir().expect("a temporary folder");
            let mut process = spawn(port.number, &temp);
            if become_healthy(&mut process, port.number, health) {
                return Self {
                    kind,
                    process,
                    temp,
                    port,
                };
            }
            eprintln!("{kind:?} ended at its start:\n{}", process.log());
        }
        panic!("{kind:?} didn't start in three attempts; what it printed is above");
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Its address, `http://127.0.0.1:{port}`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// What it has printed so far: for ministack, functions' output too.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The id of the process that guards it, an ancestor of all its processes.
    pub fn guard_pid(&self) -> u32 {
        self.process.pid()
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    pub fn end(&mut self) {
        let guard = self.guard_pid().to_string();
        let asked = Command::new("pkill").args(["-TERM", "-P", &guard]).status();
        assert!(asked.is_ok_and(|status| status.success()), "pkill -P");
        wait_for("the emulator to end", Duration::from_secs(30), || {
            (!self.process.is_running()).then_some(())
        });
    }

    /// The id of its own process, which the guard started.
    pub fn pid(&self) -> u32 {
        let guard = self.guard_pid();
        let children = format!("/proc/{guard}/task/{guard}/children");
        let children = std::fs::read_to_string(children).expect("the guard's children");
        let first = children.split(' ').next().unwrap_or_default();
        first.parse().expect("the guard's child")
    }

    /// Ends it before its time: `kill -9`.
    pub fn stop(&mut self) {
        self.process.stop();
    }
}

/// `wsless local` on a port.
fn local(port: u16, arguments: &[&str], temp: &TempDir) -> Guarded {
    let port = port.to_string();
    let mut program = vec![env!("CARGO_BIN_EXE_wsless"), "local", "--port", &port];
    program.extend(arguments);
    let python = Path::new("python3");
    Guarded::start(python, "embedded", &program, &environment([], temp))
}

/// The least environment that the emulators run in, so that nothing of the machine leaks into functions.
fn environment<const N: usize>(
    settings: [(&str, String); N],
    temp: &TempDir,
) -> Vec<(String, String)> {
    let temp = temp.path().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    settings
        .into_iter()
        .chain([
            ("PATH", path),
            ("HOME", temp.clone()),
            ("TMPDIR", temp),
            ("LANG", "C.UTF-8".to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
        ])
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Polls until the emulator answers (true) or ends (false); panics when it does neither.
fn become_healthy(process: &mut Guarded, port: u16, path: &str) -> bool {
    // Bounded for a cold start on a busy machine; 0.2 to 0.9 s is usual.
    let end = std::time::Instant::now() + Duration::from_mins(1);
    while std::time::Instant::now() < end {
        if !process.is_running() {
            return false;
        }
        if run(answers(port, path)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("port {port} wasn't healthy in 60 s:\n{}", process.log());
}

async fn answers(port: u16, path: &str) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        Ok::<_, std::io::Error>(&start == b"HTTP/1.1 200")
    };
    let answer = tokio::time::timeout(Duration::from_secs(2), ask).await;
    matches!(answer, Ok(Ok(true)))
}

/// A port that no other test of ours takes while this value lives.
#[derive(Debug)]
struct Port {
    number: u16,
    // The lock ends with the handle, and so with the process.
    _lock: File,
}

impl Port {
    fn reserve() -> Self {
        let locks = shared_dir("oracles/ports");
        // Below the range that the kernel takes outgoing ports from (32768 and up on Linux).
        let first = 20_000 + std::process::id() % 10_000;
        for offset in 0..10_000 {
            let number = u16::try_from(20_000 + (first + offset * 7) % 10_000).expect("a port");
            let lock = File::create(locks.join(number.to_string())).expect("a port's lock file");
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => panic!("the lock of port {number}: {error}"),
            }
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self {
                    number,
                    _lock: lock,
                };
            }
        }
        panic!("no free port from 20000 to 29999");
    }
}
