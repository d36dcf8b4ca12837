//! What roles may do, and when.

use super::*;

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

#[test]
fn no_rights_allow_nothing() {
    let rights = Rights::default();
    assert_eq!(
        rights.judge("a:b", "*", &Context::new()),
        Verdict::NotAllowed
    );
}
