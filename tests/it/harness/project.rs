//! A project folder, and the real binary run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cloud::Cloud;
use super::output::{Output, known_paths};
use super::{ensure_in, run, shared_dir, test_name};

/// No run of the binary takes longer; a first build of all handlers' dependencies is the longest.
const BOUND: Duration = Duration::from_mins(10);

/// A folder with a manifest, and an environment of its own.
#[derive(Debug)]
pub struct Project {
    root: TempDir,
    dir: PathBuf,
    environment: Vec<(String, String)>,
}

/// A run of the binary that hasn't ended; dropped, it's killed.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    command: String,
    streams: [PathBuf; 2],
    paths: Vec<(String, &'static str)>,
}

impl Project {
    /// A project that `wsless init` wrote from a template, in a folder named for the template.
    #[track_caller]
    pub fn init(template: &str, cloud: &Cloud) -> Self {
        Self::init_as(template, template, cloud)
    }

    /// The same, with a name of its own.
    #[track_caller]
    pub fn init_as(name: &str, template: &str, cloud: &Cloud) -> Self {
        let mut project = Self::offline();
        project.use_cloud(cloud);
        let _ = project
            .wsless(["init", name, "--template", template])
            .succeeds();
        project.dir = project.dir.join(name);
        project.build_apart();
        project.share_library();
        project
    }

    /// What `init` writes from a template, in a folder that all tests of this `name` share, so that its handlers are
    /// built once. For tests that don't change the code: each has a manifest of its own, which it passes.
    #[track_caller]
    pub fn shared(name: &str, template: &str, cloud: &Cloud) -> Self {
        let mut project = Self::empty(cloud);
        let _ = project
            .wsless(["init", template, "--template", template])
            .succeeds();
        let fresh = project.path(template);
        project.dir = shared_dir("e2e").join(name);
        let version = format!("version = \"0.1.0+{name}\"\nedition");
        let mut files = BTreeMap::new();
        read_all(&fresh, &fresh, &mut files);
        files.retain(|path, _| !path.starts_with(".wsless"));
        // Our own workspace is above target/.
        files
            .get_mut(Path::new("Cargo.toml"))
            .expect("a package")
            .push_str("\n[workspace]\n");
        let wanted = format!("{version} {files:?}");
        ensure_in(&project.dir, &wanted, |dir| {
            for (path, text) in &files {
                let path = dir.join(path);
                fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
                let text = text.replace("version = \"0.1.0\"\nedition", &version);
                fs::write(path, text).expect("a file of the shared project");
            }
        });
        project
    }

    /// Gives the package a version that no other test's has. All share one build folder, in which cargo tells packages
    /// apart by name, version and path within the workspace: two tests' `echo` would take each other's binaries.
    #[track_caller]
    pub fn build_apart(&self) {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        // The same at each run of the test, so that the folder doesn't grow with every run.
        let mark = test_name().replace(['.', '_'], "-");
        self.edit(
            "Cargo.toml",
            "version = \"0.1.0\"\nedition",
            &format!("version = \"0.1.0+{mark}.{number}\"\nedition"),
        );
    }

    /// Has cargo take the handlers' library from a folder that all tests share, rather than from the same files in the
    /// project, for each of which it would be compiled again.
    fn share_library(&self) {
        let own = self.path(".wsless/sdk");
        let mut files = BTreeMap::new();
        read_all(&own, &own, &mut files);
        let shared = shared_dir("e2e").join("sdk");
        ensure_in(&shared, &format!("{files:?}"), |dir| {
            for (path, text) in &files {
                let path = dir.join(path);
                fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
                fs::write(path, text).expect("a file of the shared library");
            }
        });
        let settings = self.root.path().join(".cargo");
        fs::create_dir(&settings).expect("a folder for cargo's settings");
        fs::write(
            settings.join("config.toml"),
            format!("paths = [{:?}]\n", shared.display().to_string()),
        )
        .expect("cargo's settings");
    }

    /// Builds all that `init` wrote, as users do: no build folder and no library is shared with other tests.
    pub fn build_all(&mut self) {
        fs::remove_dir_all(self.root.path().join(".cargo")).expect("cargo's settings");
        let own = shared_dir("e2e").join("own").join(test_name());
        self.set("CARGO_BUILD_BUILD_DIR", &own.display().to_string());
    }

