//! Many objects at a time: lists, deletions, versions.

use super::*;

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
