use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Context, Decision, Kind, Policy, Principal, Request, evaluate,
    pattern::{Case, Pattern, Wildcards},
};

fn context(entries: &[(&str, &[&str])]) -> Context {
    entries
        .iter()
        .map(|(key, values)| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            ((*key).to_owned(), values)
        })
        .collect()
}

fn policy(kind: Kind, statements: &Value) -> Policy {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Policy::parse(kind, &document.to_string()).unwrap()
}

fn refusal(kind: Kind, document: &Value) -> String {
    Policy::parse(kind, &document.to_string()).unwrap_err().0
}

fn may(policy: &Policy, action: &str, resource: &str, context: &Context) -> bool {
    let request = Request {
        action,
        resource,
        principal: Principal::Anonymous,
        context,
    };
    policy.evaluate(&request).is_allowed()
}

fn allows(action: &Value, resource: &Value, asked: (&str, &str)) -> bool {
    let policy = policy(
        Kind::Inline,
        &json!({ "Effect": "Allow", "Action": action, "Resource": resource }),
    );
    may(&policy, asked.0, asked.1, &Context::new())
}

fn holds(condition: &Value, entries: &[(&str, &[&str])]) -> bool {
    let policy = policy(
        Kind::Inline,
        &json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition }),
    );
    may(&policy, "sqs:SendMessage", "*", &context(entries))
}

const QUEUE: &str = "arn:aws:sqs:eu-west-1:000000000000:orders";

#[test]
fn actions_have_no_case_and_resources_have() {
    assert!(allows(
        &json!("SQS:sendmessage"),
        &json!(QUEUE),
        ("sqs:SendMessage", QUEUE)
    ));
    assert!(allows(
        &json!("sqs:S*M?ssage"),
        &json!("arn:aws:sqs:*:*:ord*"),
        ("sqs:SendMessage", QUEUE)
    ));
    assert!(!allows(
        &json!("sqs:*"),
        &json!("arn:aws:sqs:eu-west-1:000000000000:Orders"),
        ("sqs:SendMessage", QUEUE)
    ));
    assert!(!allows(
        &json!(["sqs:ReceiveMessage", "sqs:Send"]),
        &json!("*"),
        ("sqs:SendMessage", QUEUE)
    ));
}

#[test]
fn what_isnt_named_is_meant_by_not_action_and_not_resource() {
    let policy = policy(
        Kind::Inline,
        &json!({ "Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:sqs:*:*:secret*" }),
    );
    let none = Context::new();
    assert!(may(&policy, "sqs:SendMessage", QUEUE, &none));
    assert!(!may(&policy, "iam:GetRole", QUEUE, &none));
    assert!(!may(
        &policy,
        "sqs:SendMessage",
        "arn:aws:sqs:eu-west-1:000000000000:secrets",
        &none
    ));
}

#[test]
fn a_deny_wins_wherever_it_stands_and_says_which_it_is() {
    let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    let deny =
        json!({ "Sid": "NoSecrets", "Effect": "Deny", "Action": "sqs:*", "Resource": QUEUE });
    for statements in [json!([allow, deny]), json!([deny, allow])] {
        let policies = [policy(Kind::Inline, &statements)];
        let none = Context::new();
        let request = Request {
            action: "sqs:SendMessage",
            resource: QUEUE,
            principal: Principal::Anonymous,
            context: &none,
        };
        let Decision::Denied(statement) = evaluate(&policies, &request) else {
            panic!("not denied");
        };
        assert_eq!(statement.sid.as_deref(), Some("NoSecrets"));
        assert!(may(&policies[0], "sns:Publish", QUEUE, &none));
    }
}

#[test]
fn variables_are_filled_from_the_request_and_taken_literally() {
    let resource = json!("arn:aws:s3:::b/${aws:username}/${*}${missing:key, 'x'}*");
    let policy = policy(
        Kind::Inline,
        &json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource }),
    );
    assert!(policy.needs_context());
    let ann = context(&[("aws:UserName", &["a*n"])]);
    assert!(may(&policy, "s3:GetObject", "arn:aws:s3:::b/a*n/*x1", &ann));
    assert!(!may(
        &policy,
        "s3:GetObject",
        "arn:aws:s3:::b/ann/*x1",
        &ann
    ));
    assert!(!may(
        &policy,
        "s3:GetObject",
        "arn:aws:s3:::b/a*n/yx1",
        &ann
    ));
    assert!(!may(
        &policy,
        "s3:GetObject",
        "arn:aws:s3:::b/a*n/*x1",
        &Context::new()
    ));
}

