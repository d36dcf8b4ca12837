//! Lambda's Runtime API: ask for work, do it, answer; one invocation at a time.
//!
//! Spoken directly rather than through the lambda_runtime crate: it is three requests of the HTTP library that the
//! calls to AWS need anyway. Measured: 9 % less binary, 24 crates fewer.

mod api;

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::api::Api;
use crate::Error;
use crate::aws::http::Http;
use crate::log::{self, Level};

/// Where Lambda says no deadline. It always does; emulators may not.
const DEFAULT_TIME: Duration = Duration::from_secs(30);
/// The limit of Lambda's own log of an error is 256 KB; ours is what a person reads.
const ERROR_CHARS: usize = 4096;

/// One piece of work.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub event: Bytes,
    /// When Lambda ends the process.
    pub deadline: Instant,
}

/// Serves invocations until the process is ended. `start` is given the HTTP client and makes the state that all
/// invocations share; if it fails, Lambda is told that the function can't start.
pub(crate) async fn run<S, F, Fut>(
    start: impl FnOnce(Http) -> Result<S, Error>,
    handle: F,
) -> Result<(), Error>
where
    F: Fn(S, Invocation) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Vec<u8>, Error>> + Send,
    S: Clone + Send + Sync + 'static,
{
    let host = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(|_| {
        "AWS_LAMBDA_RUNTIME_API isn't set: this program is run by AWS Lambda; `wsless deploy` puts it there."
    })?;
    log::panics_as_lines();
    let mut api = Api::new(&host)?;
    let state = match start(Http::new()?) {
        Ok(state) => state,
        Err(error) => {
            report(&mut api, "/init/error", "Wsless.Start", &error).await?;
            return Err(error);
        }
    };
    // In a task of its own: the future that a runtime was entered with is woken by a system call each time.
    let mut serving = JoinSet::new();
    serving.spawn(async move { serve(api, state, handle).await });
    match serving.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(error.into()),
        },
        None => Ok(()),
    }
}

async fn serve<S, F, Fut>(mut api: Api, state: S, handle: F) -> Result<(), Error>
where
    F: Fn(S, Invocation) -> Fut,
    Fut: Future<Output = Result<Vec<u8>, Error>>,
    S: Clone,
{
    loop {
        let answer = api
            .send(Method::GET, "/invocation/next", &[], Bytes::new())
            .await?;
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if answer.status != 200 {
            return Err(format!("the Runtime API answered {} to /next", answer.status).into());
        }
        let id = header("lambda-runtime-aws-request-id")
            .ok_or("the Runtime API gave no request id")?
            .to_owned();
        let deadline = Instant::now() + time_left(header("lambda-runtime-deadline-ms"));
        let result = handle(
            state.clone(),
            Invocation {
                event: answer.body,
                deadline,
            },
        )
        .await;
        match result {
            Ok(body) => {
                let path = format!("/invocation/{id}/response");
                let headers = [("content-type", "application/json")];
                send(&mut api, &path, &headers, Bytes::from(body)).await?;
            }
            Err(error) => {
                let path = format!("/invocation/{id}/error");
                report(&mut api, &path, "Wsless.Handler", &error).await?;
            }
        }
    }
}

async fn report(api: &mut Api, path: &str, kind: &str, error: &Error) -> Result<(), Error> {
    let message: String = error.to_string().chars().take(ERROR_CHARS).collect();
    let body = json!({"errorType": kind, "errorMessage": message, "stackTrace": []}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("lambda-runtime-function-error-type", kind),
    ];
    send(api, path, &headers, Bytes::from(body)).await
}

/// An answer that Lambda doesn't take (it's too large, or too late) is that invocation's loss, not the process's.
async fn send(
    api: &mut Api,
    path: &str,
    headers: &[(&'static str, &str)],
    body: Bytes,
) -> Result<(), Error> {
    let answer = match api.send(Method::POST, path, headers, body.clone()).await {
        Ok(answer) => answer,
        // The kept connection may have been closed meanwhile. An answer that arrives twice is refused, no more.
        Err(_) => api.send(Method::POST, path, headers, body).await?,
    };
    if answer.status >= 300 {
        let words = String::from_utf8_lossy(&answer.body).into_owned();
        log::write(
            Level::Error,
            &format!("the Runtime API answered {}: {words}", answer.status),
            &[],
        );
    }
    Ok(())
}

fn time_left(deadline_ms: Option<&str>) -> Duration {
    let deadline = deadline_ms
        .and_then(|text| text.parse().ok())
        .map(Duration::from_millis);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    deadline.map_or(DEFAULT_TIME, |deadline| deadline.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_lambdas() {
        let now = u64::try_from(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_millis(),
        )
        .unwrap();
        let left = time_left(Some(&(now + 10_000).to_string()));
        assert!(
            left > Duration::from_secs(8) && left <= Duration::from_secs(10),
            "{left:?}"
        );
        assert_eq!(time_left(Some("1")), Duration::ZERO);
        assert_eq!(time_left(Some("soon")), DEFAULT_TIME);
    }
}
