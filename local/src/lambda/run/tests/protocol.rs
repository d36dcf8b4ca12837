use bytes::Bytes;
use futures_util::poll;
use http_body_util::Full;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

use super::machine::{Machine, until};

#[tokio::test]
async fn an_error_that_the_function_reports_is_the_callers_payload() {
    let machine = Machine::new().await;
    let target = machine.python(
        "reports",
        "
while True:
    id, event, r = next()
    call('POST', 'invocation/%s/error' % id, json.dumps({'errorType': 'My', 'errorMessage': 'so'}))",
    );
    let (payload, log) = machine.failure(&target).await;
    assert_eq!(payload, json!({"errorType": "My", "errorMessage": "so"}));
    assert!(
        log.ends_with(" MB\t\n") || log.contains("Init Duration: "),
        "{log}"
    );
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_process_goes_on() {
    let machine = Machine::new().await;
    let target = machine.python(
        "large",
        "
told = None
while True:
    id, event, r = next()
    if event is None or event == 'huge':
        told = call('POST', 'invocation/%s/response' % id, b'x' * (30 << 20 if event else 6291557))
        told = [told[0].status, json.loads(told[1])]
    else: respond(id, told)",
    );
    let (payload, _) = machine.failure(&target).await;
    assert_eq!(payload["errorType"], "Function.ResponseSizeTooLarge");
    let told = machine.value(&target, &json!(1)).await;
    assert_eq!(told[0], 413);
    assert_eq!(told[1]["errorType"], "RequestEntityTooLarge");
    let invoked = machine.invoke(&target, &json!("huge")).await.unwrap();
    assert!(
        invoked
            .payload
            .starts_with(b"{\"errorType\":\"Function.ResponseSizeTooLarge\"")
    );
    assert_eq!(machine.value(&target, &json!(1)).await[0], 413);
}

#[tokio::test]
async fn what_comes_at_the_wrong_time_or_for_another_invocation_is_refused() {
    let machine = Machine::new().await;
    let target = machine.python(
        "wrong",
        "
told = []
def tell(method, path, body=None):
    r, body = call(method, path, body)
    told.append([r.status, json.loads(body).get('errorType')])
id, event, r = next()
tell('POST', 'invocation/8f507cfc-ffff-4697-b07a-ac58fc914c95/response', '1')
tell('GET', 'invocation/next')
tell('POST', 'init/error', '{}')
tell('POST', 'invocation/%s/response' % id, '1')
tell('POST', 'invocation/%s/response' % id, '1')
tell('POST', 'invocation/%s/error' % id, '{}')
tell('GET', 'invocation/nothing')
tell('GET', 'init/error')
c.request('POST', '/' + base + '/2020-01-01/extension/register', '{}')
r = c.getresponse(); told.append([r.status, json.loads(r.read())['errorType']])
c.request('GET', '/_runtime/eu-west-1.1234/2018-06-01/runtime/invocation/next')
r = c.getresponse(); told.append([r.status, json.loads(r.read())['errorType']])
serve(lambda event, r: told)",
    );
    machine.value(&target, &Value::Null).await;
    let told = machine.value(&target, &Value::Null).await;
    assert_eq!(
        told,
        json!([
            [400, "InvalidRequestID"],
            [403, "InvalidStateTransition"],
            [403, "InvalidStateTransition"],
            [202, null],
            [403, "InvalidStateTransition"],
            [403, "InvalidStateTransition"],
            [404, "NotFound"],
            [405, "MethodNotAllowed"],
            [501, "Extension.NotSupported"],
            [403, "InvalidProcess"],
        ])
    );
}

/// The test is the runtime here: it asks, gives the question up, and asks again.
#[tokio::test]
async fn a_runtime_that_asks_anew_loses_no_work() {
    let machine = Machine::new().await;
    let target = machine.python(
        "anew",
        "
with open(os.environ['FOLDER'] + '/base~', 'w') as f: f.write(base.partition('/')[2])
os.rename(os.environ['FOLDER'] + '/base~', os.environ['FOLDER'] + '/base')
time.sleep(1000)",
    );
    let (event, file) = (json!("the event"), machine.path("base"));
    let mut invocation = Box::pin(machine.invoke(&target, &event));
    assert!(poll!(&mut invocation).is_pending());
    until(|| file.exists()).await;
    let id = std::fs::read_to_string(file).unwrap();
    let headers = HeaderMap::new();
    let api = async |method: Method, path: String, body: &'static str| {
        let path = format!("{id}/2018-06-01/runtime/invocation/{path}");
        let body = Bytes::from_static(body.as_bytes());
        crate::lambda::runtime_api(&machine.cloud, &method, &path, &headers, body).await
    };
    let next = || Box::pin(api(Method::GET, "next".to_owned(), ""));
    let respond = async |reply: hyper::Response<Full<Bytes>>| {
        let request = reply.headers()["lambda-runtime-aws-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let reply = api(Method::POST, format!("{request}/response"), "1").await;
        assert_eq!(reply.status(), 202);
    };
    respond(next().await).await;
    assert_eq!(&invocation.await.unwrap().payload[..], b"1");

    // Given up before there is work.
    let mut given_up = next();
    assert!(poll!(&mut given_up).is_pending());
    drop(given_up);
    // Asked twice: the later question counts.
    let mut first = next();
    assert!(poll!(&mut first).is_pending());
    let mut second = next();
    assert!(poll!(&mut second).is_pending());
    assert_eq!(first.await.status(), 403);
    // Given up when the work was on its way.
    let mut invocation = Box::pin(machine.invoke(&target, &event));
    assert!(poll!(&mut invocation).is_pending());
    drop(second);
    respond(next().await).await;
    assert_eq!(&invocation.await.unwrap().payload[..], b"1");
}
