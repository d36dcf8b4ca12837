use super::*;

async fn publish(cloud: &Arc<Cloud>, zip: &str) -> Value {
    let update = json!({ "FunctionName": "chat", "ZipFile": package(zip) });
    call(cloud, "UpdateFunctionCode", update).await;
    call(cloud, "PublishVersion", chat()).await["Version"].clone()
}

/// A function with versions 1 and 2.
async fn with_versions() -> Arc<Cloud> {
    let cloud = with_function().await;
    assert_eq!(publish(&cloud, "one").await, "1");
    assert_eq!(publish(&cloud, "two").await, "2");
    cloud
}

fn alias(others: Value) -> Value {
    let mut input = json!({ "FunctionName": "chat", "Name": "live", "FunctionVersion": "1" });
    if let (Value::Object(input), Value::Object(others)) = (&mut input, others) {
        input.extend(others);
    }
    input
}

#[tokio::test]
async fn publishing_what_has_not_changed_gives_the_same_version() {
    let cloud = with_function().await;
    let first = json!({ "FunctionName": "chat", "Description": "the first" });
    let first = ask(&cloud, Service::Lambda, "PublishVersion", first)
        .await
        .unwrap();
    assert_eq!(first.status, 201);
    let Payload::Members(first) = first.payload else {
        panic!("no members")
    };
    assert_eq!(first["Version"], "1");
    assert_eq!(first["FunctionArn"], format!("{ARN}:1"));
    assert_eq!(first["Description"], "the first");
    let again = call(&cloud, "PublishVersion", chat()).await;
    assert_eq!(again, first);
    // There and back again is no change.
    for timeout in [9, 3] {
        let update = json!({ "FunctionName": "chat", "Timeout": timeout });
        call(&cloud, "UpdateFunctionConfiguration", update).await;
    }
    assert_eq!(call(&cloud, "PublishVersion", chat()).await["Version"], "1");
    let update = json!({ "FunctionName": "chat", "Timeout": 9 });
    call(&cloud, "UpdateFunctionConfiguration", update).await;
    assert_eq!(call(&cloud, "PublishVersion", chat()).await["Version"], "2");
    let frozen = json!({ "FunctionName": "chat", "Qualifier": "1" });
    let frozen = call(&cloud, "GetFunctionConfiguration", frozen).await;
    assert_eq!(frozen["Timeout"], 3);
}

#[tokio::test]
async fn another_digest_than_the_codes_publishes_nothing() {
    let cloud = with_function().await;
    let current = call(&cloud, "GetFunctionConfiguration", chat()).await;
    let current = current["CodeSha256"].as_str().unwrap();
    let wrong = json!({ "FunctionName": "chat", "CodeSha256": "wrong" });
    assert_eq!(
        refusal(&cloud, "PublishVersion", wrong).await,
        format!(
            "400 InvalidParameterValueException: CodeSHA256 (wrong) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
        )
    );
    let right = json!({ "FunctionName": "chat", "CodeSha256": current });
    call(&cloud, "PublishVersion", right).await;
}

#[tokio::test]
async fn a_function_can_be_published_as_it_is_made_or_updated() {
    let cloud = cloud().await;
    let made = call(
        &cloud,
        "CreateFunction",
        function(json!({ "Publish": true })),
    )
    .await;
    assert_eq!(made["Version"], "1");
    assert_eq!(made["FunctionArn"], ARN);
    let update = json!({ "FunctionName": "chat", "ZipFile": package("two"), "Publish": true });
    let updated = call(&cloud, "UpdateFunctionCode", update).await;
    assert_eq!(updated["Version"], "2");
    assert_eq!(updated["FunctionArn"], format!("{ARN}:2"));
    assert_eq!(updated["State"], "Pending");
    assert_eq!(updated.get("LastUpdateStatus"), None);
}

