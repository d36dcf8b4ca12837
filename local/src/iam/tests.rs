mod access;
mod sessions;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Caller, Iam, Permission, permission,
    policy::{Context, Kind, Policy},
    state::{Rights, Timeline, Verdict},
};
use crate::{
    Fidelity, Options,
    call::{Call, Payload, Service},
    clock::Millis,
    cloud::{Cloud, perform},
    error::AwsError,
};

fn cloud() -> Arc<Cloud> {
    Cloud::for_test(Options::default())
}

fn owner() -> Caller {
    Caller::Owner {
        access_key: "AKIAIOSFODNN7EXAMPLE".into(),
    }
}

fn request(
    cloud: &Arc<Cloud>,
    caller: Caller,
    service: Service,
    operation: &str,
    input: Value,
) -> Call {
    Call {
        caller,
        ..Call::for_test(cloud, "eu-west-1", service, operation, input)
    }
}

async fn perform_as(
    cloud: &Arc<Cloud>,
    caller: Caller,
    service: Service,
    operation: &str,
    input: Value,
) -> Result<Value, AwsError> {
    let call = request(cloud, caller, service, operation, input);
    match perform(&call).await?.payload {
        Payload::Members(members) => Ok(members),
        other => panic!("{other:?}"),
    }
}

async fn call(cloud: &Arc<Cloud>, operation: &str, input: Value) -> Result<Value, AwsError> {
    perform_as(cloud, owner(), Service::Iam, operation, input).await
}

async fn sts(
    cloud: &Arc<Cloud>,
    caller: Caller,
    operation: &str,
    input: Value,
) -> Result<Value, AwsError> {
    perform_as(cloud, caller, Service::Sts, operation, input).await
}

fn said(error: &AwsError) -> (u16, &str, &str) {
    (error.status.as_u16(), &error.code, &error.message)
}

fn trust(principal: &Value) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" }],
    })
    .to_string()
}

fn lambda() -> String {
    trust(&json!({ "Service": "lambda.amazonaws.com" }))
}

fn allow(action: &str, resource: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": action, "Resource": resource }],
    })
    .to_string()
}

async fn role(cloud: &Arc<Cloud>, name: &str) -> Value {
    let input =
        json!({ "RoleName": name, "Path": "/wsless/", "AssumeRolePolicyDocument": lambda() });
    call(cloud, "CreateRole", input).await.unwrap()["Role"].take()
}

async fn put(cloud: &Arc<Cloud>, role: &str, document: &str) {
    let input = json!({ "RoleName": role, "PolicyName": "p", "PolicyDocument": document });
    call(cloud, "PutRolePolicy", input).await.unwrap();
}

fn session(name: &str) -> Caller {
    Caller::Role {
        role: format!("arn:aws:iam::000000000000:role/wsless/{name}"),
        session: "s".into(),
    }
}

fn send() -> Permission {
    Permission {
        action: "sqs:SendMessage".into(),
        resource: "arn:aws:sqs:eu-west-1:000000000000:orders".into(),
    }
}

#[tokio::test]
async fn a_role_is_read_back_as_it_was_made() {
    let cloud = cloud();
    let input = json!({
        "RoleName": "r",
        "Path": "/wsless/chat/",
        "AssumeRolePolicyDocument": format!(" {} ", lambda()),
        "Description": "runs it",
        "MaxSessionDuration": "7200",
        "PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess",
        "Tags": [{ "Key": "stage", "Value": "dev" }],
    });
    let made = call(&cloud, "CreateRole", input).await.unwrap();
    let read = call(&cloud, "GetRole", json!({ "RoleName": "r" }))
        .await
        .unwrap();
    let role = &read["Role"];
    assert_eq!(role["Arn"], "arn:aws:iam::000000000000:role/wsless/chat/r");
    assert_eq!(role["Arn"], made["Role"]["Arn"]);
    assert_eq!(role["Path"], "/wsless/chat/");
    assert_eq!(role["MaxSessionDuration"], 7200);
    assert_eq!(role["Description"], "runs it");
    assert_eq!(role["Tags"], json!([{ "Key": "stage", "Value": "dev" }]));
    assert_eq!(role["RoleLastUsed"], json!({}));
    assert!(role["RoleId"].as_str().unwrap().starts_with("AROAQAAAAAAA"));
    assert!(role["CreateDate"]["$timestamp"].is_i64());
    let document = role["AssumeRolePolicyDocument"].as_str().unwrap();
    assert!(document.starts_with("%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B"));
    let listed = call(
        &cloud,
        "ListRoles",
        json!({ "PathPrefix": "/wsless/chat/" }),
    )
    .await
    .unwrap();
    assert_eq!(listed["Roles"][0]["RoleName"], "r");
    assert!(listed["Roles"][0].get("Tags").is_none());
    let none = call(
        &cloud,
        "ListRoles",
        json!({ "PathPrefix": "/wsless/chat/x" }),
    )
    .await
    .unwrap();
    assert_eq!(none["Roles"], json!([]));
}

