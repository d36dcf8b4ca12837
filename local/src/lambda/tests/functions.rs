use super::*;
use crate::clock::Millis;

#[tokio::test]
async fn a_function_is_answered_with_all_of_awss_defaults() {
    let cloud = cloud().await;
    let made = ask(
        &cloud,
        Service::Lambda,
        "CreateFunction",
        function(json!({})),
    )
    .await
    .unwrap();
    assert_eq!(made.status, 201);
    let Payload::Members(mut made) = made.payload else {
        panic!("no members")
    };
    let modified = made["LastModified"].take();
    let modified = modified.as_str().unwrap();
    assert!(
        modified.ends_with("+0000") && modified.len() == "2023-01-01T00:00:00.000+0000".len(),
        "{modified}"
    );
    let revision = made["RevisionId"].take();
    let runtime = made["RuntimeVersionConfig"].take();
    let sha256 = made["CodeSha256"].take();
    let size = made["CodeSize"].take();
    assert_eq!(
        made,
        json!({
            "FunctionName": "chat",
            "FunctionArn": ARN,
            "Runtime": "provided.al2023",
            "Role": ROLE,
            "Handler": "bootstrap",
            "CodeSize": null,
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "LastModified": null,
            "CodeSha256": null,
            "Version": "$LATEST",
            "TracingConfig": { "Mode": "PassThrough" },
            "RevisionId": null,
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": { "Size": 512 },
            "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
            "LoggingConfig": { "LogFormat": "Text", "LogGroup": "/aws/lambda/chat" },
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
            "RuntimeVersionConfig": null,
        })
    );
    let zip = STANDARD.decode(package("one")).unwrap();
    assert_eq!(size, json!(zip.len()));
    assert_eq!(sha256.as_str().unwrap().len(), 44);
    assert!(
        runtime["RuntimeVersionArn"]
            .as_str()
            .unwrap()
            .starts_with("arn:aws:lambda:eu-west-1::runtime:")
    );

    let got = call(&cloud, "GetFunction", chat()).await;
    let configuration = &got["Configuration"];
    assert_eq!(configuration["State"], "Active");
    assert_eq!(configuration["LastUpdateStatus"], "Successful");
    assert_ne!(
        configuration["RevisionId"], revision,
        "becoming active is a revision"
    );
    assert_eq!(got["Code"]["RepositoryType"], "S3");
    assert!(got["Code"]["Location"].is_string());
    assert_eq!(got.get("Tags"), None);
    assert_eq!(got.get("Concurrency"), None);
}

#[tokio::test]
async fn what_a_function_may_not_be_is_refused_in_awss_words() {
    let cloud = cloud().await;
    let long = "a".repeat(65);
    let runtimes = "Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid ARN";
    for (others, want) in [
        (
            json!({ "Role": "r1" }),
            r"400 ValidationException: 1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+".to_owned(),
        ),
        (
            json!({ "Role": "arn:aws:iam::000000000000:role/nobody" }),
            "400 InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda.".to_owned(),
        ),
        (
            json!({ "FunctionName": long }),
            format!("400 InvalidParameterValueException: 1 validation error detected: Value '{long}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"),
        ),
        (
            json!({ "Runtime": "python9" }),
            format!("400 InvalidParameterValueException: Value python9 at 'runtime' failed to satisfy constraint: {runtimes}"),
        ),
        (
            json!({ "Runtime": "go1.x" }),
            "400 InvalidParameterValueException: The runtime parameter of go1.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.".to_owned(),
        ),
        (
            json!({ "Handler": null }),
            "400 InvalidParameterValueException: Runtime and Handler are mandatory parameters for functions created with deployment packages.".to_owned(),
        ),
        (
            json!({ "MemorySize": 64, "Timeout": 0 }),
            "400 ValidationException: 2 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128".to_owned(),
        ),
        (
            json!({ "MemorySize": 10241 }),
            "400 InvalidParameterValueException: 'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240".to_owned(),
        ),
        (
            json!({ "Architectures": ["x86_64", "arm64"] }),
            "400 ValidationException: 1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1".to_owned(),
        ),
        (
            json!({ "Architectures": ["X86_64"] }),
            "400 ValidationException: 1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]".to_owned(),
        ),
        (
            json!({ "Environment": { "Variables": { "AWS_REGION": "a", "GOOD": "b" } } }),
            "400 InvalidParameterValueException: Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION".to_owned(),
        ),
        (
            json!({ "Code": { "ZipFile": STANDARD.encode("garbage") } }),
            "400 InvalidParameterValueException: Could not unzip uploaded file. Please check your file, then try to upload again.".to_owned(),
        ),
        (
            json!({ "Code": { "ZipFile": STANDARD.encode(zip(&[])) } }),
            "400 InvalidParameterValueException: Uploaded file must be a non-empty zip".to_owned(),
        ),
    ] {
        assert_eq!(refusal(&cloud, "CreateFunction", function(others)).await, want);
    }
    assert_eq!(
        call(&cloud, "ListFunctions", json!({})).await,
        json!({ "Functions": [] })
    );
}

