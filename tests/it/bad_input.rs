//! What is wrong before anything is deployed: the manifest, the code, the way to AWS. Each failure says what to do, comes
//! in seconds, and changes nothing here or in the cloud.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Cloud, Credentials, Fault, Output, Project};

/// A manifest that is right, for a package without dependencies.
const MANIFEST: &str = "\
[project]
name = \"small\"

[api]
allowed-origins = [\"https://www.example.com\"]

[handlers.small]

[routes]
\"$default\" = { handler = \"small\" }
";

const PACKAGE: &str = "\
[package]
name = \"small\"
version = \"0.1.0\"
edition = \"2024\"
";

/// A package that needs no registry.
fn small(mut project: Project, main: &str) -> Project {
    project.write("wsless.toml", MANIFEST);
    project.write("Cargo.toml", PACKAGE);
    project.write("src/main.rs", main);
    project.build_apart();
    // Only what is told is there.
    project.set("AWS_EC2_METADATA_DISABLED", "true");
    project
}

/// Runs it and panics if it takes longer than this.
#[track_caller]
fn within(bound: Duration, run: impl FnOnce() -> Output) -> Output {
    let began = Instant::now();
    let output = run();
    let took = began.elapsed();
    assert!(took < bound, "it took {took:?}\n{output}");
    output
}

#[test]
fn a_manifest_with_many_errors_tells_all_of_them_with_their_lines() {
    let project = Project::offline();
    project.write(
        "wsless.toml",
        "[project]\nname = \"Chat Room\"\nregoin = \"eu-west-1\"\n\n[handlers.echo]\nmemory = 64\ntimeout = \"20m\"\n\n\
         [routes]\n\"$default\" = { handler = \"ecko\" }\n",
    );
    let told = project.wsless(["plan"]).exits(1);
    for (line, text) in [
        (2, "write `chat-room`"),
        (3, "did you mean `region`?"),
        (6, "less than 128"),
        (7, "900"),
        (10, "did you mean `echo`?"),
    ] {
        assert!(told.stderr.contains(text), "{text} isn't told\n{told}");
        let place = format!("wsless.toml:{line}:");
        assert!(told.stderr.contains(&place), "{place} isn't shown\n{told}");
    }
    assert_eq!(told.stdout, "", "{told}");

    let told = project.wsless(["plan", "--output", "json"]).exits(1);
    let lines = told.json_lines();
    let errors: Vec<_> = lines
        .iter()
        .filter(|line| line["type"] == "error")
        .collect();
    assert_eq!(errors.len(), 5, "{told}");
    assert!(
        errors
            .iter()
            .all(|error| error["spans"][0]["line"].is_u64())
    );
    assert!(!project.path(".wsless").exists(), "nothing was begun");
}

#[test]
fn a_manifest_that_cant_be_read_is_named_with_the_reason() {
    let project = Project::offline();
    std::fs::create_dir(project.path("folder")).unwrap();
    std::fs::write(
        project.path("latin.toml"),
        b"[project]\nname = \"caf\xe9\"\n",
    )
    .unwrap();
    project.write("broken.toml", "[project\nname = \"chat\"\n");
    project.write("empty.toml", "");
    project.write("large.toml", &"# nothing\n".repeat(1_200_000));
    let many: Vec<String> = (0..20_000)
        .map(|number| format!("[handlers.h{number}]\nmemory = 1\nmemroy = 2\n"))
        .collect();
    project.write("many.toml", &many.concat());
    project.write("deep.toml", &format!("a = {}\n", "[".repeat(200_000)));

    for (file, told) in [
        ("missing.toml", "there is no manifest at missing.toml"),
        ("folder", "there is no manifest at folder/wsless.toml"),
        ("latin.toml", "latin.toml isn't text in UTF-8"),
        ("broken.toml", "broken.toml:1:9"),
        ("empty.toml", "`name` is missing in [project]"),
        ("large.toml", "large.toml is too large"),
        ("many.toml", "more errors like these"),
        ("deep.toml", "deep.toml"),
        ("/dev/zero", "/dev/zero is too large"),
    ] {
        // Without optimisation the largest takes ten seconds.
        let output = within(Duration::from_mins(1), || {
            project.wsless(["plan", "--manifest", file])
        });
        let output = output.exits(1).warns(told).never_says("panicked");
        assert!(output.stderr.len() < 100_000, "a hundred errors are enough");
    }
    let _ = project
        .wsless(["deploy"])
        .exits(1)
        .warns("there is no wsless.toml in [PROJECT]".trim_end_matches("[PROJECT]"))
        .warns("wsless init DIR");
}

#[test]
fn code_that_doesnt_build_fails_with_cargos_own_words_and_the_cloud_is_as_before() {
    let cloud = Cloud::ministack();
    let before = cloud.inventory();
    let project = small(
        Project::empty(&cloud),
        "fn main() { let count: u32 = \"three\"; }\n",
    );
    let told = project
        .wsless(["deploy", "--yes"])
        .exits(1)
        .warns("error[E0308]")
        .warns("src/main.rs:1")
        .warns("cargo couldn't build `small`");
    assert_eq!(told.stdout, "", "{told}");
    let told = project
        .wsless(["deploy", "--yes", "--output", "json"])
        .exits(1);
    let last = told.json_lines().pop().expect("an error");
    assert_eq!(last["code"], "build::cargo", "{told}");

    project.edit(
        "wsless.toml",
        "[handlers.small]",
        "[handlers.small]\nbinary = \"smal\"",
    );
    let _ = project
        .wsless(["deploy", "--yes"])
        .exits(1)
        .warns("the project has no binary `smal`")
        .warns("did you mean `small`?");

    std::fs::remove_file(project.path("Cargo.toml")).unwrap();
    let _ = project
        .wsless(["deploy", "--yes"])
        .exits(1)
        .warns("there is no Cargo.toml")
        .warns("wsless init");

    project.write("Cargo.toml", "[package\n");
    let _ = project
        .wsless(["deploy", "--yes"])
        .exits(1)
        .warns("Cargo.toml:1");
    cloud.inventory().assert_same_as(&before);
    cloud.recorder.calls().mutations().assert_none();
}

#[test]
fn without_credentials_a_command_says_so_in_seconds_and_how_to_get_some() {
    // Takes connections and never answers, as a metadata address that a firewall swallows.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let mut project = small(Project::offline(), "fn main() {}\n");
    project.set("AWS_REGION", "us-east-1");
    for command in [&["unlock"][..], &["plan"], &["deploy", "--yes"]] {
        let _ = within(Duration::from_secs(20), || {
            project.wsless(command.iter().copied())
        })
        .exits(1)
        .warns("error[aws::no-credentials]: no AWS credentials are to be had")
        .warns("aws sso login")
        .warns("AWS_ACCESS_KEY_ID");
    }

    project.unset("AWS_EC2_METADATA_DISABLED");
    project.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &silent);
    let _ = within(Duration::from_secs(10), || project.wsless(["unlock"]))
        .exits(1)
        .warns("no AWS credentials are to be had");

    project.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &silent);
    let _ = within(Duration::from_secs(20), || project.wsless(["unlock"]))
        .exits(1)
        .warns("no AWS credentials are to be had");

    let _ = project
        .wsless(["unlock", "--profile", "nope"])
        .exits(1)
        .warns("no AWS credentials are to be had from the profile `nope`")
        .warns("aws configure list-profiles");
    project.set("AWS_PROFILE", "nope");
    let told = project.wsless(["unlock", "--output", "json"]).exits(1);
    assert_eq!(
        told.json_lines()[0]["code"],
        "aws::no-credentials",
        "{told}"
    );
}