#[tokio::test]
async fn roles_are_refused_in_iams_words() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let make = |name: &str, document: String| {
        call(
            &cloud,
            "CreateRole",
            json!({ "RoleName": name, "AssumeRolePolicyDocument": document }),
        )
    };
    let error = make("R", lambda()).await.unwrap_err();
    assert_eq!(
        said(&error),
        (
            409,
            "EntityAlreadyExists",
            "Role with name R already exists."
        )
    );
    let error = make("a b", lambda()).await.unwrap_err();
    assert_eq!(
        said(&error).2,
        "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: \
         +=,.@_-"
    );
    let long = "x".repeat(65);
    let error = make(&long, lambda()).await.unwrap_err();
    assert_eq!(error.code, "ValidationError");
    assert!(
        error.message.ends_with(
            "at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"
        )
    );
    let error = make("x", "{".into()).await.unwrap_err();
    assert_eq!(
        said(&error),
        (
            400,
            "MalformedPolicyDocument",
            "This policy contains invalid Json"
        )
    );
    let ghost = "arn:aws:iam::000000000000:role/ghost";
    let error = make("x", trust(&json!({ "AWS": ghost })))
        .await
        .unwrap_err();
    assert_eq!(
        said(&error).2,
        format!("Invalid principal in policy: \"AWS\":\"{ghost}\"")
    );
    let error = make(
        "x",
        trust(&json!({ "Service": vec!["lambda.amazonaws.com"; 100] })),
    )
    .await
    .unwrap_err();
    assert_eq!(
        said(&error),
        (
            409,
            "LimitExceeded",
            "Cannot exceed quota for ACLSizePerRole: 2048"
        )
    );
    for operation in [
        "GetRole",
        "DeleteRole",
        "ListRoleTags",
        "ListRolePolicies",
        "ListAttachedRolePolicies",
        "ListInstanceProfilesForRole",
        "UpdateRole",
    ] {
        let error = call(&cloud, operation, json!({ "RoleName": "no" }))
            .await
            .unwrap_err();
        assert_eq!(
            said(&error),
            (
                404,
                "NoSuchEntity",
                "The role with name no cannot be found."
            ),
            "{operation}"
        );
    }
    let error = call(&cloud, "GetRole", json!({})).await.unwrap_err();
    assert_eq!(
        said(&error).2,
        "1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must not be null"
    );
}

#[tokio::test]
async fn a_role_goes_only_without_its_policies() {
    let cloud = cloud();
    role(&cloud, "r").await;
    put(&cloud, "r", &allow("sqs:*", "*")).await;
    let basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    let attached = json!({ "RoleName": "r", "PolicyArn": basic });
    call(&cloud, "AttachRolePolicy", attached.clone())
        .await
        .unwrap();
    let delete = || call(&cloud, "DeleteRole", json!({ "RoleName": "r" }));
    let error = delete().await.unwrap_err();
    assert_eq!(
        said(&error),
        (
            409,
            "DeleteConflict",
            "Cannot delete entity, must detach all policies first."
        )
    );
    let listed = call(
        &cloud,
        "ListAttachedRolePolicies",
        json!({ "RoleName": "r" }),
    )
    .await
    .unwrap();
    assert_eq!(
        listed["AttachedPolicies"],
        json!([{ "PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": basic }])
    );
    call(&cloud, "DetachRolePolicy", attached.clone())
        .await
        .unwrap();
    let error = call(&cloud, "DetachRolePolicy", attached)
        .await
        .unwrap_err();
    assert_eq!(said(&error).0, 404);
    let error = delete().await.unwrap_err();
    assert_eq!(
        said(&error).2,
        "Cannot delete entity, must delete policies first."
    );
    let inline = json!({ "RoleName": "r", "PolicyName": "p" });
    let read = call(&cloud, "GetRolePolicy", inline.clone()).await.unwrap();
    assert!(
        read["PolicyDocument"]
            .as_str()
            .unwrap()
            .contains("sqs%3A%2A")
    );
    call(&cloud, "DeleteRolePolicy", inline.clone())
        .await
        .unwrap();
    let error = call(&cloud, "GetRolePolicy", inline).await.unwrap_err();
    assert_eq!(
        said(&error).2,
        "The role policy with name p cannot be found."
    );
    delete().await.unwrap();
    assert!(delete().await.is_err());
}