#[tokio::test]
async fn the_environments_limit_is_that_of_its_json_as_sent() {
    let cloud = cloud().await;
    let fits = 4096 - r#"{"SMALL":"ok","LARGE":""}"#.len();
    let environment = |length: usize| {
        let value = "x".repeat(length);
        json!({ "Environment": { "Variables": { "SMALL": "ok", "LARGE": value } } })
    };
    let want = format!(
        "400 InvalidParameterValueException: Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {{\"SMALL\":\"ok\",\"LARGE\":\"{}\"}}",
        "x".repeat(fits + 1)
    );
    let large = function(environment(fits + 1));
    assert_eq!(refusal(&cloud, "CreateFunction", large).await, want);
    call(&cloud, "CreateFunction", function(environment(fits))).await;
}

#[tokio::test]
async fn a_zip_that_is_too_large_is_refused() {
    let cloud = cloud().await;
    let large = STANDARD.encode(vec![0; 52_428_801]);
    assert_eq!(
        refusal(
            &cloud,
            "CreateFunction",
            function(json!({ "Code": { "ZipFile": large } }))
        )
        .await,
        "413 RequestEntityTooLargeException: Zipped size must be smaller than 52428800 bytes"
    );
}

#[tokio::test]
async fn a_name_is_taken_once_and_free_when_its_function_is_gone() {
    let cloud = with_function().await;
    assert_eq!(
        refusal(&cloud, "CreateFunction", function(json!({}))).await,
        "409 ResourceConflictException: Function already exist: chat"
    );
    assert_eq!(status(&cloud, "DeleteFunction", chat()).await, 204);
    for operation in [
        "DeleteFunction",
        "GetFunction",
        "GetFunctionConfiguration",
        "UpdateFunctionCode",
        "PublishVersion",
        "GetFunctionConcurrency",
        "GetFunctionCodeSigningConfig",
    ] {
        assert_eq!(
            refusal(&cloud, operation, chat()).await,
            format!("404 ResourceNotFoundException: Function not found: {ARN}"),
            "{operation}"
        );
    }
    call(&cloud, "CreateFunction", function(json!({}))).await;
}

#[tokio::test]
async fn functions_of_other_regions_accounts_and_qualifiers_are_told_apart() {
    let cloud = with_function().await;
    let other = json!({
        "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:chat"
    });
    assert_eq!(
        refusal(&cloud, "GetFunction", other).await,
        "404 ResourceNotFoundException: Functions from 'us-east-1' are not reachable in this region ('eu-west-1')"
    );
    let other = json!({
        "FunctionName": "arn:aws:lambda:eu-west-1:111111111111:function:chat"
    });
    assert_eq!(refused(&cloud, "GetFunction", other).await.status, 403);
    let both = json!({ "FunctionName": "chat:1", "Qualifier": "2" });
    assert_eq!(
        refusal(&cloud, "GetFunction", both).await,
        "400 InvalidParameterValueException: The derived qualifier from the function name does not match the specified qualifier."
    );
    let latest = json!({ "FunctionName": ARN, "Qualifier": "$LATEST" });
    let latest = call(&cloud, "GetFunctionConfiguration", latest).await;
    assert_eq!(latest["FunctionArn"], format!("{ARN}:$LATEST"));
}

