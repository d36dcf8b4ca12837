//! The roles that a deploy makes suffice, and are needed: on ministack that enforces policies, where each function
//! has a session of its own role.

use serde_json::{Value, json};

use super::{BOUND, System, chat, policy, updates};
use crate::harness::{Cloud, Project, run, wait_for};

/// The name of the policy that `let_batches_pass` gives.
const BATCHES: &str = "batches-on-ministack";

#[test]
fn echos_roles_suffice_and_a_missing_permission_is_found_and_mended() {
    let cloud = Cloud::ministack_with_auth(&deployer("echo"));
    let before = cloud.inventory();
    let project = Project::init("echo", &cloud);
    let system = System {
        cloud: &cloud,
        project: &project,
        name: "echo",
        stage: "dev",
    };
    let address = system.deploy();
    let_batches_pass(&system);
    system.deploy_without_a_change();
    let mut session = system.open(&address);
    session
        .client
        .send_json(&json!({"action": "ping", "id": 7}));
    assert_eq!(session.client.receive_json(), json!({"pong": 7}));
    system.send("echo", &mut session, "$default", "hello");
    assert_eq!(session.client.receive(), "hello");

    project.edit(
        "wsless.toml",
        "[handlers.ping]\nmemory = 128",
        "[handlers.ping]\nmemory = 256",
    );
    system.deploy();

    // Without its role's policy the handler may not reply: what was shown above wasn't let through by everyone.
    let iam = aws_sdk_iam::Client::new(&cloud.sdk());
    for policy in ["wsless", BATCHES] {
        run(iam
            .delete_role_policy()
            .role_name(system.thing("echo"))
            .policy_name(policy)
            .send())
        .expect("a policy is deleted");
    }
    system.send("echo", &mut session, "$default", "refused");
    wait_for("the handler to be refused", BOUND, || {
        system
            .log_lines("echo")
            .iter()
            .any(|line| line.to_string().contains("AccessDenied"))
            .then_some(())
    });
    assert_eq!(system.plan(), updates(["role/echo"]));
    system.deploy();
    let_batches_pass(&system);
    system.send("echo", &mut session, "$default", "mended");
    assert_eq!(session.client.receive(), "mended");

    // The refused message waits to be tried again.
    let _ = system
        .wsless(["destroy", "--yes"])
        .exits(1)
        .warns("delete queue/echo would lose 1 message");
    let _ = system
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    cloud.inventory().assert_same_as(&before);
}

#[test]
fn chats_roles_suffice_for_the_registry() {
    let cloud = Cloud::ministack_with_auth(&deployer("chat"));
    let before = cloud.inventory();
    let project = Project::init("chat", &cloud);
    let system = System {
        cloud: &cloud,
        project: &project,
        name: "chat",
        stage: "dev",
    };
    let address = system.deploy();
    let_batches_pass(&system);
    let mut ada = system.open(&address);
    let mut bob = system.open(&address);
    chat::join(&system, &mut ada, "Ada");
    chat::join(&system, &mut bob, "Bob");
    assert_eq!(ada.client.receive_json()["event"], "joined");
    chat::say(&system, &mut ada, "hello");
    for session in [&mut ada, &mut bob] {
        assert_eq!(session.client.receive_json(), chat::said("Ada", "hello"));
    }
    bob.client.close();
    wait_for("Bob to be out of the room", BOUND, || {
        (chat::who(&mut ada) == ["Ada"]).then_some(())
    });
    let _ = system
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    cloud.inventory().assert_same_as(&before);
}

/// ministack checks a batch as `sqs:SendMessageBatch`. AWS has no such action: `sqs:SendMessage` covers batches [SAR
/// Amazon SQS]. So each role that may send to a queue gets, for the same queue, what ministack calls it.
fn let_batches_pass(system: &System<'_>) {
    let iam = aws_sdk_iam::Client::new(&system.cloud.sdk());
    let mut senders = 0;
    for role in ["chat", "echo", "ping", "push"].map(|thing| system.thing(thing)) {
        let Some(document) = policy(system, &role) else {
            continue;
        };
        for statement in document["Statement"].as_array().expect("statements") {
            if !statement["Action"]
                .to_string()
                .contains("\"sqs:SendMessage\"")
            {
                continue;
            }
            senders += 1;
            let allowed = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Action": "sqs:SendMessageBatch", "Resource": statement["Resource"],
            }]});
            run(iam
                .put_role_policy()
                .role_name(&role)
                .policy_name(BATCHES)
                .policy_document(allowed.to_string())
                .send())
            .expect("a policy is put");
        }
    }
    assert!(senders >= 2, "a handler and push send to the results queue");
}

/// What who deploys a project's stage `dev` needs, as narrow as ministack can tell things apart: it looks for roles
/// without their path, and for most listings, CreateFunction and mappings at `*` only.
fn deployer(project: &str) -> Value {
    let arn =
        |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:000000000000:{rest}");
    let names = format!("{project}-dev-*");
    let bucket = "arn:aws:s3:::wsless-000000000000-us-east-1";
    let statement = |actions: &[&str], resources: &[&str]| json!({"Effect": "Allow", "Action": actions, "Resource": resources});
    json!({"Version": "2012-10-17", "Statement": [
        statement(&["sts:GetCallerIdentity"], &["*"]),
        statement(
            &["s3:CreateBucket", "s3:DeleteBucket", "s3:ListBucket", "s3:PutBucketPublicAccessBlock"],
            &[bucket],
        ),
        statement(
            &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            &[&format!("{bucket}/{project}/dev/*")],
        ),
        statement(&["iam:ListRoles"], &["*"]),
        statement(
            &["iam:*Role", "iam:*RolePolicy", "iam:*RolePolicies", "iam:ListRoleTags"],
            &[&format!("arn:aws:iam::000000000000:role/{names}")],
        ),
        statement(&["lambda:*"], &[&arn("lambda", &format!("function:{names}"))]),
        statement(
            &["lambda:CreateFunction", "lambda:ListFunctions", "lambda:*EventSourceMapping*"],
            &["*"],
        ),
        statement(&["lambda:ListTags", "lambda:TagResource"], &[&arn("lambda", "event-source-mapping:*")]),
        statement(&["sqs:*"], &[&arn("sqs", &names)]),
        statement(&["sqs:ListQueues"], &["*"]),
        statement(&["dynamodb:*"], &[&arn("dynamodb", &format!("table/{names}"))]),
        statement(&["dynamodb:ListTables", "dynamodb:ListTagsOfResource"], &["*"]),
        statement(&["logs:*"], &[&arn("logs", &format!("log-group:/aws/lambda/{names}"))]),
        statement(&["logs:DescribeLogGroups"], &["*"]),
        statement(&["cloudwatch:*"], &[&arn("cloudwatch", &format!("alarm:{names}"))]),
        statement(&["cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard"], &["*"]),
        statement(
            &["apigateway:*"],
            &["arn:aws:apigateway:us-east-1::/apis", "arn:aws:apigateway:us-east-1::/apis/*"],
        ),
    ]})
}