#[test]
fn a_profile_that_is_asked_for_goes_before_the_environments_keys() {
    let cloud = Cloud::ministack();
    let project = small(Project::empty(&cloud), "fn main() {}\n");
    let home = project.dir().parent().unwrap().join("home/.aws");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(
        home.join("credentials"),
        "[other]\naws_access_key_id = 111122223333\naws_secret_access_key = x\n",
    )
    .unwrap();
    // A key of twelve digits is an account's on ministack: the bucket's name tells whose was used.
    let _ = project.wsless(["unlock", "--profile", "other"]).succeeds();
    let _ = project.wsless(["unlock"]).succeeds();
    let buckets: Vec<_> = cloud
        .recorder
        .calls()
        .named("GetObject")
        .iter()
        .map(|call| call.path.split('/').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        buckets,
        [
            "wsless-111122223333-us-east-1",
            "wsless-000000000000-us-east-1"
        ]
    );
}

#[test]
fn a_region_or_an_endpoint_that_cant_be_is_named_in_seconds() {
    let mut project = small(Project::offline(), "fn main() {}\n");
    project.set("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    project.set("AWS_SECRET_ACCESS_KEY", "secret");
    let _ = project
        .wsless(["unlock"])
        .exits(1)
        .warns("error[aws::no-region]")
        .warns("--region");
    let _ = project
        .wsless(["unlock", "--region", "EU_WEST 1"])
        .exits(1)
        .warns("`EU_WEST 1` isn't an AWS region")
        .warns("eu-west-1");

    project.set("AWS_REGION", "us-east-1");
    for odd in ["nonsense", "127.0.0.1:4566", "http://", "ftp://localhost"] {
        let _ = within(Duration::from_secs(5), || {
            project.wsless(["unlock", "--endpoint-url", odd])
        })
        .exits(1)
        .warns(&format!("`{odd}` isn't an endpoint's address"));
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let deploy = || project.wsless(["deploy", "--yes", "--endpoint-url", &endpoint]);
    let _ = within(Duration::from_secs(20), deploy)
        .exits(1)
        .warns(&format!("{endpoint} doesn't answer"))
        .warns("timeout");
    // Nobody listens there any more.
    drop(listener);
    let _ = within(Duration::from_secs(15), deploy)
        .exits(1)
        .warns(&format!("{endpoint} doesn't answer"))
        .warns("Connection refused")
        .warns("AWS_ENDPOINT_URL");
}

#[test]
fn credentials_that_aws_refuses_are_told_with_their_own_mend() {
    let allowed = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    });
    let mut cloud = Cloud::ministack_with_auth(&allowed);
    let good = cloud.credentials().clone();
    let mut project = small(Project::empty(&cloud), "fn main() {}\n");
    let _ = project.wsless(["unlock"]).succeeds();

    cloud.use_credentials(Credentials {
        secret_access_key: "a-wrong-secret".to_owned(),
        ..good.clone()
    });
    project.use_cloud(&cloud);
    let _ = project
        .wsless(["unlock"])
        .exits(1)
        .warns("error[aws::credentials]")
        .warns("check AWS_SECRET_ACCESS_KEY");

    cloud.use_credentials(Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        ..good.clone()
    });
    project.use_cloud(&cloud);
    let _ = project
        .wsless(["unlock"])
        .exits(1)
        .warns("AWS doesn't know this access key");

    cloud.use_credentials(good);
    project.use_cloud(&cloud);
    for (code, status, told) in [
        ("ExpiredToken", 403, "the credentials have expired"),
        ("ExpiredTokenException", 400, "aws sso login"),
        ("OptInRequired", 403, "enable the region"),
        (
            "AccessDenied",
            403,
            "the identity that deploys needs permission for sts:GetCallerIdentity",
        ),
    ] {
        let message = "The security token included in the request is expired";
        cloud
            .recorder
            .fail_next("GetCallerIdentity", status, code, message);
        let _ = project
            .wsless(["unlock"])
            .exits(1)
            .warns(code)
            .warns(told)
            .warns("injected-by-the-recorder");
    }
    cloud.recorder.fault(Fault::on("GetCallerIdentity").answer(
        200,
        "text/html",
        b"<html>a captive portal</html>",
    ));
    let _ = project.wsless(["unlock"]).exits(1).never_says("panicked");
    assert_eq!(cloud.recorder.unused_faults(), Vec::<String>::new());
}

