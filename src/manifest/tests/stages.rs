//! Stages laid over the rest.

use super::{GOOD, errors, file, parsed, seen};
use crate::manifest::{AlarmName, AlarmTuning, HandlerName, Manifest, Parsed, parse};

fn in_stage(text: &str, stage: &str) -> Manifest {
    match parse(&file(text), stage) {
        Ok(Parsed { manifest, .. }) => manifest,
        Err(errors) => panic!("{errors:#?}"),
    }
}

fn with(stages: &str) -> String {
    format!("{GOOD}\n{stages}")
}

#[test]
fn a_stage_is_laid_over_the_rest_key_by_key() {
    let text = with(
        "dead-letters = false\n[stages.prod]\nproject = { region = \"us-east-1\", tags.cost = \"1\" }\napi.allowed-origins = [\"https://a.b\", \"https://c.d\"]\nhandlers.echo.queue.batch-size = 3\nroutes.extra = { handler = \"pong\" }\nroutes.ping.handler = \"echo\"\nalarms.dead-letters = true\nlogs.retention-days = 90\n",
    );
    let text = text.replace(
        "[handlers.echo]",
        "[handlers.echo]\nmemory = 300\nqueue.max-receives = 7",
    );
    let prod = in_stage(&text, "prod");
    assert_eq!(prod.project.name, "chat");
    assert_eq!(prod.project.region.as_deref(), Some("us-east-1"));
    assert_eq!(prod.project.tags["cost"], "1");
    assert_eq!(
        prod.api.allowed_origins,
        Some(vec!["https://a.b".to_owned(), "https://c.d".to_owned()])
    );
    let echo = &prod.handlers[&HandlerName::checked("echo")];
    assert_eq!(
        (
            echo.memory_mib,
            echo.queue.batch_size,
            echo.queue.max_receives
        ),
        (300, 3, 7)
    );
    assert_eq!(prod.routes.len(), 3);
    assert!(
        prod.routes
            .values()
            .any(|route| route.handler.as_str() == "echo"
                && route.via == crate::manifest::Via::Direct)
    );
    assert_eq!(prod.alarms.tuning, std::collections::BTreeMap::new());
    assert_eq!(prod.logs.retention_days, 90);

    let dev = in_stage(&text, "dev");
    assert_eq!(
        dev.alarms.tuning.get(&AlarmName::DeadLetters),
        Some(&AlarmTuning::Off)
    );
    assert_eq!((dev.routes.len(), dev.logs.retention_days), (2, 30));
}

#[test]
fn errors_of_stages_that_aren_t_meant_are_found_too() {
    let text = with(
        "[stages.prod]\nhandlers.echo.memmory = 1\nhandlers.echo.memory = 1\nlogs.retention-days = \"1\"\nroutes.ping.handler = \"pnog\"\n[stages.Bad]\n",
    );
    assert_eq!(
        seen(&errors(&text)),
        [
            ("unknown-key", vec!["memmory"]),
            ("out-of-range", vec!["1"]),
            ("wrong-type", vec!["\"1\""]),
            ("unknown-handler", vec!["\"pnog\""]),
            ("invalid-value", vec!["Bad"]),
        ]
    );
    let found = errors(&text);
    assert_eq!(
        found[0].message,
        "unknown key `memmory` in [stages.prod.handlers.echo]"
    );
}

#[test]
fn what_stages_have_in_common_is_said_once() {
    let text = with("[stages.a]\n[stages.b]\nlogs.retention-days = 7\n[stages.dev]\n");
    let text = text.replace("handler = \"pong\"", "handler = \"pnog\"");
    assert_eq!(
        seen(&errors(&text)),
        [("unknown-handler", vec!["\"pnog\""])]
    );
}

#[test]
fn two_values_that_only_a_stage_brings_together_are_pointed_at_both() {
    let text = with("[stages.prod]\nhandlers.pong.timeout = \"1m\"\n");
    assert_eq!(
        seen(&errors(&text)),
        [("direct-timeout", vec!["\"1m\"", "ping"])]
    );
    let text = with("[stages.prod]\napi.authorizer = \"echo\"\n");
    assert_eq!(
        seen(&errors(&text)),
        [("authorizer-routed", vec!["\"echo\"", "\"$default\""])]
    );
}

#[test]
fn a_stage_s_name_counts_in_a_function_s_name() {
    let name = "h".repeat(50);
    let text = with("[stages.production]\n").replace("pong", &name);
    assert_eq!(
        seen(&errors(&text)),
        [("name-too-long", vec![name.as_str()])]
    );
    // Too long in both: said of the one that is meant.
    let name = "h".repeat(58);
    let text = with("[stages.production]\n").replace("pong", &name);
    let found = errors(&text);
    assert_eq!(seen(&found), [("name-too-long", vec![name.as_str()])]);
    assert!(found[0].message.contains("chat-dev-"));
}

#[test]
fn a_stage_may_mend_what_the_rest_lacks() {
    let text = with("[stages.dev]\nroutes.ping.handler = \"pong\"\n")
        .replace("{ handler = \"pong\", via", "{ via");
    assert_eq!(seen(&parsed(&text).warnings), []);
    assert_eq!(
        parse(&file(&text), "other")
            .map_err(|found| seen(&found).len())
            .err(),
        Some(1)
    );
}

#[test]
fn warnings_are_the_stage_s_own_and_of_what_is_written_for_others() {
    let text = with(
        "[stages.prod]\napi.allowed-origins = [\"https://a.b\"]\nhandlers.ehco.memory = 512\n",
    );
    let open = text.replacen("allowed-origins = [\"https://chat.example.com\"]\n", "", 1);
    assert_eq!(
        seen(&parsed(&open).warnings),
        [
            ("any-origin", vec!["api"]),
            ("unused-handler", vec!["ehco"])
        ]
    );
    let prod = parse(&file(&open), "prod")
        .map(|parsed| parsed.warnings)
        .unwrap_or_default();
    assert_eq!(seen(&prod), [("unused-handler", vec!["ehco"])]);
}

#[test]
fn a_stage_has_neither_a_name_nor_stages() {
    let found = errors(&with(
        "[stages.prod]\nproject.name = \"x\"\nstages.x = {}\n",
    ));
    assert_eq!(
        seen(&found),
        [
            ("unknown-key", vec!["name"]),
            ("unknown-key", vec!["stages"])
        ]
    );
    assert_eq!(
        found[0].notes,
        ["a project has the same name in every stage"]
    );
    assert_eq!(found[1].notes, ["a stage has no stages of its own"]);
}
