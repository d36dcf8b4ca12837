//! `wsless connect`: scripts, pipes, a person at a terminal; handshakes that are refused, signed, and under TLS.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewayv2::types::AuthorizationType;
use futures::{SinkExt, StreamExt};
use hyper::http;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::harness::{Cloud, Output, Project, run};

/// The lines of one type.
#[track_caller]
fn lines(output: &Output, kind: &str) -> Vec<Value> {
    let lines = output.json_lines();
    lines
        .into_iter()
        .filter(|line| line["type"] == kind)
        .collect()
}

#[test]
fn a_stage_is_talked_to_by_scripts_pipes_and_people() {
    let cloud = Cloud::embedded();
    let project = Project::init("echo", &cloud);
    let undeployed = project.wsless(["connect", "--send", "x"]).exits(1);
    let _ = undeployed
        .warns("error[connect::not-deployed]: `echo` isn't deployed as dev in us-east-1")
        .warns("wsless deploy --stage dev");
    let address = project.wsless(["deploy", "--yes"]).succeeds().address();
    scripts(&project);
    missed(&project);
    refused(&project, &address);
    pipes(&project);
    people(&project);
    large(&project);
    signed(&project, &cloud, &address);
}

fn scripts(project: &Project) {
    let output = project
        .wsless([
            "connect",
            "--route",
            "ping",
            "--send",
            r#"{"id":7}"#,
            "--expect",
            r#"{"pong":7}"#,
            "--count",
            "3",
            "--output",
            "json",
        ])
        .succeeds();
    let frames = lines(&output, "frame");
    let ways: Vec<&str> = frames
        .iter()
        .filter_map(|frame| frame["way"].as_str())
        .collect();
    assert_eq!(ways, ["sent", "received"].repeat(3), "{output}");
    assert_eq!(frames[0]["text"], r#"{"action":"ping","id":7}"#);
    assert_eq!(frames[1]["text"], r#"{"pong":7}"#);
    assert!(
        frames[1]["round_trip_ms"]
            .as_f64()
            .is_some_and(|ms| ms > 0.0)
    );
    assert!(frames[0]["round_trip_ms"].is_null());
    let results = lines(&output, "result");
    assert_eq!(results[0]["event"], "open");
    assert_eq!(results[1]["event"], "done");
    assert_eq!(
        (&results[1]["sent"], &results[1]["received"]),
        (&json!(3), &json!(3))
    );

    // In the order given, by both ways of the template: a text, a pattern, and JSON.
    let _ = project
        .wsless([
            "connect",
            "--send",
            "one",
            "--expect",
            "one",
            "--send",
            "two",
            "--expect",
            "/^t.o$/",
            "--send",
            r#"{"action":"ping","id":1}"#,
            "--expect",
            r#"{"pong":1}"#,
        ])
        .succeeds()
        .says("Connected to ws://127.0.0.1:")
        .says("→ one\n")
        .says("← two ")
        .says("3 sent, 3 received; round trips ");
}

fn missed(project: &Project) {
    let began = std::time::Instant::now();
    let _ = project
        .wsless([
            "connect",
            "--send",
            "hello",
            "--expect",
            "goodbye",
            "--timeout",
            "1s",
        ])
        .exits(1)
        .warns("error[connect::expected]: `goodbye` didn't come within 1 s")
        .warns("this came instead: hello");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let _ = project
        .wsless(["connect", "--route", "$connect", "--send", "x"])
        .exits(1)
        .warns("no message goes to $connect");
    let _ = project
        .wsless(["connect", "--expect", "/(/"])
        .exits(64)
        .warns("--expect");
    let _ = project
        .wsless(["connect", "--header", "nonsense"])
        .exits(64)
        .warns("--header");
}

fn refused(project: &Project, address: &str) {
    let elsewhere = address.replace("/dev", "/prod");
    let _ = project
        .wsless(["connect", "--url", &elsewhere, "--send", "x"])
        .exits(1)
        .warns("error[connect::refused]: the handshake was refused with 403")
        .warns("it said: {\"message\": \"Forbidden\"")
        .warns("there is no such API or stage")
        .warns("request id ");
    let _ = project
        .wsless([
            "connect",
            "--url",
            "ws://127.0.0.1:1/dev?token=secret",
            "--send",
            "x",
        ])
        .exits(1)
        .warns("connect::unreachable")
        .never_says("secret");
    let _ = project
        .wsless([
            "connect",
            "--url",
            "127.0.0.1/dev?token=secret",
            "--send",
            "x",
        ])
        .exits(1)
        .warns("`127.0.0.1/dev` isn't a WebSocket address")
        .never_says("secret");
}

fn pipes(project: &Project) {
    let command = format!(
        "printf 'one\\ntwo\\n' | {} connect --timeout 2s --output json",
        env!("CARGO_BIN_EXE_wsless")
    );
    let output = project.run("sh", ["-c", &command]).succeeds();
    let frames = lines(&output, "frame");
    let texts = |way: &str| -> Vec<&str> {
        let mut texts: Vec<&str> = frames
            .iter()
            .filter(|frame| frame["way"] == way)
            .filter_map(|frame| frame["text"].as_str())
            .collect();
        // A standard queue keeps no order.
        texts.sort_unstable();
        texts
    };
    assert_eq!(texts("sent"), ["one", "two"], "{output}");
    assert_eq!(texts("received"), ["one", "two"], "{output}");
}

/// A person at a terminal: what is typed is sent, what comes is shown above, Ctrl-D ends it, and it's remembered.
fn people(project: &Project) {
    const TYPE: &str = "
import os, pty, re, select, sys, time
child, terminal = pty.fork()
if child == 0:
    os.environ['TERM'] = 'xterm'
    os.execv(sys.argv[1], sys.argv[1:])
seen = ''
def until(pattern):
    global seen
    end = time.time() + 30
    while not re.search(pattern, seen):
        ready, _, _ = select.select([terminal], [], [], 0.1)
        if ready:
            try:
                seen += os.read(terminal, 65536).decode(errors='replace')
            except OSError:
                break
        if time.time() > end:
            sys.exit('waited for ' + pattern + ' in ' + seen)
until('Ctrl-D ends')
until('> ')
os.write(terminal, b'hello there\\r')
until('\\u2190.*hello there')
os.write(terminal, b' secret\\r')
until('\\u2190.*secret')
os.write(terminal, b'\\x1b[A')
until('> .*hello there')
os.write(terminal, b'\\x15\\x04')
_, status = os.waitpid(child, 0)
print(seen)
sys.exit(os.waitstatus_to_exitcode(status))
";
    let binary = env!("CARGO_BIN_EXE_wsless");
    let _ = project
        .run(
            "python3",
            ["-c", TYPE, binary, "connect", "--color", "never"],
        )
        .succeeds()
        .says("Connected to ws://");
    let home = project.path("../../home");
    let history = std::fs::read_to_string(home.join(".local/state/wsless/connect-history"));
    let history = history.expect("a history");
    assert!(history.contains("hello there"), "{history}");
    // Who begins a line with a space doesn't want it kept.
    assert!(!history.contains("secret"), "{history}");
}

/// A message that's larger than a frame may be goes in several; nothing goes over 128 KB.
fn large(project: &Project) {
    let text = "x".repeat(100_000);
    let _ = project
        .wsless(["connect", "--send", &text, "--expect", "/^x{10}/"])
        .succeeds();
    // Longer than an argument may be.
    let command = format!(
        "head -c 140000 /dev/zero | tr '\\0' x | {} connect",
        env!("CARGO_BIN_EXE_wsless")
    );
    let _ = project
        .run("sh", ["-c", &command])
        .exits(1)
        .warns("the connection was closed with 1009")
        .warns("a message may have 128 KB");
}

/// An API that wants signatures gets them, without being asked twice.
fn signed(project: &Project, cloud: &Cloud, address: &str) {
    let gateway = aws_sdk_apigatewayv2::Client::new(&cloud.sdk());
    run(async {
        let apis = gateway.get_apis().send().await?.items.unwrap_or_default();
        let api = apis[0].api_id.clone().unwrap_or_default();
        let routes = gateway.get_routes().api_id(&api).send().await?;
        let connect = routes
            .items
            .unwrap_or_default()
            .into_iter()
            .find(|route| route.route_key.as_deref() == Some("$connect"));
        gateway
            .update_route()
            .api_id(&api)
            .route_id(connect.and_then(|route| route.route_id).unwrap_or_default())
            .authorization_type(AuthorizationType::AwsIam)
            .send()
            .await?;
        gateway
            .create_deployment()
            .api_id(&api)
            .stage_name("dev")
            .send()
            .await?;
        Ok::<_, aws_sdk_apigatewayv2::Error>(())
    })
    .expect("a $connect that wants signatures");
    let script = ["--send", "hello", "--expect", "hello"];
    let _ = project
        .wsless(["connect"].into_iter().chain(script))
        .succeeds();
    let by_url = ["connect", "--url", address];
    let _ = project
        .wsless(by_url.into_iter().chain(script))
        .exits(1)
        .warns("refused with 403")
        .warns("pass --sign");
    let _ = project
        .wsless(by_url.into_iter().chain(["--sign"]).chain(script))
        .succeeds();
}

/// A server that tells its clients what they sent to be let in, and refuses who names a status.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let mut seen = Value::Null;
    #[allow(
        clippy::result_large_err,
        reason = "the callback's type is the library's"
    )]
    let mut read = |request: &Request, mut response: Response| {
        let header = |name: &str| {
            let values = request.headers().get_all(name).iter();
            values
                .filter_map(|value| value.to_str().ok())
                .collect::<Vec<_>>()
                .join("|")
        };
        seen = json!({
            "uri": request.uri().to_string(),
            "origin": header("origin"),
            "token": header("x-token"),
            "offered": header("sec-websocket-protocol"),
        });
        if !header("sec-websocket-protocol").is_empty() {
            let chosen = http::HeaderValue::from_static("v2");
            response
                .headers_mut()
                .insert("sec-websocket-protocol", chosen);
        }
        Ok(response)
    };
    let accepted = tokio_tungstenite::accept_hdr_async(stream, &mut read).await;
    let Ok(mut socket) = accepted else { return };
    let _ = socket.send(Message::text(seen.to_string())).await;
    while let Some(Ok(_)) = socket.next().await {}
}

