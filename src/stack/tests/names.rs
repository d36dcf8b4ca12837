//! AWS's names: within their limits, and each thing's own.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// The most characters of a name of a kind, and what it's made of beside letters and digits [service models].
const LIMITS: [(&str, &str, usize, &str); 6] = [
    ("function", "name", 64, "-_"),
    ("role", "name", 64, "-_+=,.@"),
    ("queue", "name", 80, "-_"),
    ("table", "name", 255, "-_."),
    ("alarm", "name", 255, "-"),
    ("log-group", "name", 512, "-_/.#"),
];

/// Asserts that all names of a stack are good and each is there once.
fn check_names(stack: &Stack) -> Result<(), TestCaseError> {
    for (kind, key, limit, others) in LIMITS {
        let mut seen = BTreeSet::new();
        for (thing, properties) in of_kind(stack, kind) {
            let name = properties[key].as_str().expect("a name");
            prop_assert!(name.len() <= limit, "{kind}/{thing}: {name}");
            let stem = name.strip_suffix(".fifo").unwrap_or(name);
            let odd = stem
                .chars()
                .find(|letter| !letter.is_ascii_alphanumeric() && !others.contains(*letter));
            prop_assert_eq!(odd, None, "{}/{}: {}", kind, thing, name);
            prop_assert!(seen.insert(name.to_owned()), "{name} is there twice");
        }
    }
    Ok(())
}

/// A manifest with these handlers, each with a queue and a direct route.
fn manifest_of(project: &str, handlers: &BTreeSet<String>) -> String {
    use std::fmt::Write as _;
    let mut text = format!("[project]\nname = \"{project}\"\n");
    let mut routes = String::from("[routes]\n");
    for (number, handler) in handlers.iter().enumerate() {
        let order = ["none", "connection"][number % 2];
        let _ = write!(text, "[handlers.{handler}.queue]\norder = \"{order}\"\n");
        let _ = write!(
            routes,
            "queued-{handler} = {{ handler = \"{handler}\" }}\n\
             direct-{handler} = {{ handler = \"{handler}\", via = \"direct\" }}\n"
        );
    }
    text + &routes
}

fn name(length: usize) -> impl Strategy<Value = String> {
    // Full length often: that's where limits are.
    let inner = prop_oneof![Just(length.saturating_sub(2)), 0..length.saturating_sub(1)];
    inner.prop_flat_map(|inner| {
        proptest::string::string_regex(&format!("[a-z][a-z0-9-]{{{inner}}}[a-z0-9]"))
            .expect("a pattern")
    })
}

/// Words that are parts of names of ours, so that their combinations might be other things' names.
fn nasty() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        "dlq",
        "results",
        "push",
        "connect",
        "disconnect",
        "gateway",
        "dead",
        "letters",
        "message-age",
        "handler-errors",
        "handler",
        "errors",
        "api",
        "access",
        "connections",
        "dead-letters",
        "fifo",
        "live",
        "queue",
        "function",
    ]);
    prop::collection::vec(word, 1..4).prop_map(|words| words.join("-"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn names_of_any_good_manifest_are_within_awss_limits_and_distinct(
        project in name(24),
        stage in name(20),
        handlers in prop::collection::btree_set(name(40), 1..4),
    ) {
        let longest = 64 - project.len() - stage.len() - 2;
        let handlers = handlers
            .iter()
            .map(|handler| handler[..handler.len().min(longest)].trim_end_matches('-').to_owned())
            .collect();
        if let Some(manifest) = parsed(&manifest_of(&project, &handlers), &stage) {
            let scope = scope_of(&manifest, &stage);
            check_names(&stack(&manifest, &codes_of(&manifest, ""), &scope).expect("a stack"))?;
        } else {
            prop_assert!(handlers.iter().any(|name| name.ends_with("-dlq")), "refused: {handlers:?}");
        }
    }

    #[test]
    fn handlers_named_like_parts_of_the_system_collide_with_nothing_or_are_refused(
        handlers in prop::collection::btree_set(nasty(), 1..6),
    ) {
        if let Some(manifest) = parsed(&manifest_of("nasty", &handlers), "dev") {
            let scope = scope_of(&manifest, "dev");
            check_names(&stack(&manifest, &codes_of(&manifest, ""), &scope).expect("a stack"))?;
        } else {
            let reserved = ["push", "results", "gateway", "connect", "disconnect"];
            let refused = |name: &String| {
                reserved.contains(&name.as_str()) || name.ends_with("-dlq") || name.len() > 54
            };
            prop_assert!(handlers.iter().any(refused), "refused: {handlers:?}");
        }
    }
}

#[test]
fn two_stages_share_no_name() {
    let names = |stage: &str| -> BTreeSet<String> {
        let manifest = parsed(FULL, stage).expect("a good manifest");
        let scope = scope_of(&manifest, stage);
        let stack = stack(&manifest, &codes_of(&manifest, ""), &scope).expect("a stack");
        LIMITS
            .iter()
            .flat_map(|(kind, key, ..)| {
                of_kind(&stack, kind)
                    .map(|(_, properties)| format!("{kind} {}", properties[*key]))
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let shared: Vec<_> = names("dev").intersection(&names("prod")).cloned().collect();
    assert!(shared.is_empty(), "{shared:?}");
}