#[tokio::test]
async fn numbers_do_not_come_twice_and_versions_that_aliases_need_stay() {
    let cloud = with_versions().await;
    call(&cloud, "CreateAlias", alias(json!({}))).await;
    let first = json!({ "FunctionName": "chat", "Qualifier": "1" });
    assert_eq!(
        refusal(&cloud, "DeleteFunction", first.clone()).await,
        "409 ResourceConflictException: Unable to delete version because the following aliases reference it: [live]"
    );
    let latest = json!({ "FunctionName": "chat", "Qualifier": "$LATEST" });
    assert_eq!(
        refusal(&cloud, "DeleteFunction", latest).await,
        "400 InvalidParameterValueException: $LATEST version cannot be deleted without deleting the function."
    );
    let by_alias = json!({ "FunctionName": "chat", "Qualifier": "live" });
    assert_eq!(
        refusal(&cloud, "DeleteFunction", by_alias).await,
        "400 InvalidParameterValueException: Deletion of aliases is not currently supported."
    );
    let second = json!({ "FunctionName": "chat", "Qualifier": "2" });
    assert_eq!(status(&cloud, "DeleteFunction", second.clone()).await, 204);
    assert_eq!(
        status(&cloud, "DeleteFunction", second).await,
        204,
        "recorded: done again"
    );
    assert_eq!(publish(&cloud, "three").await, "3");
    let versions = call(&cloud, "ListVersionsByFunction", chat()).await;
    let versions: Vec<&Value> = versions["Versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["Version"])
        .collect();
    assert_eq!(versions, ["$LATEST", "1", "3"]);
}

#[tokio::test]
async fn an_alias_is_made_changed_and_deleted() {
    let cloud = with_versions().await;
    let made = ask(&cloud, Service::Lambda, "CreateAlias", alias(json!({})))
        .await
        .unwrap();
    assert_eq!(made.status, 201);
    let Payload::Members(mut made) = made.payload else {
        panic!("no members")
    };
    let revision = made["RevisionId"].take();
    assert_eq!(
        made,
        json!({
            "AliasArn": format!("{ARN}:live"),
            "Name": "live",
            "FunctionVersion": "1",
            "Description": "",
            "RevisionId": null,
        })
    );
    assert_eq!(
        refusal(&cloud, "CreateAlias", alias(json!({}))).await,
        format!("409 ResourceConflictException: Alias already exists: {ARN}:live")
    );
    let weights = json!({ "AdditionalVersionWeights": { "2": 0.25 } });
    let named = |others: Value| {
        let mut input = alias(others);
        input.as_object_mut().unwrap().remove("FunctionVersion");
        input
    };
    let updated = call(
        &cloud,
        "UpdateAlias",
        named(json!({ "RoutingConfig": weights, "RevisionId": revision })),
    )
    .await;
    assert_eq!(updated["RoutingConfig"], weights);
    assert_eq!(updated["FunctionVersion"], "1");
    let stays = call(&cloud, "UpdateAlias", named(json!({ "Description": "d" }))).await;
    assert_eq!(stays["RoutingConfig"], weights, "what isn't said stays");
    let cleared = json!({ "RoutingConfig": { "AdditionalVersionWeights": {} } });
    let cleared = call(&cloud, "UpdateAlias", named(cleared)).await;
    assert_eq!(cleared.get("RoutingConfig"), None);
    let old = named(json!({ "RevisionId": revision }));
    assert_eq!(refused(&cloud, "UpdateAlias", old).await.status, 412);
    let by_version = json!({ "FunctionName": "chat", "FunctionVersion": "2" });
    let listed = call(&cloud, "ListAliases", by_version).await;
    assert_eq!(listed, json!({ "Aliases": [] }));
    let got = json!({ "FunctionName": "chat", "Qualifier": "live" });
    let got = call(&cloud, "GetFunctionConfiguration", got).await;
    assert_eq!(got["FunctionArn"], format!("{ARN}:live"));
    assert_eq!(got["Version"], "1");
    for _ in 0..2 {
        assert_eq!(status(&cloud, "DeleteAlias", named(json!({}))).await, 204);
    }
    assert_eq!(
        refusal(&cloud, "GetAlias", named(json!({}))).await,
        format!("404 ResourceNotFoundException: Cannot find alias arn: {ARN}:live")
    );
    assert_eq!(
        refusal(&cloud, "UpdateAlias", named(json!({}))).await,
        format!("404 ResourceNotFoundException: Alias not found: {ARN}:live")
    );
}

#[tokio::test]
async fn an_alias_that_cannot_be_is_refused_in_awss_words() {
    let cloud = with_versions().await;
    let routing =
        |weights: Value| json!({ "RoutingConfig": { "AdditionalVersionWeights": weights } });
    let mut of_latest = routing(json!({ "2": 0.5 }));
    of_latest["FunctionVersion"] = json!("$LATEST");
    for (others, want) in [
        (
            routing(json!({ "1": 0.5, "2": 0.5 })),
            "400 InvalidParameterValueException: Number of items in AdditionalVersionWeights cannot be greater than 1".to_owned(),
        ),
        (
            routing(json!({ "2": 2.0 })),
            "400 ValidationException: 1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]".to_owned(),
        ),
        (
            routing(json!({ "$LATEST": 0.5 })),
            "400 ValidationException: 1 validation error detected: Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]".to_owned(),
        ),
        (
            routing(json!({ "1": 0.5 })),
            "400 InvalidParameterValueException: Invalid function version 1. Function version 1 is already included in routing configuration.".to_owned(),
        ),
        (
            of_latest,
            "400 InvalidParameterValueException: $LATEST is not supported for an alias pointing to more than 1 version".to_owned(),
        ),
        (
            json!({ "FunctionVersion": "10" }),
            format!("404 ResourceNotFoundException: Function not found: {ARN}:10"),
        ),
        (
            routing(json!({ "10": 0.5 })),
            format!("404 ResourceNotFoundException: Function not found: {ARN}:10"),
        ),
        (
            json!({ "Name": "2024" }),
            "400 ValidationException: 1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)".to_owned(),
        ),
    ] {
        assert_eq!(refusal(&cloud, "CreateAlias", alias(others)).await, want);
    }
}

#[tokio::test]
async fn an_alias_splits_its_invocations_by_weight() {
    let cloud = with_versions().await;
    let routing = json!({ "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.25 } } });
    call(&cloud, "CreateAlias", alias(routing)).await;
    let region = cloud.region("eu-west-1").unwrap();
    let state = region.lambda.control.state.read();
    let live = &state.functions["chat"].aliases["live"];
    assert_eq!(live.chosen(0.0), "2");
    assert_eq!(live.chosen(0.24), "2");
    assert_eq!(live.chosen(0.25), "1");
    assert_eq!(live.chosen(0.99), "1");
    drop(state);
    let target = region.lambda.resolve(&format!("{ARN}:live")).unwrap();
    assert_eq!(target.invoked_arn, format!("{ARN}:live"));
    assert_eq!(target.version.function_arn, ARN);
}

#[tokio::test]
async fn what_is_not_there_is_not_resolved() {
    let cloud = with_versions().await;
    let region = cloud.region("eu-west-1").unwrap();
    for (function, want) in [
        ("gone", "gone:$LATEST"),
        ("chat:3", "chat:3"),
        ("chat:gone", "chat:gone"),
    ] {
        let refused = region.lambda.resolve(function).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "ResourceNotFoundException: Function not found: arn:aws:lambda:eu-west-1:000000000000:function:{want}"
            )
        );
    }
    assert_eq!(
        region.lambda.resolve("chat:2").unwrap().version.version,
        "2"
    );
}