/// Asks the server what it saw.
#[track_caller]
fn asked(project: &Project, url: &str) -> Output {
    project.wsless([
        "connect",
        "--url",
        url,
        "--header",
        "X-Token: a",
        "--header",
        "x-token:b",
        "--query",
        "q=a b&c",
        "--origin",
        "https://page.example",
        "--subprotocol",
        "v1",
        "--subprotocol",
        "v2",
        "--expect",
        "uri",
        "--output",
        "json",
    ])
}

#[test]
fn what_is_given_is_sent_with_the_handshake_also_under_tls() {
    let mut project = Project::offline();
    let listener = run(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server's configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let plain = run(TcpListener::bind(("127.0.0.1", 0))).expect("a port");
    let plain_port = plain.local_addr().expect("an address").port();
    let servers = async move {
        loop {
            tokio::select! {
                Ok((stream, _)) = listener.accept() => {
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream).await;
                        }
                    });
                }
                Ok((stream, _)) = plain.accept() => {
                    tokio::spawn(serve(stream));
                }
            }
        }
    };
    let serving = run(async { tokio::spawn(servers).abort_handle() });

    let expected = json!({
        "uri": "/dev?q=a%20b%26c",
        "origin": "https://page.example",
        "token": "a|b",
        "offered": "v1, v2",
    });
    let saw = |output: Output| {
        let output = output.succeeds();
        assert_eq!(lines(&output, "result")[0]["subprotocol"], "v2", "{output}");
        let frame = &lines(&output, "frame")[0];
        let seen: Value =
            serde_json::from_str(frame["text"].as_str().unwrap_or_default()).expect("JSON");
        assert_eq!(seen, expected);
    };
    saw(asked(&project, &format!("ws://127.0.0.1:{plain_port}/dev")));

    let secure = format!("wss://localhost:{port}/dev");
    let _ = asked(&project, &secure)
        .exits(1)
        .warns("certificate")
        .warns("SSL_CERT_FILE");
    project.write("ca.pem", &made.cert.pem());
    project.unset("SSL_CERT_FILE");
    let ca = project.path("ca.pem").display().to_string();
    project.set("SSL_CERT_FILE", &ca);
    saw(asked(&project, &secure));
    serving.abort();
}
