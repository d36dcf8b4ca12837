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
    let Value::Object(input) = input else {
        panic!("no members")
    };
    Call {
        cloud: Arc::clone(cloud),
        region: cloud.region("eu-west-1").unwrap(),
        caller,
        service,
        operation: operation.into(),
        input,
        body: bytes::Bytes::new(),
        headers: hyper::HeaderMap::new(),
        request_id: "id".into(),
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
async fn a_role_may_do_what_its_policies_allow_and_no_more() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let ask = |service| request(&cloud, session("r"), service, "X", json!({}));
    let iam = &cloud.iam;
    let error = iam.authorize(&ask(Service::Sqs), &send()).unwrap_err();
    assert_eq!(
        said(&error),
        (
            403,
            "AccessDeniedException",
            "User: arn:aws:sts::000000000000:assumed-role/r/s is not authorized to perform: sqs:sendmessage on resource: \
             arn:aws:sqs:eu-west-1:000000000000:orders because no identity-based policy allows the sqs:sendmessage action"
        )
    );
    assert_eq!(error.query_code, Some("AccessDenied"));
    assert!(!iam.allows(&session("r"), &send()));
    put(
        &cloud,
        "r",
        &allow("sqs:SendMessage", "arn:aws:sqs:*:*:ord*"),
    )
    .await;
    iam.authorize(&ask(Service::Sqs), &send()).unwrap();
    assert!(iam.allows(&session("r"), &send()));
    assert!(
        iam.authorize(
            &request(&cloud, owner(), Service::Iam, "X", json!({})),
            &send()
        )
        .is_ok()
    );
    let other = Permission {
        action: "sqs:DeleteMessage".into(),
        ..send()
    };
    assert!(iam.authorize(&ask(Service::Sqs), &other).is_err());
    let object = Permission {
        action: "s3:GetObject".into(),
        resource: "arn:aws:s3:::b/k".into(),
    };
    let error = iam.authorize(&ask(Service::S3), &object).unwrap_err();
    assert_eq!(said(&error).1, "AccessDenied");
    assert!(
        error
            .message
            .contains("resource: \"arn:aws:s3:::b/k\" because")
    );
    let socket = Permission {
        action: "execute-api:ManageConnections".into(),
        resource: "arn:aws:execute-api:eu-west-1:000000000000:a/s/POST/@connections/x".into(),
    };
    let error = iam
        .authorize(&ask(Service::ExecuteApi), &socket)
        .unwrap_err();
    assert!(error.message.contains("eu-west-1:********0000:a/s/POST"));
    let denied = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "sqs:*", "Resource": "*" },
    ] });
    put(&cloud, "r", &denied.to_string()).await;
    let error = iam.authorize(&ask(Service::Sqs), &send()).unwrap_err();
    assert!(
        error
            .message
            .ends_with("with an explicit deny in an identity-based policy")
    );
}