#[test]
fn text_operators_compare_as_their_names_say() {
    let a = |text: &'static str| [("aws:PrincipalTag/team", vec![text])];
    let with = |operator: &str, wanted: &str, found: &'static str| {
        let entries = a(found);
        let entries: Vec<(&str, &[&str])> = entries
            .iter()
            .map(|(key, values)| (*key, values.as_slice()))
            .collect();
        holds(
            &json!({ operator: { "AWS:principaltag/team": wanted } }),
            &entries,
        )
    };
    assert!(with("StringEquals", "red", "red"));
    assert!(!with("StringEquals", "r*", "red"));
    assert!(!with("StringEquals", "Red", "red"));
    assert!(with("StringEqualsIgnoreCase", "RED", "red"));
    assert!(with("StringNotEquals", "blue", "red"));
    assert!(!with("StringNotEquals", "red", "red"));
    assert!(with("StringLike", "r?d*", "red"));
    assert!(!with("StringNotLike", "r*", "red"));
}

#[test]
fn arns_are_compared_part_by_part() {
    let source = "arn:aws:execute-api:eu-west-1:000000000000:abc/prod/$connect";
    let with = |wanted: &str| {
        holds(
            &json!({ "ArnLike": { "AWS:SourceArn": wanted } }),
            &[("aws:SourceArn", &[source])],
        )
    };
    assert!(with("arn:aws:execute-api:eu-west-1:000000000000:abc/*"));
    assert!(with("arn:aws:execute-api:*:*:abc/*/$connect"));
    assert!(!with("arn:aws:execute-api:*:abc/*"));
    assert!(!with("arn:aws:execute-api:eu-west-1:000000000000:abd/*"));
    assert!(holds(
        &json!({ "ArnNotEquals": { "aws:SourceArn": "arn:aws:sns:*:*:*" } }),
        &[("aws:SourceArn", &[source])]
    ));
}

#[test]
fn numbers_dates_truths_and_addresses_are_compared_as_such() {
    let key = "x:key";
    let with = |operator: &str, wanted: Value, found: &str| {
        holds(&json!({ operator: { key: wanted } }), &[(key, &[found])])
    };
    assert!(with("NumericLessThanEquals", json!(10), "10.0"));
    assert!(!with("NumericLessThan", json!("10"), "10"));
    assert!(with("NumericNotEquals", json!(10), "11"));
    assert!(!with("NumericEquals", json!(10), "ten"));
    assert!(with(
        "DateGreaterThan",
        json!("2024-01-01"),
        "2024-01-01T00:00:01Z"
    ));
    assert!(with(
        "DateLessThan",
        json!("2024-01-01T00:00:00Z"),
        "1700000000"
    ));
    assert!(with("Bool", json!(true), "True"));
    assert!(!with("Bool", json!("true"), "false"));
    assert!(with("IpAddress", json!("127.0.0.0/8"), "127.9.9.9"));
    assert!(!with("IpAddress", json!("127.0.0.0/8"), "128.0.0.1"));
    assert!(with("IpAddress", json!("0.0.0.0/0"), "128.0.0.1"));
    assert!(with("IpAddress", json!("2001:db8::/32"), "2001:db8::1"));
    assert!(with(
        "NotIpAddress",
        json!(["10.0.0.0/8", "::1"]),
        "127.0.0.1"
    ));
}

#[test]
fn an_absent_key_fails_unless_the_operator_says_otherwise() {
    let source = |operator: &str| json!({ operator: { "aws:SourceArn": "arn:aws:sqs:a:b:c" } });
    assert!(!holds(&source("StringEquals"), &[]));
    assert!(!holds(&source("ArnLike"), &[]));
    assert!(holds(&source("StringNotEquals"), &[]));
    assert!(holds(&source("ArnNotLike"), &[]));
    assert!(holds(&source("ArnLikeIfExists"), &[]));
    assert!(!holds(
        &source("ArnLikeIfExists"),
        &[("aws:SourceArn", &["arn:aws:sqs:a:b:d"])]
    ));
    assert!(holds(&source("ForAllValues:StringEquals"), &[]));
    assert!(!holds(&source("ForAnyValue:StringEquals"), &[]));
    assert!(!holds(&source("ForAnyValue:StringNotEquals"), &[]));
    assert!(holds(&json!({ "Null": { "aws:SourceArn": "true" } }), &[]));
    assert!(!holds(&json!({ "Null": { "aws:SourceArn": false } }), &[]));
    assert!(holds(
        &json!({ "Null": { "aws:SourceArn": "false" } }),
        &[("aws:SourceArn", &["x"])]
    ));
}

