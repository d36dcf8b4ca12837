use super::*;
use crate::lambda::Lambda;

fn of(cloud: &Arc<Cloud>) -> Arc<crate::cloud::Region> {
    cloud.region("eu-west-1").unwrap()
}

/// Everything that a client can read.
async fn all(cloud: &Arc<Cloud>) -> Value {
    let one = json!({ "FunctionName": "chat", "Qualifier": "1" });
    let mut function = call(cloud, "GetFunction", chat()).await;
    // Where the code can be read differs with the port.
    function["Code"].take();
    json!([
        function,
        call(cloud, "GetFunctionConfiguration", one).await,
        call(cloud, "ListFunctions", json!({ "FunctionVersion": "ALL" })).await,
        call(cloud, "ListAliases", chat()).await,
        call(cloud, "GetPolicy", json!({ "FunctionName": "chat:live" })).await,
    ])
}

async fn filled(cloud: &Arc<Cloud>) {
    let made = function(json!({
        "Publish": true,
        "Tags": { "a": "b" },
        "Environment": { "Variables": { "ONE": "1" } },
    }));
    call(cloud, "CreateFunction", made).await;
    let update = json!({ "FunctionName": "chat", "ZipFile": package("two") });
    call(cloud, "UpdateFunctionCode", update).await;
    let alias = json!({ "FunctionName": "chat", "Name": "live", "FunctionVersion": "1" });
    call(cloud, "CreateAlias", alias).await;
    let permission = json!({
        "FunctionName": "chat:live",
        "StatementId": "a",
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
    });
    call(cloud, "AddPermission", permission).await;
    let reserved = json!({ "FunctionName": "chat", "ReservedConcurrentExecutions": 7 });
    call(cloud, "PutFunctionConcurrency", reserved).await;
}

#[tokio::test]
async fn what_is_kept_comes_back_as_it_was() {
    let before = cloud().await;
    filled(&before).await;
    let kept = of(&before).lambda.keep();
    let after = cloud().await;
    of(&after).lambda.restore(kept).unwrap();
    assert_eq!(all(&after).await, all(&before).await);
    for (version, content) in [("chat", "two"), ("chat:1", "one")] {
        let target = of(&after).lambda.resolve(version).unwrap();
        assert!(target.version.code.starts_with(after.work()));
        let bootstrap = target.version.code.join("bootstrap");
        assert_eq!(std::fs::read(bootstrap).unwrap(), content.as_bytes());
    }
    // The numbers go on.
    let next = call(&after, "PublishVersion", chat()).await;
    assert_eq!(next["Version"], "2");
}

#[tokio::test]
async fn zips_are_files_in_the_folder_that_keeps_and_go_a_while_after_their_versions() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        keep: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let before = cloud_of(options.clone()).await;
    filled(&before).await;
    let kept = of(&before).lambda.keep();
    let zips = || {
        std::fs::read_dir(folder.path().join("code/eu-west-1"))
            .unwrap()
            .count()
    };
    assert_eq!(zips(), 2);
    assert!(kept.to_string().len() < 20_000);
    let told = all(&before).await;
    drop(before);
    let after = cloud_of(options).await;
    of(&after).lambda.restore(kept).unwrap();
    assert_eq!(all(&after).await, told);

    call(&after, "DeleteFunction", chat()).await;
    // As if the grace were over.
    let later = crate::clock::Millis::now().after(std::time::Duration::from_hours(1));
    of(&after).lambda.control.packages.retire([], later);
    of(&after).lambda.keep();
    assert_eq!(zips(), 2, "what is on the disk may still need them");
    of(&after).lambda.keep();
    assert_eq!(zips(), 0);
}

#[tokio::test]
async fn a_version_whose_code_is_gone_stays_away_and_the_rest_comes_back() {
    let before = cloud().await;
    filled(&before).await;
    let mut kept = of(&before).lambda.keep();
    let first = call(
        &before,
        "GetFunctionConfiguration",
        json!({ "FunctionName": "chat:1" }),
    )
    .await;
    let sha256 = first["CodeSha256"].as_str().unwrap();
    kept["zips"].as_object_mut().unwrap().remove(sha256);
    let after = cloud().await;
    of(&after).lambda.restore(kept).unwrap();
    assert!(of(&after).lambda.resolve("chat:1").is_err());
    assert!(of(&after).lambda.resolve("chat").is_ok());
}

#[test]
fn what_is_no_state_is_refused_in_words() {
    let work = tempfile::tempdir().unwrap();
    let lambda = Lambda::new("eu-west-1", work.path(), None);
    assert!(lambda.restore(json!({ "state": 7 })).is_err());
    assert_eq!(lambda.restore(Value::Null), Ok(()));
}
