use super::*;

const TEMPLATE: &str = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)&MessageAttribute.1.Name=connectionId&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=$util.urlEncode($context.connectionId)";

struct Queued {
    world: World,
    api: String,
    url: String,
    role: String,
}

/// An API whose route `q` goes to a queue; whatever else is said is echoed.
async fn queued(name: &str, template: &str, trusted: &str) -> Queued {
    let world = World::new().await;
    let mut attributes = json!({});
    if name.contains(".fifo") {
        attributes = json!({"FifoQueue": "true"});
    }
    let queue = world
        .call(
            Service::Sqs,
            "CreateQueue",
            json!({"QueueName": name, "Attributes": attributes}),
        )
        .await;
    let url = queue["QueueUrl"].as_str().expect("a URL").to_owned();
    let arn = format!("arn:aws:sqs:{REGION}:000000000000:{name}");
    let role = world.role("sender", trusted, json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}]})).await;
    let api = world
        .api(Spec {
            routes: vec![("$default", "echo", true)],
            ..Spec::default()
        })
        .await;
    let integration = world.integration(&api, json!({
        "integrationType": "AWS", "integrationMethod": "POST", "connectionType": "INTERNET",
        "integrationUri": format!("arn:aws:apigateway:{REGION}:sqs:path/000000000000/{name}"),
        "credentialsArn": role, "passthroughBehavior": "NEVER",
        "requestParameters": {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
        "templateSelectionExpression": "\\$default", "requestTemplates": {"$default": template},
    }), json!({})).await;
    world.route(&api, "q", &integration, false, json!({})).await;
    world.gateway("CreateIntegrationResponse", json!({"apiId": api, "integrationId": integration, "integrationResponseKey": "$default", "templateSelectionExpression": "\\$default", "responseTemplates": {"$default": "{\"ok\":true,\"requestId\":\"$context.requestId\",\"id\":\"$input.body.contains('MessageId')\"}"}})).await;
    world
        .route(&api, "asked", &integration, true, json!({}))
        .await;
    world.deploy(&api, json!({})).await;
    Queued {
        world,
        api,
        url,
        role,
    }
}

impl Queued {
    async fn receive(&self) -> Vec<Value> {
        let received = self.world.call(Service::Sqs, "ReceiveMessage", json!({"QueueUrl": self.url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"], "WaitTimeSeconds": 0})).await;
        received["Messages"].as_array().cloned().unwrap_or_default()
    }

    /// Receives so many, and deletes them.
    async fn take(&self, count: usize) -> Vec<Value> {
        let mut taken = Vec::new();
        let taking = async {
            while taken.len() < count {
                for message in self.receive().await {
                    self.world.call(Service::Sqs, "DeleteMessage", json!({"QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"]})).await;
                    taken.push(message);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, taking)
            .await
            .expect("they come");
        taken
    }
}

#[tokio::test]
async fn a_message_goes_to_its_queue_as_it_is() {
    let queued = queued("q1", TEMPLATE, "apigateway.amazonaws.com").await;
    let mut client = queued.world.connect(&queued.api).await;
    let body = "{\"action\":\"q\",\"x\":\"a&b=c +%41 \u{fc} \\\"q\\\" 'a' ~* \u{1F600} \\n\"}";
    client.send(body).await;
    let message = queued.take(1).await.remove(0);
    assert_eq!(message["Body"], body);
    assert_eq!(
        message["MessageAttributes"]["connectionId"]["StringValue"],
        queued.world.only().await
    );
    // One way: nothing comes back.
    client.hears_nothing_until("x", "x").await;
}

#[tokio::test]
async fn a_route_that_answers_makes_it_of_the_queues_answer() {
    let queued = queued("q2", TEMPLATE, "apigateway.amazonaws.com").await;
    let mut client = queued.world.connect(&queued.api).await;
    client.send(r#"{"action":"asked"}"#).await;
    let answer: Value = serde_json::from_str(&client.text().await).expect("JSON");
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["id"], "true");
    assert_eq!(answer["requestId"].as_str().map(str::len), Some(16));
    assert_eq!(queued.take(1).await.len(), 1);
}

#[tokio::test]
async fn one_connections_messages_reach_a_fifo_queue_in_order() {
    let template = format!(
        "{TEMPLATE}&MessageGroupId=$util.urlEncode($context.connectionId)&MessageDeduplicationId=$util.urlEncode($context.requestId)"
    );
    let queued = queued("q3.fifo", &template, "apigateway.amazonaws.com").await;
    let mut client = queued.world.connect(&queued.api).await;
    for number in 0..50 {
        client
            .send(&json!({"action": "q", "number": number}).to_string())
            .await;
    }
    let numbers: Vec<_> = queued
        .take(50)
        .await
        .iter()
        .map(|message| {
            serde_json::from_str::<Value>(message["Body"].as_str().expect("a body")).expect("JSON")
                ["number"]
                .as_i64()
        })
        .collect();
    assert_eq!(numbers, (0..50).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_role_that_cant_be_assumed_or_may_not_send_is_an_error() {
    let wrong = queued("q4", TEMPLATE, "lambda.amazonaws.com").await;
    let mut client = wrong.world.connect(&wrong.api).await;
    for action in ["q", "asked"] {
        client.send(&json!({"action": action}).to_string()).await;
        assert_eq!(message_of(&client.text().await), "Internal server error");
    }
    // The mend of the role works without a deployment, on the same connection.
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let name = wrong.role.rsplit('/').next().expect("a name");
    wrong
        .world
        .call(
            Service::Iam,
            "UpdateAssumeRolePolicy",
            json!({"RoleName": name, "PolicyDocument": trust.to_string()}),
        )
        .await;
    client.send(r#"{"action":"q"}"#).await;
    assert_eq!(wrong.take(1).await.len(), 1);
    let nothing = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:000000000000:other"}]});
    wrong
        .world
        .call(
            Service::Iam,
            "PutRolePolicy",
            json!({"RoleName": name, "PolicyName": "p", "PolicyDocument": nothing.to_string()}),
        )
        .await;
    client.send(r#"{"action":"asked"}"#).await;
    assert_eq!(message_of(&client.text().await), "Internal server error");
    assert!(wrong.receive().await.is_empty());
}

#[tokio::test]
async fn what_sqs_refuses_is_an_error_and_the_connection_stays() {
    let queued = queued("q5.fifo", TEMPLATE, "apigateway.amazonaws.com").await;
    let mut client = queued.world.connect(&queued.api).await;
    client.send(r#"{"action":"q"}"#).await;
    assert_eq!(message_of(&client.text().await), "Internal server error");
    client.hears_nothing_until("x", "x").await;
}

#[tokio::test]
async fn a_body_that_isnt_encoded_is_cut_as_on_aws() {
    let queued = queued(
        "q6",
        "Action=SendMessage&MessageBody=$input.body",
        "apigateway.amazonaws.com",
    )
    .await;
    let mut client = queued.world.connect(&queued.api).await;
    client.send(r#"{"action":"q","x":"a&b+c"}"#).await;
    assert_eq!(queued.take(1).await[0]["Body"], r#"{"action":"q","x":"a"#);
}