#[test]
fn init_writes_a_whole_project_or_nothing() {
    let project = Project::offline();
    project.write("full/mine.txt", "mine");
    project.write("file", "mine");
    for (arguments, told) in [
        (&["init", "full"][..], "full isn't empty"),
        (&["init", "file"], "file"),
        (&["init", "Bad_Name!"], "write `bad-name`"),
        (&["init", "good", "--name", "9lives"], "`9lives`"),
        (&["init", "good", "--name", ""], "is empty"),
        (
            &[
                "init",
                "good",
                "--name",
                "a-name-that-is-much-too-long-for-aws",
            ],
            "too long",
        ),
    ] {
        let _ = project
            .wsless(arguments.iter().copied())
            .exits(1)
            .warns(told);
    }
    let _ = project
        .wsless(["init", "good", "--template", "ehco"])
        .exits(64)
        .warns("echo");
    let mut found: Vec<_> = std::fs::read_dir(project.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, ["file", "full"]);
    assert_eq!(project.read("full/mine.txt"), "mine");
    assert_eq!(project.read("file"), "mine");
}

#[test]
fn wrong_usage_exits_with_64_and_names_the_right_word() {
    let project = Project::offline();
    for (arguments, told) in [
        (&["deplyo"][..], "deploy"),
        (&["deploy", "--stgae", "prod"], "--stage"),
        (&["deploy", "--output", "xml"], "json"),
        (&["init", "--template"], "echo"),
    ] {
        let _ = project
            .wsless(arguments.iter().copied())
            .exits(64)
            .warns(told);
    }
    project.write("wsless.toml", MANIFEST);
    let _ = project
        .wsless(["plan", "--stage", "My Stage"])
        .exits(1)
        .warns("write `my-stage`");
}