#[tokio::test]
async fn attached_policies_and_their_versions_count_and_a_boundary_bounds() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let made = call(
        &cloud,
        "CreatePolicy",
        json!({ "PolicyName": "sends", "PolicyDocument": allow("sqs:SendMessage", "*") }),
    )
    .await
    .unwrap();
    let arn = made["Policy"]["Arn"].clone();
    assert_eq!(arn, "arn:aws:iam::000000000000:policy/sends");
    let may = || cloud.iam.allows(&session("r"), &send());
    call(
        &cloud,
        "AttachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": arn }),
    )
    .await
    .unwrap();
    assert!(may());
    let version =
        json!({ "PolicyArn": arn, "PolicyDocument": allow("sns:*", "*"), "SetAsDefault": true });
    call(&cloud, "CreatePolicyVersion", version).await.unwrap();
    assert!(!may());
    let error = call(&cloud, "DeletePolicy", json!({ "PolicyArn": arn }))
        .await
        .unwrap_err();
    assert_eq!(
        said(&error).2,
        "Cannot delete a policy attached to entities."
    );
    call(
        &cloud,
        "SetDefaultPolicyVersion",
        json!({ "PolicyArn": arn, "VersionId": "v1" }),
    )
    .await
    .unwrap();
    assert!(may());
    let bound = |arn: &str| {
        call(
            &cloud,
            "PutRolePermissionsBoundary",
            json!({ "RoleName": "r", "PermissionsBoundary": arn }),
        )
    };
    bound("arn:aws:iam::aws:policy/AmazonS3FullAccess")
        .await
        .unwrap();
    let error = cloud
        .iam
        .authorize(
            &request(&cloud, session("r"), Service::Sqs, "SendMessage", json!({})),
            &send(),
        )
        .unwrap_err();
    assert!(
        error
            .message
            .ends_with("because no permissions boundary allows the sqs:sendmessage action")
    );
    bound("arn:aws:iam::aws:policy/AdministratorAccess")
        .await
        .unwrap();
    assert!(may());
    let entities = call(&cloud, "ListEntitiesForPolicy", json!({ "PolicyArn": arn }))
        .await
        .unwrap();
    assert_eq!(entities["PolicyRoles"][0]["RoleName"], "r");
    let error = call(
        &cloud,
        "AttachRolePolicy",
        json!({ "RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/Nothing" }),
    )
    .await
    .unwrap_err();
    assert_eq!(
        said(&error).2,
        "Policy arn:aws:iam::aws:policy/Nothing does not exist or is not attachable."
    );
}

#[tokio::test]
async fn conditions_see_who_calls_what_for() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let document = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
          "Condition": { "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } } },
        { "Effect": "Allow", "Action": "sqs:*", "Resource": "*",
          "Condition": { "StringEquals": { "aws:RequestedRegion": "eu-west-1", "aws:RequestTag/a": "b" } } },
    ] });
    put(&cloud, "r", &document.to_string()).await;
    let pass = Permission {
        action: "iam:PassRole".into(),
        resource: "arn:aws:iam::000000000000:role/other".into(),
    };
    let ask = |service, input| request(&cloud, session("r"), service, "X", input);
    let iam = &cloud.iam;
    assert!(
        iam.authorize(&ask(Service::Lambda, json!({})), &pass)
            .is_ok()
    );
    assert!(
        iam.authorize(&ask(Service::ApiGateway, json!({})), &pass)
            .is_err()
    );
    let tagged = json!({ "tags": { "a": "b" } });
    assert!(iam.authorize(&ask(Service::Sqs, tagged), &send()).is_ok());
    assert!(
        iam.authorize(&ask(Service::Sqs, json!({})), &send())
            .is_err()
    );
}

#[tokio::test]
async fn iam_itself_is_asked_by_the_roles_own_arn() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let own = "arn:aws:iam::000000000000:role/wsless/*";
    put(&cloud, "r", &allow("iam:*", own)).await;
    let get = |name: &str| {
        let input = json!({ "RoleName": name });
        perform_as(&cloud, session("r"), Service::Iam, "GetRole", input)
    };
    get("r").await.unwrap();
    let error = get("stranger").await.unwrap_err();
    assert_eq!(
        said(&error),
        (
            403,
            "AccessDenied",
            "User: arn:aws:sts::000000000000:assumed-role/r/s is not authorized to perform: iam:GetRole on resource: \
             arn:aws:iam::000000000000:role/stranger because no identity-based policy allows the iam:GetRole action"
        )
    );
    let create = json!({ "RoleName": "new", "Path": "/wsless/x/" });
    let asked = request(&cloud, owner(), Service::Iam, "CreateRole", create);
    assert_eq!(
        permission(&asked).resource,
        "arn:aws:iam::000000000000:role/wsless/x/new"
    );
}

