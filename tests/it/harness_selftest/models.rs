//! The model checker names what AWS's models don't allow, in every protocol.

use std::fmt::Write as _;

use base64::Engine;
use serde_json::json;

use crate::harness::{ModelCheck, check_against_models};

/// One request as the recorder writes it.
fn request(
    service: &str,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> String {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let mut all = vec![("authorization", authorization.as_str())];
    all.extend(headers);
    json!({
        "service": service,
        "method": method,
        "path": path,
        "query": query,
        "headers": all,
        "body": base64::engine::general_purpose::STANDARD.encode(body),
    })
    .to_string()
}

fn form(service: &str, body: &str) -> String {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    request(service, "POST", "/", &headers, body)
}

fn sqs(operation: &str, body: &str) -> String {
    let target = format!("AmazonSQS.{operation}");
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", target.as_str()),
    ];
    request("sqs", "POST", "/", &headers, body)
}

fn check(requests: &[String]) -> ModelCheck {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("calls.jsonl");
    let lines = requests.iter().fold(String::new(), |mut lines, line| {
        writeln!(lines, "{line}").unwrap();
        lines
    });
    std::fs::write(&file, lines).unwrap();
    check_against_models(&file)
}

/// Each request has one violation, and it has these words.
#[track_caller]
fn assert_named(cases: &[(String, &str)]) {
    let requests: Vec<_> = cases.iter().map(|(request, _)| request.clone()).collect();
    let found = check(&requests).violations;
    for (number, (_, expected)) in cases.iter().enumerate() {
        let own: Vec<_> = found
            .iter()
            .filter(|line| line.ends_with(&format!("(request {})", number + 1)))
            .collect();
        assert!(
            own.len() == 1 && own[0].contains(expected),
            "request {} should have the one violation {expected:?}, has {own:#?}",
            number + 1
        );
    }
    assert_eq!(found.len(), cases.len());
}

#[test]
fn violations_in_the_query_protocol_are_named() {
    let iam = |fields: &str| form("iam", &format!("Version=2010-05-08&{fields}"));
    assert_named(&[
        (
            iam("Action=CreateRole&RoleName=a+b&AssumeRolePolicyDocument=%7B%7D"),
            "iam.CreateRole: RoleName: 'a b' doesn't match the pattern",
        ),
        (
            iam("Action=CreateRole&RoleName=a"),
            "iam.CreateRole: Missing required parameter in input: \"AssumeRolePolicyDocument\"",
        ),
        (
            iam("Action=DeleteRole&RoleName=a&Force=true"),
            "iam.DeleteRole: Force: unknown member",
        ),
        (
            iam("Action=TagRole&RoleName=a&Tags.member.1.Key=%3C&Tags.member.1.Value=v"),
            "iam.TagRole: Tags[0].Key: '<' doesn't match",
        ),
        (
            iam("Action=TagRole&RoleName=a&Tags.1.Key=k"),
            "iam.TagRole: Tags.1.Key: unknown member",
        ),
        (iam("Action=MakeRole"), "no such operation: MakeRole"),
        (
            form("iam", "Action=DeleteRole&Version=2011-01-01&RoleName=a"),
            "iam.DeleteRole: Version: 2011-01-01",
        ),
    ]);
}