#[tokio::test]
async fn an_update_changes_what_it_says_and_replaces_the_environment() {
    let cloud = cloud().await;
    let made = function(json!({
        "Description": "first",
        "Environment": { "Variables": { "ONE": "1", "TWO": "2" } },
    }));
    call(&cloud, "CreateFunction", made).await;
    let updated = call(
        &cloud,
        "UpdateFunctionConfiguration",
        json!({
            "FunctionName": "chat",
            "Timeout": 20,
            "Environment": { "Variables": { "THREE": "3" } },
        }),
    )
    .await;
    assert_eq!(updated["LastUpdateStatus"], "InProgress");
    assert_eq!(updated["State"], "Active");
    assert_eq!(updated["Description"], "first");
    assert_eq!(updated["Timeout"], 20);
    assert_eq!(
        updated["Environment"],
        json!({ "Variables": { "THREE": "3" } })
    );
    let now = call(&cloud, "GetFunctionConfiguration", chat()).await;
    assert_eq!(now["LastUpdateStatus"], "Successful");
}

#[tokio::test]
async fn code_and_architecture_are_updated_together() {
    let cloud = with_function().await;
    let before = call(&cloud, "GetFunctionConfiguration", chat()).await;
    let update =
        json!({ "FunctionName": "chat", "ZipFile": package("two"), "Architectures": ["arm64"] });
    let updated = call(&cloud, "UpdateFunctionCode", update).await;
    assert_ne!(updated["CodeSha256"], before["CodeSha256"]);
    assert_eq!(updated["Architectures"], json!(["arm64"]));
    let region = cloud.region("eu-west-1").unwrap();
    let target = region.lambda.resolve("chat").unwrap();
    let bootstrap = target.version.code.join("bootstrap");
    assert_eq!(std::fs::read(bootstrap).unwrap(), b"two");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let cloud = with_function().await;
    let before = call(&cloud, "GetFunctionConfiguration", chat()).await;
    let update = json!({ "FunctionName": "chat", "ZipFile": package("two"), "DryRun": true });
    let told = call(&cloud, "UpdateFunctionCode", update).await;
    assert_ne!(told["CodeSha256"], before["CodeSha256"]);
    let after = call(&cloud, "GetFunctionConfiguration", chat()).await;
    assert_eq!(after, before);
}

#[tokio::test]
async fn an_old_revision_is_refused() {
    let cloud = with_function().await;
    let now = call(&cloud, "GetFunctionConfiguration", chat()).await;
    let want = "412 PreconditionFailedException: The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id";
    for operation in [
        "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
        "PublishVersion",
    ] {
        let old = json!({
            "FunctionName": "chat",
            "RevisionId": "00000000-0000-0000-0000-000000000000",
            "ZipFile": package("two"),
        });
        assert_eq!(refusal(&cloud, operation, old).await, want, "{operation}");
    }
    let right = json!({ "FunctionName": "chat", "RevisionId": now["RevisionId"], "Timeout": 5 });
    call(&cloud, "UpdateFunctionConfiguration", right).await;
}

