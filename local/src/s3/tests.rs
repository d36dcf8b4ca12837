use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{HeaderMap, header::HeaderName};
use md5::{Digest as _, Md5};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    S3,
    conditions::{Range, http_date, parse_date, range},
    listing::{Wanted, page},
    state::{Bucket, Object, State, Versioning},
    xml,
};
use crate::{
    Options,
    call::{Answer, Call, Payload, Service},
    clock::Millis,
    cloud::{Cloud, perform},
    error::AwsError,
    iam::Caller,
};

struct Client {
    cloud: Arc<Cloud>,
    region: &'static str,
    caller: Caller,
}

impl Client {
    fn new() -> Self {
        Self {
            cloud: Cloud::for_test(Options::default()),
            region: "us-east-1",
            caller: Caller::Owner {
                access_key: "test".into(),
            },
        }
    }

    /// With a bucket `box`.
    async fn with_bucket() -> Self {
        let client = Self::new();
        client
            .call("CreateBucket", json!({ "Bucket": "box" }), &[], "")
            .await
            .unwrap();
        client
    }

    async fn call(
        &self,
        operation: &str,
        input: Value,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, AwsError> {
        let Value::Object(input) = input else {
            panic!("no members")
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let call = Call {
            cloud: Arc::clone(&self.cloud),
            region: self.cloud.region(self.region).unwrap(),
            caller: self.caller.clone(),
            service: Service::S3,
            operation: operation.into(),
            input,
            body: body.into(),
            headers: map,
            request_id: "id".into(),
        };
        perform(&call).await
    }

    async fn put(
        &self,
        key: &str,
        body: &'static str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, AwsError> {
        self.call("PutObject", at(key), headers, body).await
    }

    async fn get(&self, key: &str, headers: &[(&str, &str)]) -> Result<Answer, AwsError> {
        self.call("GetObject", at(key), headers, "").await
    }

    async fn list(&self, input: Value) -> xml::Element {
        let mut whole = json!({ "Bucket": "box", "list-type": "2" });
        for (name, value) in input.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let answer = self.call("ListObjectsV2", whole, &[], "").await.unwrap();
        xml::read(&body(&answer), "ListBucketResult").unwrap()
    }

    async fn version(&self) {
        let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.call("PutBucketVersioning", json!({ "Bucket": "box" }), &[], body)
            .await
            .unwrap();
    }
}

fn at(key: &str) -> Value {
    json!({ "Bucket": "box", "Key": key })
}

fn body(answer: &Answer) -> Bytes {
    match &answer.payload {
        Payload::Blob(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    }
}

fn head<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn refused(answer: Result<Answer, AwsError>) -> (u16, String) {
    let error = answer.unwrap_err();
    (error.status.as_u16(), error.code.into_owned())
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn keys(list: &xml::Element) -> Vec<&str> {
    list.all("Contents")
        .filter_map(|object| object.text("Key"))
        .collect()
}

fn prefixes(list: &xml::Element) -> Vec<&str> {
    list.all("CommonPrefixes")
        .filter_map(|object| object.text("Prefix"))
        .collect()
}

#[tokio::test]
async fn an_object_is_read_back_with_its_headers() {
    let client = Client::with_bucket().await;
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip,aws-chunked"),
        ("x-amz-meta-owner", "ann"),
    ];
    let put = client.put("a/b c", "hello", &headers).await.unwrap();
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    assert_eq!(head(&put, "etag"), etag);
    assert!(!head(&put, "x-amz-checksum-crc64nvme").is_empty());
    let got = client.get("a/b c", &[]).await.unwrap();
    assert_eq!(body(&got), "hello");
    assert_eq!(head(&got, "etag"), etag);
    assert_eq!(head(&got, "content-type"), "application/json");
    assert_eq!(head(&got, "content-encoding"), "gzip");
    assert_eq!(head(&got, "x-amz-meta-owner"), "ann");
    assert!(parse_date(head(&got, "last-modified")).is_some());
    let told = client
        .call("HeadObject", at("a/b c"), &[], "")
        .await
        .unwrap();
    assert_eq!(head(&told, "content-length"), "5");
    assert!(body(&told).is_empty());
    assert_eq!(refused(client.get("a", &[]).await), is(404, "NoSuchKey"));
    let elsewhere = json!({ "Bucket": "bax", "Key": "a" });
    let error = client
        .call("GetObject", elsewhere, &[], "")
        .await
        .unwrap_err();
    assert_eq!(error.code, "NoSuchBucket");
    assert_eq!(error.members["BucketName"], "bax");
}

#[tokio::test]
async fn only_the_first_of_two_makes_an_object_that_must_not_be_there() {
    let client = Client::with_bucket().await;
    let none = [("if-none-match", "*")];
    client.put("lock", "1", &none).await.unwrap();
    let error = client.put("lock", "2", &none).await.unwrap_err();
    assert_eq!(error.status.as_u16(), 412);
    assert_eq!(error.code, "PreconditionFailed");
    assert_eq!(
        error.message,
        "At least one of the pre-conditions you specified did not hold"
    );
    assert_eq!(error.members["Condition"], "If-None-Match");
    assert_eq!(body(&client.get("lock", &[]).await.unwrap()), "1");
    let other = client.put("lock", "3", &[("if-none-match", "\"x\"")]).await;
    assert_eq!(refused(other), is(501, "NotImplemented"));
}

#[tokio::test]
async fn an_object_is_replaced_and_deleted_only_as_it_was_seen() {
    let client = Client::with_bucket().await;
    let seen = client.put("k", "1", &[]).await.unwrap();
    let seen = head(&seen, "etag");
    let now = client.put("k", "2", &[("if-match", seen)]).await.unwrap();
    let now = head(&now, "etag");
    let late = client.put("k", "3", &[("if-match", seen)]).await;
    assert_eq!(refused(late), is(412, "PreconditionFailed"));
    let delete = |etag: String| {
        let client = &client;
        async move {
            client
                .call("DeleteObject", at("k"), &[("if-match", &etag)], "")
                .await
        }
    };
    assert_eq!(
        refused(delete(seen.into()).await),
        is(412, "PreconditionFailed")
    );
    let gone = delete(now.into()).await.unwrap();
    assert_eq!(gone.status.as_u16(), 204);
    assert_eq!(refused(delete(now.into()).await), is(404, "NoSuchKey"));
    let gone = client.put("k", "4", &[("if-match", now)]).await;
    assert_eq!(refused(gone), is(404, "NoSuchKey"));
    // Without a condition, what isn't there is deleted just as well.
    client.call("DeleteObject", at("k"), &[], "").await.unwrap();
}

#[tokio::test]
async fn a_reader_that_knows_it_already_gets_no_body() {
    let client = Client::with_bucket().await;
    client.put("k", "hello", &[]).await.unwrap();
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    for same in [etag, "5d41402abc4b2a76b9719d911017c592", "\"x\", *"] {
        let answer = client.get("k", &[("if-none-match", same)]).await.unwrap();
        assert_eq!(answer.status.as_u16(), 304, "{same}");
        assert!(body(&answer).is_empty());
        assert_eq!(head(&answer, "etag"), etag);
    }
    let other = client.get("k", &[("if-none-match", "\"x\"")]).await;
    assert_eq!(other.unwrap().status.as_u16(), 200);
    let matched = client.get("k", &[("if-match", "\"x\"")]).await;
    assert_eq!(refused(matched), is(412, "PreconditionFailed"));
    let (past, future) = (http_date(Millis(0)), http_date(Millis(4_000_000_000_000)));
    let since = client.get("k", &[("if-modified-since", &future)]).await;
    assert_eq!(since.unwrap().status.as_u16(), 304);
    let since = client.get("k", &[("if-unmodified-since", &past)]).await;
    assert_eq!(refused(since), is(412, "PreconditionFailed"));
    // An ETag that fits outweighs the date.
    let both = [("if-match", etag), ("if-unmodified-since", past.as_str())];
    assert!(client.get("k", &both).await.is_ok());
}

#[tokio::test]
async fn a_range_is_a_part() {
    let client = Client::with_bucket().await;
    client.put("k", "hello", &[]).await.unwrap();
    let part = client.get("k", &[("range", "bytes=1-2")]).await.unwrap();
    assert_eq!(part.status.as_u16(), 206);
    assert_eq!(body(&part), "el");
    assert_eq!(head(&part, "content-range"), "bytes 1-2/5");
    let part = client.get("k", &[("range", "bytes=5-")]).await;
    assert_eq!(refused(part), is(416, "InvalidRange"));
    assert_eq!(range(Some("bytes=-2"), 5), Range::Part(3, 5));
    assert_eq!(range(Some("bytes=-9"), 5), Range::Part(0, 5));
    assert_eq!(range(Some("bytes=0-99"), 5), Range::Part(0, 5));
    assert_eq!(range(Some("bytes=-0"), 5), Range::Unsatisfiable);
    for odd in [
        "bytes=2-1",
        "bytes=0-1,3-4",
        "lines=1-2",
        "bytes=x-",
        "bytes",
    ] {
        assert_eq!(range(Some(odd), 5), Range::Whole, "{odd}");
    }
}

#[tokio::test]
async fn a_body_must_be_what_its_digest_says() {
    let client = Client::with_bucket().await;
    let put = |name: &'static str, value: String| {
        let client = &client;
        async move { client.put("k", "hello", &[(name, &value)]).await }
    };
    let md5 = STANDARD.encode(Md5::digest(b"hello"));
    put("content-md5", md5).await.unwrap();
    let other = STANDARD.encode(Md5::digest(b"hallo"));
    assert_eq!(
        refused(put("content-md5", other).await),
        is(400, "BadDigest")
    );
    assert_eq!(
        refused(put("content-md5", "x".into()).await),
        is(400, "InvalidDigest")
    );
    // Known values of `hello`.
    for (name, value) in [
        ("x-amz-checksum-crc32", "NhCmhg=="),
        ("x-amz-checksum-crc32c", "mnG7TA=="),
        (
            "x-amz-checksum-sha256",
            "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        ),
        ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
    ] {
        let answer = put(name, value.into()).await.unwrap();
        assert_eq!(head(&answer, name), value);
        let got = client.get("k", &[("x-amz-checksum-mode", "ENABLED")]).await;
        assert_eq!(head(&got.unwrap(), name), value);
        let wrong = value.replacen(value.chars().next().unwrap(), "A", 1);
        assert_eq!(refused(put(name, wrong).await), is(400, "BadDigest"));
        assert_eq!(
            refused(put(name, "AA==".into()).await),
            is(400, "InvalidRequest")
        );
    }
}

#[tokio::test]
async fn lists_are_sorted_rolled_up_and_paged() {
    let client = Client::with_bucket().await;
    for key in ["b", "a/2", "a/1", "a", "c/x/y", "é<&"] {
        client.put(key, "x", &[]).await.unwrap();
    }
    let all = client.list(json!({})).await;
    assert_eq!(keys(&all), ["a", "a/1", "a/2", "b", "c/x/y", "é<&"]);
    assert_eq!(all.text("KeyCount"), Some("6"));
    let rolled = client.list(json!({ "delimiter": "/" })).await;
    assert_eq!(keys(&rolled), ["a", "b", "é<&"]);
    assert_eq!(prefixes(&rolled), ["a/", "c/"]);
    let within = client
        .list(json!({ "prefix": "a/", "delimiter": "/", "start-after": "a/1" }))
        .await;
    assert_eq!(keys(&within), ["a/2"]);
    let encoded = client
        .list(json!({ "encoding-type": "url", "prefix": "é" }))
        .await;
    assert_eq!(keys(&encoded), ["%C3%A9%3C%26"]);
    let mut found = Vec::new();
    // By the model's names too, as the wire has them.
    let mut input = json!({ "MaxKeys": 1, "Delimiter": "/" });
    loop {
        let list = client.list(input.clone()).await;
        found.extend(keys(&list).into_iter().map(str::to_owned));
        found.extend(prefixes(&list).into_iter().map(str::to_owned));
        let Some(token) = list.text("NextContinuationToken") else {
            break;
        };
        input["ContinuationToken"] = json!(token);
    }
    assert_eq!(found, ["a", "a/", "b", "c/", "é<&"]);
    for (name, value) in [
        ("max-keys", "x"),
        ("max-keys", "-1"),
        ("continuation-token", "x"),
        ("encoding-type", "rot13"),
    ] {
        let input = json!({ "Bucket": "box", name: value });
        let answer = client.call("ListObjectsV2", input, &[], "").await;
        assert_eq!(refused(answer), is(400, "InvalidArgument"), "{name}");
    }
    let input = json!({ "Bucket": "box", "max-keys": "2", "delimiter": "/" });
    let answer = client.call("ListObjects", input, &[], "").await.unwrap();
    let list = xml::read(&body(&answer), "ListBucketResult").unwrap();
    assert_eq!(list.text("NextMarker"), Some("a/"));
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let client = Client::with_bucket().await;
    for key in ["a", "b&", "c"] {
        client.put(key, "x", &[]).await.unwrap();
    }
    let delete = |document: &'static str| {
        let client = &client;
        async move {
            let md5 = STANDARD.encode(Md5::digest(document.as_bytes()));
            let headers = [("content-md5", md5.as_str())];
            client
                .call(
                    "DeleteObjects",
                    json!({ "Bucket": "box" }),
                    &headers,
                    document,
                )
                .await
        }
    };
    let answer = delete(
        "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a</Key></Object>\
         <Object><Key>b&amp;</Key></Object><Object><Key>no</Key></Object>\
         <Object><Key>c</Key><ETag>x</ETag></Object></Delete>",
    )
    .await
    .unwrap();
    let result = xml::read(&body(&answer), "DeleteResult").unwrap();
    let deleted: Vec<_> = result
        .all("Deleted")
        .filter_map(|deleted| deleted.text("Key"))
        .collect();
    assert_eq!(deleted, ["a", "b&", "no"]);
    let error = result.child("Error").unwrap();
    assert_eq!(error.text("Code"), Some("PreconditionFailed"));
    assert_eq!(keys(&client.list(json!({})).await), ["c"]);
    let answer = delete("<Delete><Quiet>true</Quiet><Object><Key>c</Key></Object></Delete>")
        .await
        .unwrap();
    let result = xml::read(&body(&answer), "DeleteResult").unwrap();
    assert!(result.children.is_empty());
    for odd in [
        "",
        "<Delete/>",
        "<Delete><Object/></Delete>",
        "<Other/>",
        "<Delete><Object><Key>&what;</Key></Object></Delete>",
        "<!DOCTYPE x><Delete><Object><Key>a</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object>",
    ] {
        assert_eq!(refused(delete(odd).await), is(400, "MalformedXML"), "{odd}");
    }
    let input = json!({ "Bucket": "box" });
    let plain = "<Delete><Object><Key>c</Key></Object></Delete>";
    let undigested = client.call("DeleteObjects", input, &[], plain).await;
    assert_eq!(refused(undigested), is(400, "InvalidRequest"));
}

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

#[tokio::test]
async fn with_versions_nothing_is_lost_until_its_version_is_deleted() {
    let client = Client::with_bucket().await;
    client.put("k", "old", &[]).await.unwrap();
    client.version().await;
    let put = client.put("k", "new", &[]).await.unwrap();
    let version = head(&put, "x-amz-version-id").to_owned();
    assert_eq!(version.len(), 32);
    let of = |version: &str| json!({ "Bucket": "box", "Key": "k", "versionId": version });
    let old = client.call("GetObject", of("null"), &[], "").await.unwrap();
    assert_eq!(body(&old), "old");
    let gone = client.call("DeleteObject", at("k"), &[], "").await.unwrap();
    assert_eq!(head(&gone, "x-amz-delete-marker"), "true");
    let marker = head(&gone, "x-amz-version-id").to_owned();
    assert_eq!(refused(client.get("k", &[]).await), is(404, "NoSuchKey"));
    assert!(keys(&client.list(json!({})).await).is_empty());
    // A lock may be taken where only a marker is.
    let answer = client.call("GetObject", of(&marker), &[], "").await;
    assert_eq!(refused(answer), is(405, "MethodNotAllowed"));
    let list = async |input: Value| {
        let mut whole = json!({ "Bucket": "box" });
        for (name, value) in input.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let answer = client
            .call("ListObjectVersions", whole, &[], "")
            .await
            .unwrap();
        xml::read(&body(&answer), "ListVersionsResult").unwrap()
    };
    let whole = list(json!({})).await;
    let ids: Vec<_> = whole
        .all("Version")
        .filter_map(|version| version.text("VersionId"))
        .collect();
    assert_eq!(ids, [version.as_str(), "null"]);
    assert_eq!(
        whole.child("DeleteMarker").unwrap().text("IsLatest"),
        Some("true")
    );
    let page = list(json!({ "max-keys": "2" })).await;
    assert_eq!(page.text("NextVersionIdMarker"), Some(version.as_str()));
    let page = list(json!({ "key-marker": "k", "version-id-marker": version.as_str() })).await;
    assert_eq!(
        page.child("Version").unwrap().text("VersionId"),
        Some("null")
    );
    let full = client
        .call("DeleteBucket", json!({ "Bucket": "box" }), &[], "")
        .await;
    assert_eq!(refused(full), is(409, "BucketNotEmpty"));
    client
        .call("DeleteObject", of(&marker), &[], "")
        .await
        .unwrap();
    assert_eq!(body(&client.get("k", &[]).await.unwrap()), "new");
    for version in [version.as_str(), "null"] {
        client
            .call("DeleteObject", of(version), &[], "")
            .await
            .unwrap();
    }
    let empty = client
        .call("DeleteBucket", json!({ "Bucket": "box" }), &[], "")
        .await;
    assert!(empty.is_ok());
}

#[tokio::test]
async fn an_object_is_copied_with_what_is_known_of_it() {
    let client = Client::with_bucket().await;
    client
        .put("a b", "hello", &[("x-amz-meta-x", "y")])
        .await
        .unwrap();
    let source = [("x-amz-copy-source", "/box/a%20b")];
    client
        .call("CopyObject", at("c"), &source, "")
        .await
        .unwrap();
    let got = client.get("c", &[]).await.unwrap();
    assert_eq!(body(&got), "hello");
    assert_eq!(head(&got, "x-amz-meta-x"), "y");
    let itself = client.call("CopyObject", at("a b"), &source, "").await;
    assert_eq!(refused(itself), is(400, "InvalidRequest"));
    let nothing = [("x-amz-copy-source", "box/no")];
    let answer = client.call("CopyObject", at("c"), &nothing, "").await;
    assert_eq!(refused(answer), is(404, "NoSuchKey"));
}

#[tokio::test]
async fn what_is_too_big_is_refused() {
    let client = Client::with_bucket().await;
    let big = Bytes::from(vec![0; super::state::OBJECT + 1]);
    let answer = client.call("PutObject", at("k"), &[], big).await;
    assert_eq!(refused(answer), is(400, "EntityTooLarge"));
    let long = "k".repeat(1025);
    let answer = client.put(&long, "x", &[]).await;
    assert_eq!(refused(answer), is(400, "KeyTooLongError"));
    let meta = "m".repeat(2049);
    let answer = client.put("k", "x", &[("x-amz-meta-m", &meta)]).await;
    assert_eq!(refused(answer), is(400, "MetadataTooLarge"));
}

#[tokio::test]
async fn a_role_touches_only_the_objects_it_may() {
    let mut client = Client::with_bucket().await;
    for key in ["mine/a", "yours/a"] {
        client.put(key, "x", &[]).await.unwrap();
    }
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole",
    }] });
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": ["s3:GetObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::box/mine/*",
    }] });
    for (operation, input) in [
        (
            "CreateRole",
            json!({ "RoleName": "r", "AssumeRolePolicyDocument": trust.to_string() }),
        ),
        (
            "PutRolePolicy",
            json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": policy.to_string() }),
        ),
    ] {
        let Value::Object(input) = input else {
            unreachable!()
        };
        let call = Call {
            cloud: Arc::clone(&client.cloud),
            region: client.cloud.region("us-east-1").unwrap(),
            caller: client.caller.clone(),
            service: Service::Iam,
            operation: operation.into(),
            input,
            body: Bytes::new(),
            headers: HeaderMap::new(),
            request_id: "id".into(),
        };
        perform(&call).await.unwrap();
    }
    client.caller = Caller::Role {
        role: "arn:aws:iam::000000000000:role/r".into(),
        session: "s".into(),
    };
    client.get("mine/a", &[]).await.unwrap();
    assert_eq!(
        refused(client.get("yours/a", &[]).await),
        is(403, "AccessDenied")
    );
    // Who may not list isn't told that there's nothing.
    assert_eq!(
        refused(client.get("mine/no", &[]).await),
        is(403, "AccessDenied")
    );
    let document =
        "<Delete><Object><Key>mine/a</Key></Object><Object><Key>yours/a</Key></Object></Delete>";
    let md5 = STANDARD.encode(Md5::digest(document.as_bytes()));
    let answer = client
        .call(
            "DeleteObjects",
            json!({ "Bucket": "box" }),
            &[("content-md5", &md5)],
            document,
        )
        .await
        .unwrap();
    let result = xml::read(&body(&answer), "DeleteResult").unwrap();
    assert_eq!(result.child("Deleted").unwrap().text("Key"), Some("mine/a"));
    let error = result.child("Error").unwrap();
    assert_eq!(error.text("Key"), Some("yours/a"));
    assert_eq!(error.text("Code"), Some("AccessDenied"));
}

#[tokio::test]
async fn what_is_kept_is_there_again() {
    let client = Client::with_bucket().await;
    client.version().await;
    client
        .put("k", "hello", &[("x-amz-meta-x", "y")])
        .await
        .unwrap();
    let kept = client.cloud.s3.keep();
    let again = S3::default();
    again.restore(kept.clone()).unwrap();
    assert_eq!(again.keep(), kept);
    let state = again.state.read();
    let bucket = &state.buckets["box"];
    assert_eq!(bucket.object("k").unwrap().body, "hello");
    assert_eq!(state.weight(), client.cloud.s3.state.read().weight());
    assert!(S3::default().restore(json!({ "buckets": 1 })).is_err());
}

fn object(size: usize) -> Object {
    Object {
        is_marker: false,
        body: Bytes::from(vec![0; size]),
        ..Object::marker()
    }
}

fn bucket(versioning: Option<Versioning>) -> Bucket {
    Bucket {
        region: "us-east-1".into(),
        created: Millis(0),
        versioning,
        access_block: None,
        tags: Vec::new(),
        objects: BTreeMap::new(),
    }
}

proptest! {
    #[test]
    fn what_is_counted_is_what_is_held(
        steps in prop::collection::vec((0_u8..5, "[ab]{1,2}", 0_usize..50), 0..40),
    ) {
        let mut state = State::default();
        state.buckets.insert("b".into(), bucket(None));
        for (step, key, size) in steps {
            let newest = state.buckets["b"].newest(&key).map(|object| object.version.clone());
            match step {
                0 | 1 => { state.put("b", &key, object(size)).unwrap(); }
                2 => { state.delete("b", &key, None).unwrap(); }
                3 => { state.delete("b", &key, newest.as_deref().or(Some("null"))).unwrap(); }
                _ => {
                    let versioning = if size % 2 == 0 { Versioning::Enabled } else { Versioning::Suspended };
                    state.buckets.get_mut("b").unwrap().versioning = Some(versioning);
                }
            }
            let counted = state.weight();
            state.weigh();
            prop_assert_eq!(counted, state.weight());
            prop_assert!(state.buckets["b"].objects.values().all(|versions| !versions.is_empty()));
        }
    }

    #[test]
    fn pages_of_any_size_make_the_same_list(
        keys in prop::collection::btree_set("[ab/é]{1,5}", 0..30),
        prefix in "[ab/]{0,2}",
        delimiter in prop::option::of("[/b]"),
        most in 1_usize..6,
    ) {
        let mut bucket = bucket(None);
        for key in &keys {
            bucket.objects.insert(key.clone(), vec![object(1)]);
        }
        let mut wanted = Wanted { prefix: &prefix, delimiter: delimiter.as_deref(), after: None, most: 1000 };
        let whole = page(&bucket, &wanted);
        prop_assert_eq!(whole.next, None);
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        wanted.most = most;
        loop {
            let part = page(&bucket, &wanted);
            prop_assert!(part.objects.len() + part.prefixes.len() <= most);
            objects.extend(part.objects.iter().map(|(key, _)| *key));
            prefixes.extend(part.prefixes);
            match part.next {
                Some(next) => wanted.after = Some(next),
                None => break,
            }
        }
        let all: Vec<&str> = whole.objects.iter().map(|(key, _)| *key).collect();
        prop_assert_eq!(objects, all);
        prop_assert_eq!(prefixes, whole.prefixes);
    }

    #[test]
    fn any_text_survives_being_written_and_read(text in "[^\r\u{0}\u{fffe}\u{ffff}]{0,40}") {
        let document = xml::document("Root", true, |xml| xml.text("Key", &text));
        let read = xml::read(document.as_bytes(), "Root");
        // References to control characters aren't XML 1.0, though S3 writes them.
        if let Ok(read) = read {
            prop_assert_eq!(read.text("Key"), Some(text.as_str()));
        } else {
            prop_assert!(text.chars().any(char::is_control));
        }
    }

    #[test]
    fn nothing_that_comes_makes_reading_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in "[<>/a&;! ]{0,40}") {
        let _ = xml::read(&body, "Delete");
        let _ = xml::read(text.as_bytes(), "a");
        let _ = range(Some(&text), 10);
        let _ = parse_date(&text);
    }
}
