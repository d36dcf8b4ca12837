//! Buckets and their settings.

use super::*;

async fn create(client: &Client, name: &str, constraint: &str) -> Result<Answer, AwsError> {
    let body = match constraint {
        "" => String::new(),
        constraint => format!(
            "<CreateBucketConfiguration><LocationConstraint>{constraint}</LocationConstraint></CreateBucketConfiguration>"
        ),
    };
    client
        .call("CreateBucket", json!({ "Bucket": name }), &[], body)
        .await
}

#[tokio::test]
async fn buckets_are_made_by_the_rules_of_their_region() {
    let mut client = Client::new();
    for odd in [
        "ab",
        "Upper",
        "a..b",
        "-ab",
        "ab-",
        "1.2.3.4",
        "xn--a",
        "a_b",
        &"x".repeat(64),
    ] {
        assert_eq!(
            refused(create(&client, odd, "").await),
            is(400, "InvalidBucketName"),
            "{odd}"
        );
    }
    create(&client, "first", "").await.unwrap();
    create(&client, "first", "").await.unwrap();
    assert_eq!(
        refused(create(&client, "other", "us-east-1").await),
        is(400, "InvalidLocationConstraint")
    );
    client.region = "eu-west-1";
    assert_eq!(
        refused(create(&client, "second", "").await),
        is(400, "IllegalLocationConstraintException")
    );
    assert_eq!(
        refused(create(&client, "second", "eu-west-2").await),
        is(400, "IllegalLocationConstraintException")
    );
    create(&client, "second", "eu-west-1").await.unwrap();
    assert_eq!(
        refused(create(&client, "second", "eu-west-1").await),
        is(409, "BucketAlreadyOwnedByYou")
    );
    // A bucket of another region says where it is.
    let answer = client
        .call("HeadBucket", json!({ "Bucket": "first" }), &[], "")
        .await
        .unwrap();
    assert_eq!(answer.status.as_u16(), 301);
    assert_eq!(head(&answer, "x-amz-bucket-region"), "us-east-1");
    let there = json!({ "Bucket": "second" });
    let answer = client
        .call("GetBucketLocation", there.clone(), &[], "")
        .await
        .unwrap();
    let location = xml::read(&body(&answer), "LocationConstraint").unwrap();
    assert_eq!(location.text, "eu-west-1");
    let answer = client
        .call("ListBuckets", json!({}), &[], "")
        .await
        .unwrap();
    let list = xml::read(&body(&answer), "ListAllMyBucketsResult").unwrap();
    let names: Vec<_> = list.children[1]
        .all("Bucket")
        .filter_map(|bucket| bucket.text("Name"))
        .collect();
    assert_eq!(names, ["first", "second"]);
    let key = json!({ "Bucket": "second", "Key": "k" });
    client
        .call("PutObject", key.clone(), &[], "x")
        .await
        .unwrap();
    let full = client.call("DeleteBucket", there.clone(), &[], "").await;
    assert_eq!(refused(full), is(409, "BucketNotEmpty"));
    client.call("DeleteObject", key, &[], "").await.unwrap();
    let gone = client.call("DeleteBucket", there.clone(), &[], "").await;
    assert_eq!(gone.unwrap().status.as_u16(), 204);
    let again = client.call("DeleteBucket", there, &[], "").await;
    assert_eq!(refused(again), is(404, "NoSuchBucket"));
}

#[tokio::test]
async fn somebody_elses_bucket_is_refused() {
    let client = Client::with_bucket().await;
    let own = [("x-amz-expected-bucket-owner", "000000000000")];
    client.put("k", "x", &own).await.unwrap();
    let other = [("x-amz-expected-bucket-owner", "111111111111")];
    for operation in ["PutObject", "GetObject", "DeleteObject", "HeadBucket"] {
        let answer = client.call(operation, at("k"), &other, "").await;
        assert_eq!(refused(answer), is(403, "AccessDenied"), "{operation}");
    }
}

#[tokio::test]
async fn a_buckets_settings_are_kept() {
    let client = Client::with_bucket().await;
    let there = || json!({ "Bucket": "box" });
    let call =
        |operation: &'static str, body: &'static str| client.call(operation, there(), &[], body);
    let none = call("GetBucketTagging", "").await;
    assert_eq!(refused(none), is(404, "NoSuchTagSet"));
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>&lt;b</Value></Tag></TagSet></Tagging>";
    call("PutBucketTagging", tags).await.unwrap();
    let answer = call("GetBucketTagging", "").await.unwrap();
    assert!(
        body(&answer)
            .ends_with(b"<TagSet><Tag><Key>a</Key><Value>&lt;b</Value></Tag></TagSet></Tagging>")
    );
    call("DeleteBucketTagging", "").await.unwrap();
    assert!(call("GetBucketTagging", "").await.is_err());
    let block = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
                 </PublicAccessBlockConfiguration>";
    call("PutPublicAccessBlock", block).await.unwrap();
    let answer = call("GetPublicAccessBlock", "").await.unwrap();
    let read = xml::read(&body(&answer), "PublicAccessBlockConfiguration").unwrap();
    assert_eq!(read.text("BlockPublicAcls"), Some("true"));
    assert_eq!(read.text("RestrictPublicBuckets"), Some("false"));
    call("DeletePublicAccessBlock", "").await.unwrap();
    let none = call("GetPublicAccessBlock", "").await;
    assert_eq!(
        refused(none),
        is(404, "NoSuchPublicAccessBlockConfiguration")
    );
    let answer = call("GetBucketVersioning", "").await.unwrap();
    let read = xml::read(&body(&answer), "VersioningConfiguration").unwrap();
    assert_eq!(read.text("Status"), None);
    client.version().await;
    let answer = call("GetBucketVersioning", "").await.unwrap();
    let read = xml::read(&body(&answer), "VersioningConfiguration").unwrap();
    assert_eq!(read.text("Status"), Some("Enabled"));
}
