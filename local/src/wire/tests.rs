//! The wire over a real socket, with plain HTTP.

mod junk;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Options, Running,
    call::{Call, Service},
    cloud::Cloud,
};

const SCOPE: &str = "AKIAOWNER/20260131/eu-west-1";

/// A call of nothing, for what dresses answers.
pub fn call(service: Service, operation: &str) -> Call {
    let cloud = Cloud::for_test(Options::default());
    Call {
        request_id: "id".to_owned(),
        ..Call::for_test(
            &cloud,
            "eu-west-1",
            service,
            operation,
            serde_json::json!({}),
        )
    }
}

/// A cloud that listens, and what is needed to talk to it.
pub(crate) struct Wire {
    pub running: Running,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Heard {
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    }
}

impl Wire {
    async fn with(options: Options) -> Self {
        Self {
            running: crate::start(options).await.unwrap(),
        }
    }

    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.running.cloud().address)
            .await
            .unwrap()
    }

    /// Sends bytes and hears all that is answered until the line is cut.
    async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut heard = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut heard))
            .await
            .expect("an end");
        heard
    }

    /// Sends a request; nothing comes back if the line is cut.
    pub async fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Heard> {
        let mut request = format!("{line} HTTP/1.1\r\n");
        let named = |wanted: &str| {
            headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        if !named("host") {
            request.push_str("host: localhost\r\n");
        }
        let _ = write!(
            request,
            "connection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        request.push_str("\r\n");
        let heard = self.raw(&[request.as_bytes(), body].concat()).await;
        let text = String::from_utf8(heard).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Heard {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    /// Sends a request with a whole signature for a service.
    async fn signed(
        &self,
        service: &str,
        line: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Heard {
        let authorization = signature(service);
        let mut all = vec![
            ("authorization", authorization.as_str()),
            ("x-amz-date", "20260131T120000Z"),
        ];
        all.extend_from_slice(headers);
        self.send(line, &all, body).await.expect("an answer")
    }
}

fn signature(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={SCOPE}/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    )
}

#[tokio::test]
async fn what_is_not_http_is_refused_without_harm() {
    let wire = Wire::new().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let heard = wire.raw(bytes).await;
        assert!(
            heard.is_empty() || heard.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&heard)
        );
    }
    let heard = wire.send("GET /_wsless/x", &[], b"").await.unwrap();
    assert_eq!(heard.status, 404);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let wire = Wire::new().await;
    let long = "x".repeat(100_000);
    let mut stream = wire.connect().await;
    let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n");
    // The cloud may cut the line while this is still being sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1.1 431"));
}

#[tokio::test]
async fn a_name_that_is_not_this_machines_is_not_answered_to() {
    let wire = Wire::new().await;
    for line in [
        "GET /",
        "POST /",
        "GET /_runtime/x",
        "GET /_aws/execute-api/a/b",
    ] {
        let heard = wire
            .send(line, &[("host", "evil.example")], b"")
            .await
            .unwrap();
        assert_eq!(heard.status, 421, "{line}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_may_do_nothing_but_connect() {
    let wire = Wire::new().await;
    let page = [("origin", "http://evil.example")];
    for line in [
        "POST /",
        "OPTIONS /",
        "GET /_wsless/state",
        "GET /_runtime/x",
        "POST /_aws/execute-api/a/b/@connections/c",
        "GET /_aws/execute-api/a/b",
    ] {
        let heard = wire.send(line, &page, b"").await.unwrap();
        assert_eq!(heard.status, 403, "{line}");
        assert!(heard.header("access-control-allow-origin").is_none());
    }
    let mut handshake = page.to_vec();
    handshake.push(("upgrade", "websocket"));
    let heard = wire
        .send("GET /_aws/execute-api/a/b", &handshake, b"")
        .await
        .unwrap();
    assert!(!heard.body.contains("origin"), "{heard:?}");
    // An upgrade elsewhere doesn't open the door.
    let heard = wire.send("POST /", &handshake, b"").await.unwrap();
    assert_eq!(heard.status, 403);
}

#[tokio::test]
async fn an_unsigned_call_is_refused_as_its_protocol_says_it() {
    let wire = Wire::new().await;
    let heard = wire
        .send(
            "POST /",
            &[
                ("x-amz-target", "AmazonSQS.ListQueues"),
                ("content-type", "application/x-amz-json-1.0"),
            ],
            b"{}",
        )
        .await
        .unwrap();
    assert_eq!(heard.status, 403);
    assert!(heard.body.contains("MissingAuthenticationTokenException"));
    assert_eq!(
        heard.header("content-type"),
        Some("application/x-amz-json-1.0")
    );
    let heard = wire
        .send(
            "POST /",
            &[("content-type", "application/x-www-form-urlencoded")],
            b"Action=GetUser&Version=2010-05-08",
        )
        .await
        .unwrap();
    assert_eq!(heard.status, 403);
    assert!(
        heard
            .body
            .contains("<Code>MissingAuthenticationToken</Code>")
    );
    let heard = wire.send("POST /v2/apis", &[], b"{}").await.unwrap();
    assert_eq!(heard.status, 403);
    assert_eq!(
        heard.header("x-amzn-errortype"),
        Some("MissingAuthenticationTokenException")
    );
    let heard = wire.send("GET /bucket/key", &[], b"").await.unwrap();
    assert_eq!(heard.status, 403);
    assert!(heard.body.contains("<Code>AccessDenied</Code>"));
    let heard = wire
        .send("POST /_aws/execute-api/a/b/@connections/c", &[], b"x")
        .await
        .unwrap();
    assert_eq!(heard.status, 403);
    assert_eq!(heard.body, r#"{"message":"Missing Authentication Token"}"#);
}

#[tokio::test]
async fn a_call_of_an_operation_that_is_not_there_says_so_in_every_protocol() {
    let wire = Wire::new().await;
    let json = |target: &'static str, version: &'static str| {
        [("x-amz-target", target), ("content-type", version)]
    };
    for (service, target, version) in [
        ("sqs", "AmazonSQS.Nothing", "application/x-amz-json-1.0"),
        (
            "dynamodb",
            "DynamoDB_20120810.Nothing",
            "application/x-amz-json-1.0",
        ),
        (
            "logs",
            "Logs_20140328.Nothing",
            "application/x-amz-json-1.1",
        ),
        (
            "monitoring",
            "GraniteServiceVersion20100801.Nothing",
            "application/x-amz-json-1.0",
        ),
    ] {
        let heard = wire
            .signed(service, "POST /", &json(target, version), b"{}")
            .await;
        assert_eq!(heard.status, 400, "{heard:?}");
        assert!(
            heard.body.contains("UnknownOperationException"),
            "{heard:?}"
        );
        assert_eq!(heard.header("content-type"), Some(version));
        assert_eq!(heard.header("x-amzn-requestid").unwrap().len(), 36);
    }
    for (service, version) in [
        ("iam", "2010-05-08"),
        ("sts", "2011-06-15"),
        ("sqs", "2012-11-05"),
        ("monitoring", "2010-08-01"),
    ] {
        let body = format!("Action=Nothing&Version={version}");
        let form = [(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )];
        let heard = wire.signed(service, "POST /", &form, body.as_bytes()).await;
        assert_eq!(heard.status, 400, "{heard:?}");
        assert!(
            heard.body.contains("<Code>InvalidAction</Code>"),
            "{heard:?}"
        );
        let id = heard.header("x-amzn-requestid").unwrap();
        assert!(heard.body.contains(&format!("<RequestId>{id}</RequestId>")));
        let line = format!("GET /?{body}");
        let heard = wire.signed(service, &line, &[], b"").await;
        assert!(heard.body.starts_with("<ErrorResponse"), "{heard:?}");
    }
    let heard = wire
        .signed("lambda", "GET /2015-03-31/nothing", &[], b"")
        .await;
    assert_eq!(heard.status, 404, "{heard:?}");
    assert!(heard.body.contains(r#""Type":"User""#), "{heard:?}");
}

#[tokio::test]
async fn a_signature_for_another_service_is_refused() {
    let wire = Wire::new().await;
    let heard = wire
        .signed(
            "sns",
            "POST /",
            &[("x-amz-target", "AmazonSQS.ListQueues")],
            b"{}",
        )
        .await;
    assert_eq!(heard.status, 400);
    assert!(heard.body.contains("correct service: 'sqs'"), "{heard:?}");
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let wire = Wire::new().await;
    let mut stream = wire.connect().await;
    for _ in 0..3 {
        stream
            .write_all(b"GET /_wsless/x HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..length].starts_with(b"HTTP/1.1 404"));
    }
}

#[tokio::test]
async fn every_connection_ends_with_the_cloud() {
    let wire = Wire::new().await;
    let mut idle = wire.connect().await;
    let mut halfway = wire.connect().await;
    halfway
        .write_all(b"POST / HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    // Answered, so both connections are accepted by now.
    wire.send("GET /_wsless/x", &[], b"").await.unwrap();
    let cloud = Arc::clone(wire.running.cloud());
    wire.running.stop().await.unwrap();
    let mut rest = Vec::new();
    assert!(matches!(idle.read_to_end(&mut rest).await, Ok(0) | Err(_)));
    assert!(matches!(
        halfway.read_to_end(&mut rest).await,
        Ok(0) | Err(_)
    ));
    assert!(TcpStream::connect(cloud.address).await.is_err());
}

/// Sends an SQS call in JSON.
async fn sqs(wire: &Wire, operation: &str, body: &str) -> Option<Heard> {
    let authorization = signature("sqs");
    let target = format!("AmazonSQS.{operation}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-amz-date", "20260131T120000Z"),
        ("x-amz-target", target.as_str()),
        ("content-type", "application/x-amz-json-1.0"),
    ];
    wire.send("POST /", &headers, body.as_bytes()).await
}

fn faulty(rules: &[&str]) -> Options {
    Options {
        faults: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_lost_call_is_done_and_a_cut_one_is_not() {
    let wire = Wire::with(faulty(&[
        "sqs:CreateQueue=lost@1",
        "sqs:CreateQueue=cut@2",
        "sqs:*=delay(1ms)@1",
    ]))
    .await;
    assert!(
        sqs(&wire, "CreateQueue", r#"{"QueueName":"lost"}"#)
            .await
            .is_none()
    );
    assert!(
        sqs(&wire, "CreateQueue", r#"{"QueueName":"cut"}"#)
            .await
            .is_none()
    );
    let listed = sqs(&wire, "ListQueues", "{}").await.unwrap();
    assert!(listed.body.contains("/lost\""), "{listed:?}");
    assert!(!listed.body.contains("/cut\""), "{listed:?}");
    let hits: Vec<u64> = wire
        .running
        .cloud()
        .faults
        .tallies()
        .into_iter()
        .map(|tally| tally.hits)
        .collect();
    assert_eq!(hits, [1, 1, 1]);
}

#[tokio::test]
async fn a_refused_call_is_refused_in_its_protocols_clothes() {
    let wire = Wire::with(faulty(&[
        "sqs:ListQueues=error(QueueDeletedRecently,400,Wait.)",
        "iam:*=throttle",
        "execute-api:*=503",
        "s3:*=throttle",
    ]))
    .await;
    let heard = sqs(&wire, "ListQueues", "{}").await.unwrap();
    assert_eq!(heard.status, 400);
    assert_eq!(
        heard.body,
        r#"{"__type":"com.amazonaws.sqs#QueueDeletedRecently","message":"Wait."}"#
    );
    assert_eq!(
        heard.header("x-amzn-query-error"),
        Some("QueueDeletedRecently;Sender")
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let heard = wire
        .signed(
            "iam",
            "POST /",
            &form,
            b"Action=ListRoles&Version=2010-05-08",
        )
        .await;
    assert!(heard.body.contains("<Code>Throttling</Code>"), "{heard:?}");
    let post = "POST /_aws/execute-api/a/b/@connections/c";
    let heard = wire.signed("execute-api", post, &[], b"x").await;
    assert_eq!(heard.status, 503);
    let heard = wire.signed("s3", "GET /b/k", &[], b"").await;
    assert_eq!(heard.status, 503);
    assert!(heard.body.contains("<Code>SlowDown</Code>"), "{heard:?}");
    let heard = wire.signed("s3", "HEAD /b/k", &[], b"").await;
    assert_eq!((heard.status, heard.body.as_str()), (503, ""));
}

#[tokio::test]
async fn sqs_speaks_json_and_the_query_protocol() {
    let wire = Wire::new().await;
    let made = sqs(
        &wire,
        "CreateQueue",
        r#"{"QueueName":"q","Attributes":{"VisibilityTimeout":"7"}}"#,
    )
    .await
    .unwrap();
    assert_eq!(made.status, 200, "{made:?}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "Action=GetQueueAttributes&Version=2012-11-05&AttributeName.1=VisibilityTimeout";
    let heard = wire
        .signed("sqs", "POST /000000000000/q", &form, body.as_bytes())
        .await;
    let told = "<Attribute><Name>VisibilityTimeout</Name><Value>7</Value></Attribute>";
    assert!(heard.body.contains(told), "{heard:?}");
    let broken = sqs(&wire, "ListQueues", "{").await.unwrap();
    assert_eq!(broken.status, 400);
    assert!(broken.body.contains("SerializationException"), "{broken:?}");
}

#[tokio::test]
async fn a_zipped_body_is_read_and_a_bomb_is_not() {
    let wire = Wire::new().await;
    let zipped = |bytes: &[u8]| {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let headers = [
        ("x-amz-target", "AmazonSQS.ListQueues"),
        ("content-type", "application/x-amz-json-1.0"),
        ("content-encoding", "gzip"),
    ];
    let heard = wire.signed("sqs", "POST /", &headers, &zipped(b"{}")).await;
    assert_eq!(heard.status, 200, "{heard:?}");
    let bomb = zipped(&vec![b' '; 11 * 1024 * 1024]);
    let heard = wire.signed("sqs", "POST /", &headers, &bomb).await;
    assert_eq!(heard.status, 413, "{heard:?}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_told_so() {
    let wire = Wire::new().await;
    let large = vec![b' '; 11 * 1024 * 1024];
    let target = [("x-amz-target", "AmazonSQS.ListQueues")];
    let heard = wire.signed("sqs", "POST /", &target, &large).await;
    assert_eq!(heard.status, 413, "{heard:?}");
    // Lambda takes larger ones.
    let line = "POST /2015-03-31/functions";
    let heard = wire.signed("lambda", line, &[], &large).await;
    assert_eq!(heard.status, 400, "{heard:?}");
}

#[tokio::test]
async fn a_wrong_signature_is_refused_only_where_signatures_are_verified() {
    let strict = Wire::with(Options {
        verify_signatures: true,
        ..Options::default()
    })
    .await;
    let heard = sqs(&strict, "ListQueues", "{}").await.unwrap();
    assert_eq!(heard.status, 400, "{heard:?}");
    assert!(
        heard.body.contains("InvalidSignatureException"),
        "{heard:?}"
    );
    let easy = Wire::new().await;
    assert_eq!(sqs(&easy, "ListQueues", "{}").await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_is_not_waited_for_without_end() {
    let wire = Wire::new().await;
    for bytes in [
        &b"POST / HTTP/1.1\r\nhost: local"[..],
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf",
    ] {
        let mut stream = wire.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
        assert!(
            heard.is_empty() || heard.starts_with(b"HTTP/1.1 408"),
            "{}",
            String::from_utf8_lossy(&heard)
        );
    }
}