#[tokio::test]
async fn while_a_change_is_under_way_the_next_is_refused_and_invocations_reach_the_old_code() {
    let cloud = slow_cloud().await;
    let region = cloud.region("eu-west-1").unwrap();
    call(&cloud, "CreateFunction", function(json!({}))).await;
    let delay = |by: i64| {
        let mut state = region.lambda.control.state.write();
        let function = state.functions.get_mut("chat").unwrap();
        function.latest.ready_at = Millis(Millis::now().0 + by);
        function.latest.live.as_ref().unwrap().version.clone()
    };
    delay(60_000);
    let got = call(&cloud, "GetFunctionConfiguration", chat()).await;
    assert_eq!(got["State"], "Pending");
    assert_eq!(got.get("LastUpdateStatus"), None);
    let pending = "409 ResourceConflictException: The operation cannot be performed at this time. The function is currently in the following state: Pending";
    for operation in [
        "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
        "PublishVersion",
    ] {
        let update = json!({ "FunctionName": "chat", "ZipFile": package("two") });
        assert_eq!(
            refusal(&cloud, operation, update).await,
            pending,
            "{operation}"
        );
    }
    let refused = region.lambda.resolve("chat").unwrap_err();
    assert_eq!(format!("{} {refused}", refused.status.as_u16()), pending);

    let old = delay(-1);
    let update = json!({ "FunctionName": "chat", "ZipFile": package("two") });
    call(&cloud, "UpdateFunctionCode", update.clone()).await;
    // With a scale of zero it's done already: put it back under way.
    delay(60_000);
    region
        .lambda
        .control
        .state
        .write()
        .functions
        .get_mut("chat")
        .unwrap()
        .before = Some(Arc::clone(&old));
    assert_eq!(
        refusal(&cloud, "UpdateFunctionCode", update).await,
        format!(
            "409 ResourceConflictException: The operation cannot be performed at this time. An update is in progress for resource: {ARN}"
        )
    );
    let reached = region.lambda.resolve("chat").unwrap().version;
    assert_eq!(reached.revision, old.revision);
    delay(-1);
    let reached = region.lambda.resolve("chat").unwrap().version;
    assert_ne!(reached.revision, old.revision);
}

#[tokio::test]
async fn lists_come_in_pages_and_in_order() {
    let cloud = cloud().await;
    for name in ["b", "a-b", "a", "c"] {
        let made = function(json!({ "FunctionName": name, "Publish": name == "a" }));
        call(&cloud, "CreateFunction", made).await;
    }
    let mut names = Vec::new();
    let mut marker = Value::Null;
    loop {
        let page = call(
            &cloud,
            "ListFunctions",
            json!({ "MaxItems": "3", "Marker": marker }),
        )
        .await;
        let functions = page["Functions"].as_array().unwrap();
        assert!(functions.len() <= 3);
        assert_eq!(
            functions[0].get("State"),
            None,
            "a list leaves the state out"
        );
        names.extend(
            functions
                .iter()
                .map(|one| one["FunctionName"].as_str().unwrap().to_owned()),
        );
        marker = page["NextMarker"].clone();
        if marker.is_null() {
            break;
        }
    }
    assert_eq!(names, ["a", "a-b", "b", "c"]);

    let mut arns = Vec::new();
    let mut marker = Value::Null;
    loop {
        let asked = json!({ "FunctionVersion": "ALL", "MaxItems": 2, "Marker": marker });
        let page = call(&cloud, "ListFunctions", asked).await;
        arns.extend(page["Functions"].as_array().unwrap().iter().map(|one| {
            let arn = one["FunctionArn"].as_str().unwrap();
            arn.rsplit_once("function:").unwrap().1.to_owned()
        }));
        marker = page["NextMarker"].clone();
        if marker.is_null() {
            break;
        }
    }
    arns.sort();
    assert_eq!(
        arns,
        ["a-b:$LATEST", "a:$LATEST", "a:1", "b:$LATEST", "c:$LATEST"]
    );
    let bad = json!({ "Marker": "!" });
    assert_eq!(refused(&cloud, "ListFunctions", bad).await.status, 400);
}