#[test]
fn keys_of_several_values_are_looked_at_as_any_or_all() {
    let tags = |operator: &str, found: &[&str]| {
        holds(
            &json!({ operator: { "aws:TagKeys": ["team", "stage"] } }),
            &[("aws:TagKeys", found)],
        )
    };
    assert!(tags("ForAllValues:StringEquals", &["team", "stage"]));
    assert!(!tags("ForAllValues:StringEquals", &["team", "cost"]));
    assert!(tags("ForAnyValue:StringEquals", &["cost", "team"]));
    assert!(!tags("ForAnyValue:StringEquals", &["cost"]));
    assert!(tags("ForAnyValue:StringNotEquals", &["team", "cost"]));
    assert!(!tags("ForAllValues:StringNotEquals", &["team", "cost"]));
}

#[test]
fn all_conditions_must_hold_and_one_value_is_enough() {
    let condition = json!({
        "StringEquals": { "a:x": ["1", "2"], "a:y": "3" },
        "Bool": { "aws:SecureTransport": false },
    });
    let full: [(&str, &[&str]); 3] = [
        ("a:x", &["2"]),
        ("a:y", &["3"]),
        ("aws:SecureTransport", &["false"]),
    ];
    assert!(holds(&condition, &full));
    for missing in 0..full.len() {
        let mut entries = full.to_vec();
        entries.remove(missing);
        assert!(!holds(&condition, &entries));
    }
}

#[test]
fn principals_are_services_accounts_arns_or_everybody() {
    let role = "arn:aws:iam::000000000000:role/r";
    let session = "arn:aws:sts::000000000000:assumed-role/r/s";
    let none = Context::new();
    let trusts = |principal: Value, asking: Principal<'_>| {
        let policy = policy(
            Kind::Trust,
            &json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" }),
        );
        let request = Request {
            action: "sts:AssumeRole",
            resource: "",
            principal: asking,
            context: &none,
        };
        policy.evaluate(&request).is_allowed()
    };
    let arns = [session, role];
    let ours = Principal::Aws {
        account: Some("000000000000"),
        arns: &arns,
    };
    let lambda = Principal::Service("lambda.amazonaws.com");
    assert!(trusts(
        json!({ "Service": ["apigateway.amazonaws.com", "lambda.amazonaws.com"] }),
        lambda
    ));
    assert!(!trusts(
        json!({ "Service": "apigateway.amazonaws.com" }),
        lambda
    ));
    assert!(!trusts(json!({ "AWS": "000000000000" }), lambda));
    assert!(trusts(json!({ "AWS": "000000000000" }), ours));
    assert!(trusts(
        json!({ "AWS": "arn:aws:iam::000000000000:root" }),
        ours
    ));
    assert!(!trusts(
        json!({ "AWS": "arn:aws:iam::111111111111:root" }),
        ours
    ));
    assert!(trusts(json!({ "AWS": role }), ours));
    assert!(trusts(json!({ "AWS": session }), ours));
    assert!(trusts(json!("*"), Principal::Anonymous));
    let not = policy(
        Kind::Resource,
        &json!({ "Effect": "Allow", "NotPrincipal": { "AWS": role }, "Action": "sqs:*", "Resource": "*" }),
    );
    let ask = |principal| Request {
        action: "sqs:SendMessage",
        resource: QUEUE,
        principal,
        context: &none,
    };
    assert!(not.evaluate(&ask(lambda)).is_allowed());
    assert!(!not.evaluate(&ask(ours)).is_allowed());
}