    /// Goes into a folder of the project: what runs from now on runs there.
    pub fn enter(&mut self, folder: &str) {
        self.dir = self.dir.join(folder);
    }

    /// An empty folder with a cloud.
    pub fn empty(cloud: &Cloud) -> Self {
        let mut project = Self::offline();
        project.use_cloud(cloud);
        project
    }

    /// A role of the account with this policy, taken: its session's keys for whoever runs in the project.
    #[track_caller]
    pub fn take_role(&mut self, cloud: &Cloud, name: &str, policy: &serde_json::Value) {
        let (iam, sts) = (
            aws_sdk_iam::Client::new(&cloud.sdk()),
            aws_sdk_sts::Client::new(&cloud.sdk()),
        );
        let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole",
        }]});
        let session = run(async {
            let role = iam
                .create_role()
                .role_name(name)
                .assume_role_policy_document(trust.to_string())
                .send()
                .await
                .expect("a role");
            iam.put_role_policy()
                .role_name(name)
                .policy_name("deploy")
                .policy_document(policy.to_string())
                .send()
                .await
                .expect("its policy");
            sts.assume_role()
                .role_arn(role.role.expect("a role").arn)
                .role_session_name("run")
                .send()
                .await
                .expect("a session")
                .credentials
                .expect("its keys")
        });
        for (variable, value) in [
            ("AWS_ACCESS_KEY_ID", &session.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &session.secret_access_key),
            ("AWS_SESSION_TOKEN", &session.session_token),
        ] {
            self.unset(variable);
            self.set(variable, value);
        }
    }

    /// An empty folder without a cloud and without credentials.
    pub fn offline() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        // macOS gives /var for /private/var; what the binary prints is the real path.
        let dir = root.path().canonicalize().expect("the folder's real path");
        let home = dir.join("home");
        let dir = dir.join("work");
        fs::create_dir(&home).expect("a home");
        fs::create_dir(&dir).expect("a folder to work in");
        Self {
            environment: environment(&home),
            dir,
            root,
        }
    }

    /// The binary finds this cloud from now on.
    pub fn use_cloud(&mut self, cloud: &Cloud) {
        self.environment.extend(cloud.environment());
    }

    /// Sets a variable for every run from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Unsets a variable for every run from now on.
    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(found, _)| found != name);
    }

    /// Builds handlers with the profile that users have. Otherwise tests build without optimisation, since
    /// they link dozens of handlers.
    pub fn use_real_profile(&mut self) {
        self.environment
            .retain(|(name, _)| !name.starts_with("CARGO_PROFILE_"));
    }

    /// The project's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path in the folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// A file's text.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Writes a file, and the folders it needs.
    #[track_caller]
    pub fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().expect("a file in the project")).expect("a folder");
        fs::write(file, text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Replaces one text, which must be there exactly once.
    #[track_caller]
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        let count = text.matches(from).count();
        assert!(count == 1, "{from:?} is {count} times in {path}:\n{text}");
        self.write(path, &text.replace(from, to));
    }

    /// Runs the binary in the folder to its end.
    #[track_caller]
    pub fn wsless<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        self.start(arguments).wait()
    }

    /// Starts the binary in the folder.
    #[track_caller]
    pub fn start<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Running {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let shown = format!("wsless {}", arguments.join(" "));
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsless"));
        command.args(arguments);
        Running::start(command, &shown, self)
    }

    /// Runs another program in the folder, in the binary's environment: `cargo test` in what `init` wrote.
    #[track_caller]
    pub fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        self.begin(program, arguments).wait()
    }

    /// The host's target, `x86_64-unknown-linux-gnu`: what is built for it by name shares the handlers' dependencies.
    #[track_caller]
    pub fn host(&self) -> String {
        let rust = self.run("rustc", ["-vV"]).succeeds();
        let host = rust
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("host: "));
        host.expect("the host's target").to_owned()
    }

    /// Starts another program in the folder.
    #[track_caller]
    pub fn begin<'a>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Running {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let shown = format!("{program} {}", arguments.join(" "));
        let mut command = Command::new(program);
        command.args(arguments);
        Running::start(command, &shown, self)
    }
}