#[tokio::test]
async fn reserved_concurrency_leaves_a_hundred_for_the_others() {
    let cloud = with_function().await;
    let put = |reserved: i64| {
        json!({
            "FunctionName": "chat",
            "ReservedConcurrentExecutions": reserved,
        })
    };
    assert_eq!(
        refusal(&cloud, "PutFunctionConcurrency", put(901)).await,
        "400 InvalidParameterValueException: Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
    );
    for reserved in [900, 5, 900] {
        let answer = call(&cloud, "PutFunctionConcurrency", put(reserved)).await;
        assert_eq!(answer, json!({ "ReservedConcurrentExecutions": reserved }));
    }
    let got = call(&cloud, "GetFunction", chat()).await;
    assert_eq!(
        got["Concurrency"],
        json!({ "ReservedConcurrentExecutions": 900 })
    );
    let region = cloud.region("eu-west-1").unwrap();
    let target = region.lambda.resolve("chat").unwrap();
    assert_eq!(target.reserved_concurrency, Some(900));
    let account = call(&cloud, "GetAccountSettings", json!({})).await;
    assert_eq!(
        account["AccountLimit"]["UnreservedConcurrentExecutions"],
        100
    );
    assert_eq!(account["AccountUsage"]["FunctionCount"], 1);
    assert_eq!(
        status(&cloud, "DeleteFunctionConcurrency", chat()).await,
        204
    );
    assert_eq!(
        call(&cloud, "GetFunctionConcurrency", chat()).await,
        json!({})
    );
    let absent = json!({ "FunctionName": "gone", "ReservedConcurrentExecutions": 1 });
    assert_eq!(
        refusal(&cloud, "PutFunctionConcurrency", absent).await,
        "404 ResourceNotFoundException: Function not found: arn:aws:lambda:eu-west-1:000000000000:function:gone:$LATEST"
    );
}

#[tokio::test]
async fn tags_are_added_changed_and_taken_away() {
    let cloud = cloud().await;
    let made = function(json!({ "Tags": { "a": "1" } }));
    call(&cloud, "CreateFunction", made).await;
    let tag = json!({ "Resource": ARN, "Tags": { "a": "2", "b": "3" } });
    assert_eq!(status(&cloud, "TagResource", tag).await, 204);
    let untag = json!({ "Resource": ARN, "tagKeys": ["b"] });
    assert_eq!(status(&cloud, "UntagResource", untag).await, 204);
    let got = call(&cloud, "GetFunction", chat()).await;
    assert_eq!(got["Tags"], json!({ "a": "2" }));
    assert_eq!(
        call(&cloud, "ListTags", json!({ "Resource": ARN })).await,
        json!({ "Tags": { "a": "2" } })
    );
    let qualified = json!({ "Resource": format!("{ARN}:$LATEST"), "Tags": { "a": "b" } });
    assert_eq!(
        refusal(&cloud, "TagResource", qualified).await,
        "400 InvalidParameterValueException: Tags on function aliases and versions are not supported. Please specify a function ARN."
    );
    let many: serde_json::Map<String, Value> = (0..50)
        .map(|number| (format!("k{number}"), json!("v")))
        .collect();
    let many = json!({ "Resource": ARN, "Tags": many });
    assert_eq!(
        refusal(&cloud, "TagResource", many).await,
        "400 InvalidParameterValueException: Number of tags exceeds resource tag limit."
    );
}

#[tokio::test]
async fn whoever_may_not_list_tags_gets_the_function_without_them() {
    let cloud = cloud().await;
    allow(&cloud, &["lambda:GetFunction"]).await;
    call(
        &cloud,
        "CreateFunction",
        function(json!({ "Tags": { "a": "1" } })),
    )
    .await;
    let mut get = request(&cloud, Service::Lambda, "GetFunction", chat());
    get.caller = Caller::Role {
        role: ROLE.to_owned(),
        session: "s".to_owned(),
    };
    let Payload::Members(got) = perform(&get).await.unwrap().payload else {
        panic!("no members")
    };
    assert_eq!(got.get("Tags"), None);
    assert_eq!(got["TagsError"]["ErrorCode"], "AccessDeniedException");
    get.operation = "DeleteFunction".to_owned();
    assert_eq!(perform(&get).await.unwrap_err().status, 403);
}

