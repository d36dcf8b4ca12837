//! Whole builds of small crates without dependencies, by the real cargo and the host's linker.

#![cfg(target_os = "linux")]

use std::sync::Mutex;

use super::*;

const HERE: Architecture = if cfg!(target_arch = "aarch64") {
    Architecture::Arm64
} else {
    Architecture::X86_64
};

struct Fixture {
    folder: tempfile::TempDir,
    events: Mutex<Vec<Event>>,
}

impl Fixture {
    /// A package `handlers` with these binaries.
    fn new(binaries: &[(&str, &str)]) -> Self {
        let fixture = Self {
            folder: tempfile::tempdir().unwrap(),
            events: Mutex::default(),
        };
        fixture.write(
            "Cargo.toml",
            "[package]\nname = \"handlers\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [profile.release]\nopt-level = 0\nlto = false\ncodegen-units = 16\n",
        );
        for (name, source) in binaries {
            fixture.write(&format!("src/bin/{name}.rs"), source);
        }
        fixture
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn build(&self, binaries: &[&str], builtins: bool) -> Result<Artifacts, Error> {
        self.events.lock().unwrap().clear();
        let request = Request {
            project_dir: self.folder.path().to_owned(),
            platform: Platform::Lambda(HERE),
            profile: "release".to_owned(),
            binaries: binaries.iter().map(ToString::to_string).collect(),
            builtins,
            color: false,
        };
        let surroundings = Surroundings {
            sources: Sources::from_files([
                (
                    "Cargo.toml",
                    &b"[package]\nname = \"sdk\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                       [profile.release]\nopt-level = 0\nlto = false\n"[..],
                ),
                (
                    "standalone.lock",
                    b"version = 4\n\n[[package]]\nname = \"sdk\"\nversion = \"0.1.0\"\n",
                ),
                (
                    "src/lib.rs",
                    b"pub fn hello() -> &'static str { \"hello\" }\n",
                ),
                ("src/bin/connect.rs", b"fn main() { print!(\"connect\") }\n"),
                (
                    "src/bin/disconnect.rs",
                    b"fn main() { print!(\"disconnect\") }\n",
                ),
                ("src/bin/push.rs", b"fn main() { print!(\"push\") }\n"),
            ]),
            linker: LinkerChoice::Forced(Linker::Host),
            program: "/nowhere/wsless".into(),
            // Else the tests would share the one that their own cargo was told.
            target_dir: Some(self.folder.path().join("target")),
        };
        build_in(&request, &surroundings, &|event| {
            self.events.lock().unwrap().push(event);
        })
        .await
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// How often cargo was started.
    fn invocations(&self) -> Vec<Part> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Started { part, .. } => Some(part),
                _ => None,
            })
            .collect()
    }

    /// What cargo said.
    fn cargo(&self) -> String {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::CargoLine(line) => Some(line + "\n"),
                _ => None,
            })
            .collect()
    }
}

fn run(artifact: &Artifact) -> String {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&artifact.zip[..])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    archive.extract(folder.path()).unwrap();
    let output = std::process::Command::new(folder.path().join("bootstrap"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn wanted_binaries_are_built_at_once_and_zipped_and_run() {
    let fixture = Fixture::new(&[
        ("echo", "fn main() { print!(\"one\") }"),
        ("ping", "fn main() { print!(\"two\") }"),
        ("unwanted", "compile_error!(\"nobody asked for this\");"),
    ]);
    let artifacts = fixture.build(&["echo", "ping"], false).await.unwrap();
    assert_eq!(fixture.invocations(), [Part::Handlers]);
    assert!(artifacts.builtins.is_empty());
    let outputs: Vec<_> = artifacts
        .handlers
        .iter()
        .map(|(name, artifact)| (name.as_str(), run(artifact)))
        .collect();
    assert_eq!(
        outputs,
        [("echo", "one".to_owned()), ("ping", "two".to_owned())]
    );
    let echo = &artifacts.handlers["echo"];
    assert_eq!(echo.architecture, HERE);
    assert!(echo.glibc.is_some());
    assert!(echo.zip_path.ends_with("lambda/echo/bootstrap.zip"));
    assert!(fixture.cargo().contains("Compiling handlers"));

    // The second time nothing is new.
    let again = fixture.build(&["echo", "ping"], false).await.unwrap();
    assert_eq!(again, artifacts);
    let reused = fixture
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Reused { .. }))
        .count();
    assert_eq!(reused, 2);
}

