//! Plans of a stage's life, as people and as machines read them.

use super::assert_golden;
use crate::harness::{Cloud, Output, Project, redact};

/// Standard output without what differs from run to run, and with each change of the handlers' code.
fn plan(output: &Output) -> String {
    without_ids(&output.stdout_redacted())
}

fn without_ids(text: &str) -> String {
    const RULES: [(&str, &str); 5] = [
        (r"\b[0-9a-f]{8}\b", "[ID]"),
        (r"\b[0-9a-f]{32}\b", "[HASH]"),
        (r"[A-Za-z0-9+/]{43}=", "[CODE]"),
        // Said only if anything was slow.
        (r"\n  slowest .*", ""),
        (r#""elapsed_ms":\d+"#, "\"elapsed_ms\":0"),
    ];
    RULES.iter().fold(text.to_owned(), |text, (pattern, name)| {
        let pattern = regex_lite::Regex::new(pattern).expect("a pattern");
        pattern.replace_all(&text, *name).into_owned()
    })
}

/// The error at the end of standard error; what cargo says comes before it.
fn error(output: &Output) -> &str {
    let start = output.stderr.find("error[").expect("an error");
    &output.stderr[start..]
}

#[test]
fn the_plans_of_echos_life_are_as_agreed() {
    let cloud = Cloud::ministack();
    let project = Project::init("echo", &cloud);

    let first = project.wsless(["plan", "--detailed-exitcode"]).exits(2);
    assert_golden!("plan-first", plan(&first));
    let verbose = project.wsless(["plan", "-v"]).succeeds();
    assert_golden!("plan-first-verbose", plan(&verbose));
    let json = project.wsless(["plan", "--output", "json"]).succeeds();
    assert_eq!(shown(&first), told(&json), "{json}");

    let before = cloud.recorder.mark();
    let _ = project.wsless(["plan"]).succeeds();
    cloud.recorder.mutations_since(before).assert_none();

    let deployed = project.wsless(["deploy"]).succeeds();
    assert_golden!("deploy-first", plan(&deployed));

    let same = project.wsless(["plan", "--detailed-exitcode"]).succeeds();
    assert_golden!("plan-same", plan(&same));
    let nothing = project.wsless(["deploy"]).succeeds();
    assert_golden!("deploy-same", plan(&nothing));

    update(&project);
    let changes = project.wsless(["plan", "--detailed-exitcode"]).exits(2);
    assert_golden!("plan-update", plan(&changes));
    let json = project.wsless(["plan", "--output", "json"]).succeeds();
    assert_golden!("plan-update-json", json_plan(&json));
    for output in [changes, json] {
        let _ = output.never_says("hunter2");
    }

    // Nobody is there to be asked.
    let before = cloud.recorder.mark();
    let deploy = project.wsless(["deploy"]).exits(64);
    assert_golden!("deploy-unanswered", error(&deploy));
    let destroy = project.wsless(["destroy"]).exits(64);
    assert_golden!("destroy-unanswered", error(&destroy));
    assert_golden!("plan-destroy", plan(&destroy));
    cloud.recorder.mutations_since(before).assert_none();

    let destroyed = project.wsless(["destroy", "--yes"]).succeeds();
    let (_, summary) = destroyed
        .stdout
        .split_once("\nDestroyed ")
        .expect("a summary");
    assert_golden!("destroy-summary", without_ids(&redact(summary)));
    let again = project.wsless(["destroy"]).succeeds();
    assert_golden!("destroy-again", plan(&again));
}

/// The changes of a human plan: `+ api/websocket`.
fn shown(output: &Output) -> Vec<String> {
    let lines = output.stdout.lines();
    lines
        .filter(|line| {
            ["+ ", "~ ", "- ", "-/+ "]
                .iter()
                .any(|sign| line.starts_with(sign))
        })
        .map(str::to_owned)
        .collect()
}

/// The same of a plan for machines.
fn told(output: &Output) -> Vec<String> {
    let lines = output.json_lines();
    let plans: Vec<_> = lines.iter().filter(|line| line["type"] == "plan").collect();
    assert_eq!(plans.len(), 1, "{output}");
    assert!(
        lines.iter().all(|line| line["schema"] == "wsless/1"),
        "{output}"
    );
    let changes = plans[0]["changes"].as_array().expect("changes");
    changes
        .iter()
        .filter_map(|change| {
            let sign = match change["action"].as_str()? {
                "create" => "+",
                "update" => "~",
                "delete" => "-",
                "replace" => "-/+",
                _ => return None,
            };
            Some(format!("{sign} {}", change["address"].as_str()?))
        })
        .collect()
}

/// The plan for machines, without what is kept and what is new, in lines that a difference can be read in.
fn json_plan(output: &Output) -> String {
    let pretty: Vec<_> = plan(output)
        .lines()
        .map(|line| {
            let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if let Some(changes) = value
                .get_mut("changes")
                .and_then(|changes| changes.as_array_mut())
            {
                changes.retain(|change| change["action"] != "keep" && change["action"] != "create");
            }
            serde_json::to_string_pretty(&value).expect("JSON")
        })
        .collect();
    pretty.join("\n")
}

/// A secret comes, a handler is given memory, a route goes the other way, and another one goes away.
fn update(project: &Project) {
    project.edit(
        "wsless.toml",
        "[handlers.echo]\nmemory = 128 ",
        "[handlers.echo]\nenvironment = { TOKEN = \"hunter2\" }\nmemory = 512 ",
    );
    project.edit(
        "wsless.toml",
        "ping = { handler = \"ping\", via = \"direct\" }",
        "pong = { handler = \"ping\" }",
    );
}
