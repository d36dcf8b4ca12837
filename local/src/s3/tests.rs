mod buckets;
mod laws;
mod lists;

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
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let call = Call {
            caller: self.caller.clone(),
            body: body.into(),
            headers: map,
            ..Call::for_test(&self.cloud, self.region, Service::S3, operation, input)
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
        let call = Call {
            caller: client.caller.clone(),
            ..Call::for_test(&client.cloud, "us-east-1", Service::Iam, operation, input)
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