#[tokio::test]
async fn inline_policies_have_one_limit_together_and_white_space_doesnt_count() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let of = |length: usize| {
        let resource = format!("arn:aws:sqs:a:b:{}", "x".repeat(length));
        allow("sqs:*", &resource)
    };
    let overhead = of(0).len();
    let put = |name: &str, document: String| {
        let input = json!({ "RoleName": "r", "PolicyName": name, "PolicyDocument": document });
        call(&cloud, "PutRolePolicy", input)
    };
    put("a", of(5120 - overhead)).await.unwrap();
    put("b", of(5120 - overhead) + &" ".repeat(9999))
        .await
        .unwrap();
    put("b", of(5120 - overhead)).await.unwrap();
    let error = put("b", of(5121 - overhead)).await.unwrap_err();
    assert_eq!(
        said(&error),
        (
            409,
            "LimitExceeded",
            "Maximum policy size of 10240 bytes exceeded for role r"
        )
    );
}

#[tokio::test]
async fn pages_follow_each_other_and_a_strange_marker_is_refused() {
    let cloud = cloud();
    for at in 0..5 {
        role(&cloud, &format!("r{at}")).await;
    }
    let mut names = Vec::new();
    let mut input = json!({ "MaxItems": 2 });
    loop {
        let page = call(&cloud, "ListRoles", input.clone()).await.unwrap();
        let roles = page["Roles"].as_array().unwrap();
        names.extend(roles.iter().map(|role| role["RoleName"].clone()));
        if page["IsTruncated"] == false {
            assert!(page.get("Marker").is_none());
            break;
        }
        input["Marker"] = page["Marker"].clone();
    }
    assert_eq!(names, ["r0", "r1", "r2", "r3", "r4"]);
    let error = call(&cloud, "ListRoles", json!({ "Marker": "x" }))
        .await
        .unwrap_err();
    assert_eq!(error.code, "ValidationError");
}

#[tokio::test]
async fn tags_have_no_case_and_bounds() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let tag = |tags: Value| call(&cloud, "TagRole", json!({ "RoleName": "r", "Tags": tags }));
    tag(json!([{ "Key": "b", "Value": "1" }, { "Key": "a", "Value": "2" }]))
        .await
        .unwrap();
    tag(json!([{ "Key": "B", "Value": "3" }])).await.unwrap();
    let list = || call(&cloud, "ListRoleTags", json!({ "RoleName": "r" }));
    assert_eq!(
        list().await.unwrap()["Tags"],
        json!([{ "Key": "a", "Value": "2" }, { "Key": "b", "Value": "3" }])
    );
    for odd in [
        json!([{ "Key": "x", "Value": "1" }, { "Key": "X", "Value": "1" }]),
        json!([{ "Key": "aws:x", "Value": "1" }]),
        json!([{ "Key": "x", "Value": "#" }]),
        json!([{ "Key": "x" }]),
        (0..60)
            .map(|at| json!({ "Key": format!("k{at}"), "Value": "" }))
            .collect(),
    ] {
        assert!(tag(odd.clone()).await.is_err(), "{odd}");
    }
    call(
        &cloud,
        "UntagRole",
        json!({ "RoleName": "r", "TagKeys": ["A"] }),
    )
    .await
    .unwrap();
    assert_eq!(list().await.unwrap()["Tags"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn everyday_questions_have_answers() {
    let cloud = cloud();
    role(&cloud, "r").await;
    for (operation, input, member) in [
        ("GetUser", json!({}), "User"),
        ("ListUsers", json!({}), "Users"),
        ("ListGroups", json!({}), "Groups"),
        ("ListAccessKeys", json!({}), "AccessKeyMetadata"),
        ("ListAccountAliases", json!({}), "AccountAliases"),
        ("GetAccountSummary", json!({}), "SummaryMap"),
        ("ListInstanceProfiles", json!({}), "InstanceProfiles"),
        (
            "ListInstanceProfilesForRole",
            json!({ "RoleName": "r" }),
            "InstanceProfiles",
        ),
        ("ListPolicies", json!({ "Scope": "AWS" }), "Policies"),
        (
            "CreateServiceLinkedRole",
            json!({ "AWSServiceName": "ops.apigateway.amazonaws.com" }),
            "Role",
        ),
    ] {
        let answer = call(&cloud, operation, input).await.unwrap();
        assert!(answer.get(member).is_some(), "{operation}: {answer}");
    }
    let error = call(&cloud, "GetUser", json!({ "UserName": "ann" }))
        .await
        .unwrap_err();
    assert_eq!(said(&error).2, "The user with name ann cannot be found.");
    assert!(call(&cloud, "Fly", json!({})).await.is_err());
    let linked = json!({ "RoleName": "AWSServiceRoleForAPIGateway" });
    let error = call(&cloud, "DeleteRole", linked).await.unwrap_err();
    assert_eq!(error.code, "UnmodifiableEntity");
}

#[test]
fn all_of_awss_own_policies_can_be_read() {
    for policy in super::aws_managed::all() {
        Policy::parse(Kind::Managed, policy.document().unwrap()).unwrap();
    }
}