/// The texts of a folder's files, by their paths within it.
fn read_all(root: &Path, dir: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_all(root, &path, files);
        } else {
            let text = fs::read_to_string(&path).expect("a text");
            let name = path.strip_prefix(root).expect("a path within the root");
            files.insert(name.to_owned(), text);
        }
    }
}

/// A clean environment: the toolchain is found, no AWS configuration of the machine is.
fn environment(home: &Path) -> Vec<(String, String)> {
    let shared = shared_dir("e2e");
    let real_home = std::env::var("HOME").unwrap_or_default();
    let inherited = |name: &str, default: String| std::env::var(name).unwrap_or(default);
    let mut environment = vec![
        ("PATH", inherited("PATH", String::new())),
        ("HOME", home.display().to_string()),
        // These are found by HOME unless they're set.
        (
            "CARGO_HOME",
            inherited("CARGO_HOME", format!("{real_home}/.cargo")),
        ),
        (
            "RUSTUP_HOME",
            inherited("RUSTUP_HOME", format!("{real_home}/.rustup")),
        ),
        ("LANG", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
        // All projects' dependencies are built once, here; what is final stays in each project's own target
        // folder, so two projects' `echo` don't overwrite each other.
        (
            "CARGO_BUILD_BUILD_DIR",
            shared.join("build").display().to_string(),
        ),
        // zig's and cargo-zigbuild's caches.
        ("XDG_CACHE_HOME", shared.join("cache").display().to_string()),
        ("CARGO_PROFILE_RELEASE_LTO", "off".to_owned()),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0".to_owned()),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16".to_owned()),
        // As the binary sets them itself: what a test builds beside it, with cargo, shares the dependencies then.
        ("CARGO_PROFILE_RELEASE_STRIP", "symbols".to_owned()),
        ("CARGO_PROFILE_DEV_DEBUG", "0".to_owned()),
    ];
    // How this machine reaches a registry, its certificates, and who temporary files are for.
    let kept = [
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
    ];
    for name in kept {
        if let Ok(value) = std::env::var(name) {
            environment.push((name, value));
        }
    }
    environment
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Running {
    #[track_caller]
    fn start(mut command: Command, shown: &str, project: &Project) -> Self {
        // Files, not pipes: a pipe that nobody reads would stop the binary.
        let streams = ["stdout", "stderr"].map(|name| {
            let (_, path) = tempfile::Builder::new()
                .prefix(name)
                .tempfile_in(project.root.path())
                .and_then(|file| file.keep().map_err(Into::into))
                .expect("a file for a stream");
            path
        });
        let open = |path: &Path| fs::File::create(path).expect("a stream's file");
        let child = command
            .current_dir(&project.dir)
            .env_clear()
            .envs(
                project
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(open(&streams[0]))
            .stderr(open(&streams[1]))
            .spawn()
            .unwrap_or_else(|error| panic!("{shown} didn't start: {error}"));
        let root = project.root.path();
        Self {
            child: Some(child),
            command: shown.to_owned(),
            paths: known_paths(&[
                (&project.dir, "[PROJECT]"),
                (&root.join("home"), "[HOME]"),
                (root, "[ROOT]"),
            ]),
            streams,
        }
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.streams[0]).unwrap_or_default()
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.streams[1]).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("a running child");
        child.try_wait().expect("a child's status").is_some()
    }

    /// Waits for its end; panics when it takes longer than ten minutes.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let end = Instant::now() + BOUND;
        let child = self.child.as_mut().expect("a running child");
        let code = loop {
            if let Some(status) = child.try_wait().expect("a child's status") {
                break status.code().unwrap_or(-1);
            }
            assert!(
                Instant::now() <= end,
                "{} hasn't ended in {BOUND:?}\n{}",
                self.command,
                self.output(-1)
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        self.child = None;
        self.output(code)
    }

    /// `kill -9`, as a crash or a lost machine.
    #[must_use]
    pub fn kill(mut self) -> Output {
        self.end();
        self.output(-1)
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    /// What a CI service sends when a job is cancelled.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("a running child");
        let status = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "kill {signal}");
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn output(&self, code: i32) -> Output {
        Output {
            command: self.command.clone(),
            code,
            stdout: self.stdout(),
            stderr: self.stderr(),
            paths: self.paths.clone(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