#[tokio::test]
async fn a_handler_that_does_not_compile_is_named_and_cargo_says_why() {
    let fixture = Fixture::new(&[("echo", "fn main() { nonsense }")]);
    let error = fixture.build(&["echo"], true).await.unwrap_err();
    let Error::Cargo { binaries, code, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(binaries, &["echo"]);
    assert_eq!(*code, Some(101));
    let said = fixture.cargo();
    assert!(
        said.contains("cannot find value `nonsense`") && said.contains("src/bin/echo.rs:1:13"),
        "{said}"
    );
    // Its own handlers wait until the user's compile.
    assert_eq!(fixture.invocations(), [Part::Handlers]);
}

#[tokio::test]
async fn a_missing_binary_is_told_before_anything_is_compiled() {
    let fixture = Fixture::new(&[("echo", "fn main() {}")]);
    let error = fixture.build(&["ehco"], false).await.unwrap_err();
    assert_eq!(
        error.diagnostics()[0].help.as_deref(),
        Some("did you mean `echo`?")
    );
    assert!(fixture.invocations().is_empty());
}

#[tokio::test]
async fn the_built_in_handlers_are_built_once_and_again_when_damaged() {
    let fixture = Fixture::new(&[]);
    fixture.write("src/lib.rs", "");
    let artifacts = fixture.build(&[], true).await.unwrap();
    assert_eq!(fixture.invocations(), [Part::Builtins]);
    assert_eq!(
        artifacts.builtins.keys().collect::<Vec<_>>(),
        ["connect", "disconnect", "push"]
    );
    assert_eq!(run(&artifacts.builtins["push"]), "push");

    let again = fixture.build(&[], true).await.unwrap();
    assert!(fixture.invocations().is_empty());
    assert_eq!(again, artifacts);

    std::fs::write(&artifacts.builtins["push"].zip_path, "damaged").unwrap();
    let healed = fixture.build(&[], true).await.unwrap();
    assert_eq!(fixture.invocations(), [Part::Builtins]);
    assert_eq!(healed, artifacts);
}

#[tokio::test]
async fn a_workspace_that_takes_the_library_for_a_member_still_builds_its_own_binaries() {
    let fixture = Fixture::new(&[("push", "fn main() { print!(\"{}\", sdk::hello()) }")]);
    fixture.write(
        "Cargo.toml",
        "[workspace]\n[package]\nname = \"handlers\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\nsdk = { path = \".wsless/sdk\" }\n[profile.release]\nlto = false\nopt-level = 0\n",
    );
    let artifacts = fixture.build(&["push"], false).await.unwrap();
    assert!(matches!(fixture.events()[0], Event::SdkWritten(_)));
    assert_eq!(run(&artifacts.handlers["push"]), "hello");
}

#[tokio::test]
async fn a_folder_without_a_cargo_toml_is_told_so_and_left_alone() {
    let fixture = Fixture::new(&[]);
    std::fs::remove_file(fixture.folder.path().join("Cargo.toml")).unwrap();
    let error = fixture.build(&["echo"], false).await.unwrap_err();
    assert!(matches!(error, Error::NoManifest { .. }), "{error:?}");
    assert_eq!(std::fs::read_dir(fixture.folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_broken_cargo_toml_is_shown_in_cargos_words() {
    let fixture = Fixture::new(&[("echo", "fn main() {}")]);
    fixture.write("Cargo.toml", "[package]\nname = \n");
    let error = fixture.build(&["echo"], false).await.unwrap_err();
    let notes = error.diagnostics()[0].notes.join("\n");
    assert!(notes.contains("Cargo.toml:2"), "{notes}");
}

#[tokio::test]
async fn dropping_the_build_ends_cargo() {
    // Its build script says where it is, then waits far longer than the test.
    let fixture = Fixture::new(&[("echo", "fn main() {}")]);
    fixture.write(
        "build.rs",
        "fn main() { std::fs::write(\"parent\", std::os::unix::process::parent_id().to_string()).unwrap();\
         std::fs::rename(\"parent\", \"cargo.pid\").unwrap();\
         std::thread::sleep(std::time::Duration::from_secs(20)) }",
    );
    let pid_file = fixture.folder.path().join("cargo.pid");
    let started = async {
        while !pid_file.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        outcome = fixture.build(&["echo"], false) => panic!("{outcome:?}"),
        () = started => {}
        () = tokio::time::sleep(std::time::Duration::from_mins(1)) => panic!("the build script never ran"),
    }
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let alive = || {
        // A killed process that nobody has waited for yet is a zombie: dead all the same.
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    for _ in 0..500 {
        if !alive() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("cargo {pid} goes on");
}