#[tokio::test]
async fn whoever_may_not_pass_the_role_makes_no_function() {
    let cloud = cloud().await;
    allow(&cloud, &["lambda:*"]).await;
    let mut create = request(
        &cloud,
        Service::Lambda,
        "CreateFunction",
        function(json!({})),
    );
    create.caller = Caller::Role {
        role: ROLE.to_owned(),
        session: "s".to_owned(),
    };
    let refused = perform(&create).await.unwrap_err();
    assert_eq!(refused.code, "AccessDeniedException");
    assert!(refused.message.contains("iam:PassRole"), "{refused}");
}

#[tokio::test]
async fn logs_in_json_have_levels_and_text_has_none() {
    let cloud = cloud().await;
    let made = function(json!({ "LoggingConfig": { "LogFormat": "JSON", "LogGroup": "/own" } }));
    let made = call(&cloud, "CreateFunction", made).await;
    assert_eq!(
        made["LoggingConfig"],
        json!({
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
            "LogGroup": "/own",
        })
    );
    let text = json!({ "FunctionName": "chat", "LoggingConfig": { "LogFormat": "Text" } });
    let updated = call(&cloud, "UpdateFunctionConfiguration", text).await;
    assert_eq!(
        updated["LoggingConfig"],
        json!({ "LogFormat": "Text", "LogGroup": "/own" })
    );
}

#[tokio::test]
async fn members_of_wrong_types_are_refused_and_break_nothing() {
    let cloud = cloud().await;
    for others in [
        json!({ "Timeout": "soon" }),
        json!({ "Environment": [] }),
        json!({ "Environment": { "Variables": { "ONE": 1 } } }),
        json!({ "Code": { "ZipFile": 7 } }),
        json!({ "Code": { "ZipFile": "*" } }),
        json!({ "Architectures": [1] }),
        json!({ "FunctionName": {} }),
    ] {
        let shown = others.to_string();
        let refused = refused(&cloud, "CreateFunction", function(others)).await;
        assert_eq!(refused.code, "SerializationException", "{shown}");
    }
    assert_eq!(
        refused(&cloud, "CreateFunction", json!({})).await.code,
        "ValidationException"
    );
    assert_eq!(
        refused(&cloud, "PublishLayerVersion", json!({})).await.code,
        "UnknownOperationException"
    );
}

#[tokio::test]
async fn code_comes_from_a_bucket_as_well() {
    let cloud = cloud().await;
    let mut make = request(
        &cloud,
        Service::S3,
        "CreateBucket",
        json!({ "Bucket": "code-bucket" }),
    );
    make.body = Bytes::from_static(
        b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
    );
    perform(&make).await.unwrap();
    let mut put = request(
        &cloud,
        Service::S3,
        "PutObject",
        json!({ "Bucket": "code-bucket", "Key": "a/b.zip" }),
    );
    put.body = zip(&[("bootstrap", 0o755, b"stored")]).into();
    perform(&put).await.unwrap();
    let code =
        |bucket: &str, key: &str| function(json!({ "Code": { "S3Bucket": bucket, "S3Key": key } }));
    for (code, want) in [
        (
            code("code-bucket", "gone"),
            "400 InvalidParameterValueException: Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
        ),
        (
            code("other-bucket", "a/b.zip"),
            "400 InvalidParameterValueException: Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist",
        ),
    ] {
        assert_eq!(refusal(&cloud, "CreateFunction", code).await, want);
    }
    call(&cloud, "CreateFunction", code("code-bucket", "a/b.zip")).await;
    let region = cloud.region("eu-west-1").unwrap();
    let target = region.lambda.resolve("chat").unwrap();
    let bootstrap = target.version.code.join("bootstrap");
    assert_eq!(std::fs::read(bootstrap).unwrap(), b"stored");
}
