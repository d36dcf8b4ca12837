//! The IAM policies that a pipeline needs: what it may do to deploy exactly one stack, and who may take the role.
//!
//! Pure. What each resource type's calls need stands beside those calls ([`Resource::permissions`]); here it's put
//! together with what the engine itself does, and with what watching a stage needs ([`observe::permissions`]).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    engine::{
        bucket,
        resource::{Condition, Permission, Resource},
        scope::Scope,
        stack::Stack,
    },
    observe,
};

/// GitHub's OpenID Connect provider, as IAM names it.
const GITHUB: &str = "token.actions.githubusercontent.com";

/// What a policy lets do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Plan, deploy, watch, destroy.
    Deploy,
    /// Plan and watch: nothing that changes anything.
    Plan,
}

/// The policy with which an identity can do that with `stack`, and nothing else.
///
/// What AWS lists but can't narrow down is allowed on `*`. Types that the account shares count only if the stack has
/// one; all others are listed by every plan, so that what a former manifest left is found.
pub fn deployer(stack: &Stack, types: &[&dyn Resource], scope: &Scope, purpose: Purpose) -> Value {
    let wanted = |resource: &dyn Resource| {
        stack
            .resources
            .iter()
            .any(|desired| desired.address.kind() == resource.kind())
    };
    let permissions = types
        .iter()
        .filter(|resource| !resource.is_shared() || wanted(**resource))
        .flat_map(|resource| resource.permissions(scope))
        .chain(bucket::permissions(scope))
        .chain(observe::permissions(scope));
    let mut statements: BTreeMap<(Vec<String>, Option<Condition>), BTreeSet<String>> =
        BTreeMap::new();
    for Permission {
        mut actions,
        resources,
        condition,
    } in permissions
    {
        if purpose == Purpose::Plan {
            actions.retain(|action| only_reads(action));
        }
        if !actions.is_empty() {
            statements
                .entry((resources, condition))
                .or_default()
                .extend(actions);
        }
    }
    let statements: Vec<Value> = statements
        .into_iter()
        .map(|((resources, condition), actions)| {
            let mut statement = Map::new();
            statement.insert("Effect".into(), json!("Allow"));
            statement.insert("Action".into(), json!(actions));
            statement.insert("Resource".into(), json!(resources));
            if let Some(condition) = condition {
                statement.insert(
                    "Condition".into(),
                    json!({ condition.operator: { condition.key: condition.values } }),
                );
            }
            Value::Object(statement)
        })
        .collect();
    document(&statements)
}

/// Whether an action changes nothing, which AWS's names tell.
fn only_reads(action: &str) -> bool {
    let name = action.split_once(':').map_or(action, |(_, name)| name);
    [
        "Describe",
        "Filter",
        "GET",
        "Get",
        "List",
        "Query",
        "Scan",
        "StartLiveTail",
    ]
    .iter()
    .any(|verb| name.starts_with(verb))
}

/// The trust policy of a role that GitHub's workflows of a repository take: those of a branch, and pull requests if they
/// may plan.
///
/// Subjects are `repo:OWNER/NAME:ref:refs/heads/BRANCH`, `repo:OWNER/NAME:environment:NAME` and
/// `repo:OWNER/NAME:pull_request` [aws-facts 4.3: GitHub OIDC].
pub fn github_trust(scope: &Scope, repository: &str, subjects: &[Subject]) -> Value {
    let identity = &scope.identity;
    let provider = format!(
        "arn:{}:iam::{}:oidc-provider/{GITHUB}",
        identity.partition, identity.account
    );
    let subjects: Vec<String> = subjects
        .iter()
        .map(|subject| match subject {
            Subject::Branch(branch) => format!("repo:{repository}:ref:refs/heads/{branch}"),
            Subject::Environment(name) => format!("repo:{repository}:environment:{name}"),
            Subject::PullRequest => format!("repo:{repository}:pull_request"),
        })
        .collect();
    document(&[json!({
        "Effect": "Allow",
        "Principal": { "Federated": provider },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": {
            format!("{GITHUB}:aud"): "sts.amazonaws.com",
            format!("{GITHUB}:sub"): subjects,
        } },
    })])
}

/// Which of a repository's workflows a role is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Those that run on a branch.
    Branch(String),
    /// Those that deploy to one of the repository's environments.
    Environment(String),
    /// Those that run for a pull request.
    PullRequest,
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aws::Identity, resource};

    fn scope() -> Scope {
        Scope {
            project: "chat".to_owned(),
            stage: "prod".to_owned(),
            identity: Identity {
                account: "123456789012".to_owned(),
                partition: "aws".to_owned(),
                region: "eu-west-1".to_owned(),
                arn: String::new(),
            },
        }
    }

    fn actions(policy: &Value) -> BTreeSet<&str> {
        policy["Statement"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|statement| statement["Action"].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect()
    }

    #[test]
    fn who_only_plans_may_change_nothing() {
        let policy = |purpose| deployer(&Stack::default(), resource::ALL, &scope(), purpose);
        let (deploying, planning) = (policy(Purpose::Deploy), policy(Purpose::Plan));
        let (deploying, planning) = (actions(&deploying), actions(&planning));
        assert!(planning.is_subset(&deploying));
        assert!(planning.contains("lambda:ListFunctions") && planning.contains("apigateway:GET"));
        for watching in [
            "cloudwatch:DescribeAlarms",
            "cloudwatch:GetMetricData",
            "dynamodb:Query",
            "lambda:GetAccountSettings",
            "logs:FilterLogEvents",
            "logs:StartLiveTail",
            "sqs:GetQueueAttributes",
        ] {
            assert!(planning.contains(watching), "{watching}");
        }
        for action in planning {
            assert!(
                ![
                    "Put", "Create", "Delete", "Update", "Pass", "Add", "Attach", "Tag", "POST",
                    "PATCH", "DELETE"
                ]
                .iter()
                .any(|verb| action.contains(&format!(":{verb}"))),
                "{action}"
            );
        }
    }

    #[test]
    fn anywhere_is_only_what_aws_cant_narrow_down() {
        let policy = deployer(&Stack::default(), resource::ALL, &scope(), Purpose::Deploy);
        for statement in policy["Statement"].as_array().unwrap() {
            if statement["Resource"] != json!(["*"]) {
                continue;
            }
            let conditional = statement.get("Condition").is_some();
            for action in statement["Action"].as_array().unwrap() {
                let name = action.as_str().unwrap().split(':').nth(1).unwrap();
                assert!(
                    conditional
                        || name.starts_with("List")
                        || name.starts_with("Describe")
                        || ["GetAccountSettings", "GetMetricData"].contains(&name),
                    "{action}"
                );
            }
        }
    }

    #[test]
    fn a_role_trusts_only_the_workflows_that_it_is_for() {
        let trust = github_trust(
            &scope(),
            "me/chat",
            &[Subject::Branch("main".to_owned()), Subject::PullRequest],
        );
        let statement = &trust["Statement"][0];
        assert_eq!(
            statement["Principal"]["Federated"],
            "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        );
        assert_eq!(
            statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"],
            json!([
                "repo:me/chat:ref:refs/heads/main",
                "repo:me/chat:pull_request"
            ])
        );
    }
}
