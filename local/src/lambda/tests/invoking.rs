use super::*;

async fn invoke(
    cloud: &Arc<Cloud>,
    kind: &str,
    function: &str,
    payload: &'static [u8],
) -> Result<Answer> {
    let mut call = request(
        cloud,
        Service::Lambda,
        "Invoke",
        json!({ "FunctionName": function }),
    );
    call.body = Bytes::from_static(payload);
    call.headers
        .insert("x-amz-invocation-type", kind.parse().unwrap());
    perform(&call).await
}

#[tokio::test]
async fn a_dry_run_tells_whether_one_may() {
    let cloud = with_function().await;
    let dry = invoke(&cloud, "DryRun", "chat", b"{}").await.unwrap();
    assert_eq!(dry.status, 204);
    let gone = invoke(&cloud, "DryRun", "gone", b"{}").await.unwrap_err();
    assert_eq!(
        gone.to_string(),
        "ResourceNotFoundException: Function not found: arn:aws:lambda:eu-west-1:000000000000:function:gone:$LATEST"
    );
}

#[tokio::test]
async fn a_payload_that_is_no_json_or_too_large_is_refused() {
    let cloud = with_function().await;
    let broken = invoke(&cloud, "RequestResponse", "chat", b"{").await;
    let broken = broken.unwrap_err();
    assert_eq!(broken.code, "InvalidRequestContentException");
    assert!(broken.message.starts_with(
        "Could not parse request body into json: Could not parse payload into json: "
    ));
    let broken = invoke(&cloud, "RequestResponse", "chat", b"n\x87r").await;
    assert!(
        broken
            .unwrap_err()
            .message
            .contains("Invalid UTF-8 start byte 0x87")
    );
    let kind = invoke(&cloud, "Later", "chat", b"{}").await.unwrap_err();
    assert_eq!(kind.code, "ValidationException");
    let large: &'static [u8] = vec![b' '; 6_291_457].leak();
    let refused = invoke(&cloud, "RequestResponse", "chat", large).await;
    assert_eq!(refused.unwrap_err().status, 413);
    let large = large.get(..1_048_577).unwrap();
    let refused = invoke(&cloud, "Event", "chat", large).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "RequestTooLargeException: 1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    );
}

#[tokio::test]
async fn how_events_are_tried_again_can_be_said() {
    let cloud = with_function().await;
    let put = json!({ "FunctionName": "chat", "MaximumRetryAttempts": 0 });
    let mut told = call(&cloud, "PutFunctionEventInvokeConfig", put).await;
    told["LastModified"].take();
    assert_eq!(
        told,
        json!({
            "LastModified": null,
            "FunctionArn": format!("{ARN}:$LATEST"),
            "DestinationConfig": { "OnSuccess": {}, "OnFailure": {} },
            "MaximumRetryAttempts": 0,
        })
    );
    assert_eq!(
        status(&cloud, "DeleteFunctionEventInvokeConfig", chat()).await,
        204
    );
    assert_eq!(
        refusal(&cloud, "GetFunctionEventInvokeConfig", chat()).await,
        format!(
            "404 ResourceNotFoundException: The function {ARN}:$LATEST doesn't have an EventInvokeConfig"
        )
    );
}
