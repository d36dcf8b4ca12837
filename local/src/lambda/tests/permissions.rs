use super::*;
use crate::lambda::{Principal, permits};

fn permission(others: Value) -> Value {
    let mut input = json!({
        "FunctionName": "chat",
        "StatementId": "gateway",
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:eu-west-1:000000000000:abc/*/$connect",
    });
    if let (Value::Object(input), Value::Object(others)) = (&mut input, others) {
        input.extend(others);
    }
    input
}

#[tokio::test]
async fn a_statement_is_written_as_aws_writes_it() {
    let cloud = with_function().await;
    let added = ask(
        &cloud,
        Service::Lambda,
        "AddPermission",
        permission(json!({ "SourceAccount": "000000000000" })),
    )
    .await
    .unwrap();
    assert_eq!(added.status, 201);
    let Payload::Members(added) = added.payload else {
        panic!("no members")
    };
    let want = format!(
        r#"{{"Sid":"gateway","Effect":"Allow","Principal":{{"Service":"apigateway.amazonaws.com"}},"Action":"lambda:InvokeFunction","Resource":"{ARN}","Condition":{{"StringEquals":{{"AWS:SourceAccount":"000000000000"}},"ArnLike":{{"AWS:SourceArn":"arn:aws:execute-api:eu-west-1:000000000000:abc/*/$connect"}}}}}}"#
    );
    assert_eq!(added["Statement"], want);
    let policy = call(&cloud, "GetPolicy", chat()).await;
    assert_eq!(
        policy["Policy"],
        format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{want}]}}"#)
    );
    let account = permission(json!({ "StatementId": "b", "Principal": "111111111111" }));
    let account = call(&cloud, "AddPermission", account).await;
    assert!(
        account["Statement"]
            .as_str()
            .unwrap()
            .contains(r#""Principal":{"AWS":"arn:aws:iam::111111111111:root"}"#)
    );
}

#[tokio::test]
async fn a_permission_that_cannot_be_is_refused_in_awss_words() {
    let cloud = with_function().await;
    call(&cloud, "AddPermission", permission(json!({}))).await;
    for (others, want) in [
        (
            json!({}),
            "409 ResourceConflictException: The statement id (gateway) provided already exists. Please provide a new statement id, or remove the existing statement.".to_owned(),
        ),
        (
            json!({ "StatementId": "example.com" }),
            "400 ValidationException: 1 validation error detected: Value 'example.com' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)".to_owned(),
        ),
        (
            json!({ "Qualifier": "$LATEST" }),
            "400 InvalidParameterValueException: We currently do not support adding policies for $LATEST.".to_owned(),
        ),
        (
            json!({ "Qualifier": "live" }),
            format!("404 ResourceNotFoundException: Cannot find alias arn: {ARN}:live"),
        ),
        (
            json!({ "Qualifier": "42" }),
            format!("404 ResourceNotFoundException: Function not found: {ARN}:42"),
        ),
        (
            json!({ "StatementId": "b", "Principal": "nobody" }),
            "400 InvalidParameterValueException: The provided principal was invalid. Please check the principal and try again.".to_owned(),
        ),
        (
            json!({ "StatementId": "b", "RevisionId": "wrong" }),
            "412 PreconditionFailedException: The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id".to_owned(),
        ),
    ] {
        let refused = refusal(&cloud, "AddPermission", permission(others)).await;
        assert_eq!(refused, want);
    }
}

#[tokio::test]
async fn a_policy_has_a_largest_size() {
    let cloud = with_function().await;
    let mut count = 0;
    let refused = loop {
        count += 1;
        let next = permission(json!({ "StatementId": format!("{count:0100}") }));
        match ask(&cloud, Service::Lambda, "AddPermission", next).await {
            Ok(_) => assert!(count < 100, "no limit"),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code, "PolicyLengthExceededException");
    let policy = call(&cloud, "GetPolicy", chat()).await;
    assert!(policy["Policy"].as_str().unwrap().len() <= 20_480);
}

#[tokio::test]
async fn a_function_and_its_alias_have_policies_of_their_own() {
    let cloud = with_function().await;
    call(&cloud, "PublishVersion", chat()).await;
    let alias = json!({ "FunctionName": "chat", "Name": "live", "FunctionVersion": "1" });
    call(&cloud, "CreateAlias", alias).await;
    call(
        &cloud,
        "AddPermission",
        permission(json!({ "Qualifier": "live" })),
    )
    .await;
    let region = cloud.region("eu-west-1").unwrap();
    let asks = |function: &str, source_arn: &str| {
        let principal = Principal {
            service: "apigateway.amazonaws.com",
            source_arn,
        };
        permits(&region, function, &principal)
    };
    let source = "arn:aws:execute-api:eu-west-1:000000000000:abc/prod/$connect";
    assert!(asks("chat:live", source));
    assert!(asks(&format!("{ARN}:live"), source));
    assert!(
        !asks("chat", source),
        "the alias's policy isn't the function's"
    );
    assert!(!asks("chat:1", source));
    assert!(!asks(
        "chat:live",
        "arn:aws:execute-api:eu-west-1:000000000000:abc/prod/send"
    ));
    assert!(!asks("gone", source));
    assert_eq!(
        refusal(&cloud, "GetPolicy", chat()).await,
        "404 ResourceNotFoundException: The resource you requested does not exist."
    );
    let removed = json!({ "FunctionName": "chat", "Qualifier": "live", "StatementId": "gateway" });
    assert_eq!(
        status(&cloud, "RemovePermission", removed.clone()).await,
        204
    );
    assert!(!asks("chat:live", source));
    assert_eq!(
        refusal(&cloud, "RemovePermission", removed).await,
        "404 ResourceNotFoundException: No policy is associated with the given resource."
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_removed() {
    let cloud = with_function().await;
    call(&cloud, "AddPermission", permission(json!({}))).await;
    let absent = json!({ "FunctionName": "chat", "StatementId": "other" });
    assert_eq!(
        refusal(&cloud, "RemovePermission", absent).await,
        "404 ResourceNotFoundException: Statement other is not found in resource policy."
    );
    let gone = json!({ "FunctionName": "gone", "StatementId": "other" });
    assert_eq!(
        refusal(&cloud, "RemovePermission", gone).await,
        "404 ResourceNotFoundException: No policy found for: arn:aws:lambda:eu-west-1:000000000000:function:gone"
    );
}