#[test]
fn violations_in_the_json_protocol_are_named() {
    assert_named(&[
        (
            sqs(
                "CreateQueue",
                r#"{"QueueName":"q","Attributes":{"Visibility":"1"}}"#,
            ),
            "sqs.CreateQueue: Attributes (the key 'Visibility'): 'Visibility' is none of",
        ),
        (
            sqs("SendMessage", r#"{"QueueUrl":"u","MessageBody":5}"#),
            "sqs.SendMessage: Invalid type for parameter MessageBody",
        ),
        (
            sqs(
                "SendMessage",
                r#"{"QueueUrl":"u","MessageBody":"b","DelaySeconds":null}"#,
            ),
            "sqs.SendMessage: DelaySeconds: null",
        ),
        (
            sqs("SendMessage", r#"{"QueueUrl":"u","#),
            "sqs.SendMessage: the body can't be read",
        ),
    ]);
}

#[test]
fn violations_in_the_rest_json_protocol_are_named() {
    let configure = |body: String| {
        let path = "/2015-03-31/functions/f/configuration";
        request("lambda", "PUT", path, &[], body)
    };
    let post = |path: &str, body: String| request("apigateway", "POST", path, &[], body);
    assert_named(&[
        (
            configure(json!({"MemorySize": 64}).to_string()),
            "lambda.UpdateFunctionConfiguration: MemorySize: 64 is below the minimum 128",
        ),
        (
            configure(json!({"Description": "d".repeat(257)}).to_string()),
            "lambda.UpdateFunctionConfiguration: Description: 257 characters is above the maximum 256",
        ),
        (
            configure(json!({"Runtime": "rust"}).to_string()),
            "lambda.UpdateFunctionConfiguration: Runtime: 'rust' is none of",
        ),
        (
            request("lambda", "GET", "/2015-03-31/functions/a%20b", &[], ""),
            "lambda.GetFunction: FunctionName: 'a b' doesn't match the pattern",
        ),
        (
            request("lambda", "GET", "/2015-03-31/functions?Page=2", &[], ""),
            "lambda.ListFunctions: Page: unknown member in the query",
        ),
        (
            // WebSocket APIs allow 29000 only; the model doesn't tell them apart.
            post(
                "/v2/apis/a/integrations",
                json!({"integrationType": "AWS_PROXY", "timeoutInMillis": 30001}).to_string(),
            ),
            "apigatewayv2.CreateIntegration: TimeoutInMillis: 30001 is above the maximum 30000",
        ),
        (
            post(
                "/v2/apis",
                json!({"name": "x".repeat(129), "protocolType": "WEBSOCKET"}).to_string(),
            ),
            "apigatewayv2.CreateApi: Name: 129 characters is above the maximum 128",
        ),
        (
            post(
                "/v2/apis",
                json!({"Name": "a", "name": "a", "protocolType": "WEBSOCKET"}).to_string(),
            ),
            "apigatewayv2.CreateApi: Name: unknown member",
        ),
        (
            request("apigateway", "PATCH", "/v2/apis//routes/r", &[], "{}"),
            "its place in the path is empty",
        ),
    ]);
}

#[test]
fn violations_in_xml_and_cbor_and_of_unknown_services_are_named() {
    let cbor = [
        ("smithy-protocol", "rpc-v2-cbor"),
        ("content-type", "application/cbor"),
    ];
    let delete_alarms = "/service/GraniteServiceVersion20100801/operation/DeleteAlarms";
    assert_named(&[
        (
            request(
                "s3",
                "PUT",
                "/b?versioning",
                &[],
                "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>",
            ),
            "s3.PutBucketVersioning: VersioningConfiguration.Status: 'On' is none of",
        ),
        (
            request("s3", "PUT", "/b/k", &[("x-amz-no-such", "1")], ""),
            "s3.PutObject: x-amz-no-such: unknown member",
        ),
        (
            // {"AlarmNames": ["a"], "Alarms": []}
            request(
                "monitoring",
                "POST",
                delete_alarms,
                &cbor,
                b"\xa2\x6aAlarmNames\x81\x61a\x66Alarms\x80",
            ),
            "cloudwatch.DeleteAlarms: Alarms: unknown member",
        ),
        (
            request("nothing", "GET", "/", &[], ""),
            "no service has the signing name nothing",
        ),
    ]);
}

#[test]
fn valid_requests_pass_and_are_counted() {
    let unsigned = request("", "GET", "/", &[], "");
    assert_eq!(
        check(&[unsigned]).violations.len(),
        1,
        "an unsigned request"
    );
    let found = check(&[
        form("iam", "Action=DeleteRole&Version=2010-05-08&RoleName=a"),
        form("iam", "Action=DeleteRole&Version=2010-05-08&RoleName=b"),
        form(
            "iam",
            "Action=TagRole&Version=2010-05-08&RoleName=a&Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.2.Key=%C3%BC&Tags.member.2.Value=",
        ),
        sqs(
            "CreateQueue",
            r#"{"QueueName":"q.fifo","Attributes":{"FifoQueue":"true"},"tags":{"wsless:stage":"dev"}}"#,
        ),
        request(
            "lambda",
            "GET",
            "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
            &[],
            "",
        ),
        request("apigateway", "DELETE", "/v2/apis/a/routes/r", &[], ""),
        request("apigateway", "GET", "/account", &[], ""),
        request(
            "s3",
            "PUT",
            "/b/a/key?x-id=PutObject",
            &[("if-none-match", "*")],
            "{}",
        ),
        request(
            "s3",
            "PUT",
            "/b?tagging",
            &[],
            "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>",
        ),
        request("s3", "GET", "/b?list-type=2&prefix=a", &[], ""),
    ]);
    found.assert_valid();
    assert_eq!(found.count("iam.DeleteRole"), 2);
    assert_eq!(found.count("s3.ListObjectsV2"), 1);
    assert_eq!(found.count("s3.PutBucketTagging"), 1);
    assert_eq!(found.count("apigateway.GetAccount"), 1);
    assert_eq!(found.checked.len(), 9);
}