#[test]
fn documents_are_refused_in_iams_words() {
    let statement = |members: Value| {
        let mut statement = json!({ "Effect": "Allow", "Action": "sqs:*", "Resource": "*" });
        for (key, value) in members.as_object().unwrap() {
            if value.is_null() {
                statement.as_object_mut().unwrap().remove(key);
            } else {
                statement[key] = value.clone();
            }
        }
        json!({ "Version": "2012-10-17", "Statement": [statement] })
    };
    let syntax = "Syntax errors in policy.";
    let cases = [
        (json!([]), syntax),
        (json!({ "Version": "2012-10-17" }), syntax),
        (
            json!({ "Version": "2012-10-17", "Statement": [], "More": 1 }),
            syntax,
        ),
        (
            json!({ "Version": "2020-10-17", "Statement": { "Effect": "Allow" } }),
            syntax,
        ),
        (statement(json!({ "Effect": "allow" })), syntax),
        (statement(json!({ "Sid": 1 })), syntax),
        (statement(json!({ "NotAction": "a:b" })), syntax),
        (statement(json!({ "Action": [1] })), syntax),
        (statement(json!({ "Odd": 1 })), syntax),
        (
            statement(json!({ "Condition": { "StringIs": { "a:b": "c" } } })),
            syntax,
        ),
        (
            statement(json!({ "Action": null })),
            "Policy statement must contain actions.",
        ),
        (
            statement(json!({ "Action": [] })),
            "Policy statement must contain actions.",
        ),
        (
            statement(json!({ "Resource": null })),
            "Policy statement must contain resources.",
        ),
        (
            statement(json!({ "Action": "SendMessage" })),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            statement(json!({ "Action": "a:b:c" })),
            "Actions/Condition can contain only one colon.",
        ),
        (
            statement(json!({ "Action": "s qs:b" })),
            "Vendor s qs is not valid",
        ),
        (
            statement(json!({ "Resource": "orders" })),
            "Resource orders must be in ARN format or \"*\".",
        ),
        (
            statement(json!({ "Resource": "arn:foo:sqs:a" })),
            "Partition \"foo\" is not valid for resource \"arn:foo:sqs:a:*:*\".",
        ),
        (
            statement(json!({ "Principal": "*" })),
            "Policy document should not specify a principal.",
        ),
    ];
    for (document, words) in cases {
        assert_eq!(refusal(Kind::Inline, &document), words, "{document}");
    }
    let twice = json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*" },
    ] });
    assert_eq!(
        refusal(Kind::Inline, &twice),
        "Statement IDs (SID) in a single policy must be unique."
    );
    let old = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    assert_eq!(
        refusal(Kind::Managed, &old),
        "Policy document must be version 2012-10-17 or greater."
    );
    assert!(Policy::parse(Kind::Inline, &old.to_string()).is_ok());
}

#[test]
fn trust_is_refused_in_iams_words() {
    let trust = |statement: Value| json!({ "Version": "2012-10-17", "Statement": statement });
    assert_eq!(
        Policy::parse(Kind::Trust, "{").unwrap_err().0,
        "This policy contains invalid Json"
    );
    let lambda = json!({ "Service": "lambda.amazonaws.com" });
    let cases = [
        (
            json!({ "Effect": "Allow", "Principal": lambda, "Action": "sts:AssumeRole", "Resource": "*" }),
            "Has prohibited field Resource",
        ),
        (
            json!({ "Effect": "Allow", "Action": "sts:AssumeRole" }),
            "Missing required field Principal",
        ),
        (
            json!({ "Effect": "Allow", "Principal": lambda, "Action": "sqs:SendMessage" }),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            json!({ "Effect": "Allow", "Principal": { "Service": "lambda" }, "Action": "sts:AssumeRole" }),
            "Invalid principal in policy: \"SERVICE\":\"lambda\"",
        ),
        (
            json!({ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::000000000000:role/*" }, "Action": "sts:AssumeRole" }),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::000000000000:role/*\"",
        ),
    ];
    for (statement, words) in cases {
        assert_eq!(refusal(Kind::Trust, &trust(statement)), words);
    }
}

/// What a glob means, said as plainly as can be.
fn means(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), None) => means(rest, text),
        (Some(('*', rest)), Some((_, later))) => means(rest, text) || means(pattern, later),
        (Some(('?', rest)), Some((_, later))) => means(rest, later),
        (Some((wanted, rest)), Some((found, later))) => wanted == found && means(rest, later),
        _ => false,
    }
}

proptest! {
    #[test]
    fn globs_match_what_they_mean(pattern in "[ab*?é]{0,8}", text in "[abé]{0,8}") {
        let compiled = Pattern::new(&pattern, Case::Matters, Wildcards::Work, true);
        let pattern: Vec<char> = pattern.chars().collect();
        let chars: Vec<char> = text.chars().collect();
        prop_assert_eq!(compiled.matches(&text, &Context::new()), means(&pattern, &chars));
    }

    #[test]
    fn no_text_makes_parsing_or_matching_panic(pattern in ".{0,40}", text in ".{0,40}") {
        let compiled = Pattern::new(&pattern, Case::Ignored, Wildcards::Work, true);
        let _ = compiled.matches(&text, &Context::new());
        let _ = Policy::parse(Kind::Inline, &text);
        let document = json!({ "Statement": {
            "Effect": "Allow", "Action": pattern, "Resource": text, "Condition": { &text: { &pattern: &text } },
        } });
        let _ = Policy::parse(Kind::Resource, &document.to_string());
    }
}