#[tokio::test]
async fn a_service_assumes_only_a_role_that_trusts_it() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let iam = &cloud.iam;
    let arn = "arn:aws:iam::000000000000:role/wsless/r";
    assert_eq!(
        iam.assume(arn, "lambda.amazonaws.com", "s").unwrap(),
        session("r")
    );
    let error = iam
        .assume(arn, "apigateway.amazonaws.com", "s")
        .unwrap_err();
    assert_eq!(said(&error).1, "AccessDenied");
    assert!(
        iam.assume(
            "arn:aws:iam::000000000000:role/r",
            "lambda.amazonaws.com",
            "s"
        )
        .is_err()
    );
    assert!(iam.assume("", "lambda.amazonaws.com", "s").is_err());
    let source = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": ["apigateway.amazonaws.com", "lambda.amazonaws.com"] },
        "Action": "sts:AssumeRole",
        "Condition": { "StringEquals": { "aws:SourceAccount": "000000000000" } },
    }] });
    let input = json!({ "RoleName": "r", "PolicyDocument": source.to_string() });
    call(&cloud, "UpdateAssumeRolePolicy", input).await.unwrap();
    assert!(iam.assume(arn, "lambda.amazonaws.com", "s").is_ok());
    assert!(iam.assume(arn, "apigateway.amazonaws.com", "s").is_err());
}

#[tokio::test]
async fn in_a_cloud_as_slow_as_aws_a_role_is_no_good_at_first() {
    let cloud = Cloud::for_test(Options {
        fidelity: Fidelity::Aws,
        ..Options::default()
    });
    role(&cloud, "r").await;
    put(&cloud, "r", &allow("sqs:*", "*")).await;
    let arn = "arn:aws:iam::000000000000:role/wsless/r";
    assert!(cloud.iam.assume(arn, "lambda.amazonaws.com", "s").is_err());
    assert!(!cloud.iam.allows(&session("r"), &send()));
    // What is kept was long ago when it's read again.
    let later = Iam::default();
    later.restore(cloud.iam.keep()).unwrap();
    assert!(later.assume(arn, "lambda.amazonaws.com", "s").is_ok());
    assert!(later.allows(&session("r"), &send()));
}

#[test]
fn a_change_works_when_its_time_has_come_and_the_old_until_then() {
    let mut line = Timeline::default();
    let at = Millis;
    line.set(at(0), at(10), "first");
    assert_eq!(line.at(at(9)), None);
    line.set(at(20), at(30), "second");
    assert_eq!(line.at(at(29)).map(|value| **value), Some("first"));
    assert_eq!(line.at(at(30)).map(|value| **value), Some("second"));
    for moment in 0..1000 {
        line.set(at(40), at(50 + moment), "more");
    }
    assert_eq!(line.at(at(2000)).map(|value| **value), Some("more"));
}

#[tokio::test]
async fn a_session_keeps_its_key_and_the_key_tells_the_session() {
    let cloud = cloud();
    role(&cloud, "r").await;
    let first = cloud.iam.credentials(&session("r"));
    let again = cloud.iam.credentials(&session("r"));
    assert_eq!(first.access_key, again.access_key);
    assert!(first.access_key.starts_with("ASIAQAAAAAAA"));
    assert_eq!(first.access_key.len(), 20);
    assert_eq!(
        cloud.iam.bearer(&first.access_key),
        (session("r"), first.secret)
    );
    let (caller, secret) = cloud.iam.bearer("anything");
    assert_eq!(secret, "test");
    assert!(matches!(caller, Caller::Owner { .. }));
    // Somebody's real temporary key isn't one of ours.
    let (caller, _) = cloud.iam.bearer("ASIAIOSFODNN7EXAMPLE");
    assert!(matches!(caller, Caller::Owner { .. }));
}

#[tokio::test]
async fn a_forgotten_key_isnt_the_owners() {
    let cloud = cloud();
    let (caller, _) = cloud.iam.bearer("ASIAQAAAAAAABCDEFGHI");
    let error = sts(&cloud, caller, "GetCallerIdentity", json!({}))
        .await
        .unwrap_err();
    assert_eq!(said(&error).0, 403);
    assert_eq!(error.code, "InvalidClientTokenId");
    let past = cloud.iam.temporary(owner(), Millis(1));
    let (caller, _) = cloud.iam.bearer(&past.access_key);
    let error = sts(&cloud, caller, "GetCallerIdentity", json!({}))
        .await
        .unwrap_err();
    assert_eq!(error.code, "ExpiredToken");
}

#[tokio::test]
async fn sts_says_who_is_calling() {
    let cloud = cloud();
    let made = role(&cloud, "r").await;
    let asked = sts(&cloud, owner(), "GetCallerIdentity", json!({}))
        .await
        .unwrap();
    assert_eq!(asked["Arn"], "arn:aws:iam::000000000000:user/local");
    assert_eq!(asked["Account"], "000000000000");
    let asked = sts(&cloud, session("r"), "GetCallerIdentity", json!({}))
        .await
        .unwrap();
    assert_eq!(asked["Arn"], "arn:aws:sts::000000000000:assumed-role/r/s");
    let id = format!("{}:s", made["RoleId"].as_str().unwrap());
    assert_eq!(asked["UserId"], id);
}

#[tokio::test]
async fn a_role_is_assumed_by_those_whom_it_trusts() {
    let cloud = cloud();
    let make = |name: &'static str, principal: Value| {
        let input = json!({ "RoleName": name, "AssumeRolePolicyDocument": trust(&principal) });
        call(&cloud, "CreateRole", input)
    };
    let account = json!({ "AWS": "arn:aws:iam::000000000000:root" });
    make("open", account).await.unwrap();
    role(&cloud, "caller").await;
    make(
        "named",
        json!({ "AWS": "arn:aws:iam::000000000000:role/wsless/caller" }),
    )
    .await
    .unwrap();
    let assume = |caller: Caller, name: &str, seconds: i64| {
        let input = json!({
            "RoleArn": format!("arn:aws:iam::000000000000:role/{name}"),
            "RoleSessionName": "me",
            "DurationSeconds": seconds,
        });
        sts(&cloud, caller, "AssumeRole", input)
    };
    let given = assume(owner(), "open", 900).await.unwrap();
    assert_eq!(
        given["AssumedRoleUser"]["Arn"],
        "arn:aws:sts::000000000000:assumed-role/open/me"
    );
    let key = given["Credentials"]["AccessKeyId"].as_str().unwrap();
    let (caller, secret) = cloud.iam.bearer(key);
    assert_eq!(
        caller,
        Caller::Role {
            role: "arn:aws:iam::000000000000:role/open".into(),
            session: "me".into()
        }
    );
    assert_eq!(given["Credentials"]["SecretAccessKey"], json!(secret));
    // A role that trusts a service only, a role that isn't there: the same.
    for name in ["wsless/caller", "ghost"] {
        let error = assume(owner(), name, 900).await.unwrap_err();
        assert_eq!(
            said(&error),
            (
                403,
                "AccessDenied",
                format!(
                    "User: arn:aws:iam::000000000000:user/local is not authorized to perform: sts:AssumeRole on resource: \
                     arn:aws:iam::000000000000:role/{name}"
                )
                .as_str()
            )
        );
    }
    // Named itself it needs no policy of its own; with its account it does.
    let caller = || session("caller");
    assume(caller(), "named", 900).await.unwrap();
    assert!(assume(caller(), "open", 900).await.is_err());
    put(&cloud, "caller", &allow("sts:AssumeRole", "*")).await;
    assume(caller(), "open", 900).await.unwrap();
    let error = assume(caller(), "open", 3601).await.unwrap_err();
    assert!(error.message.contains("role chaining"));
    let error = assume(owner(), "open", 3601).await.unwrap_err();
    assert_eq!(
        said(&error).2,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
    assert!(assume(owner(), "open", 899).await.is_err());
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

#[test]
fn no_rights_allow_nothing() {
    let rights = Rights::default();
    assert_eq!(
        rights.judge("a:b", "*", &Context::new()),
        Verdict::NotAllowed
    );
}
