//! What a refusal or a close code means on API Gateway, and what to do about it.

use super::{ClientError, Closing, Refusal};
use crate::diagnostic::Diagnostic;

/// The longest part of a body that is shown.
const SHOWN: usize = 500;

/// What a close code means, in API Gateway's case first.
pub fn meaning_of_close(code: u16) -> &'static str {
    match code {
        1000 => "closed in order",
        // aws-facts 1.6: the idle timeout is recorded; the 2 h limit is taken to say the same.
        1001 => {
            "going away: idle for 10 minutes, open for 2 hours, or the API is gone. Send something within 10 minutes, \
             and connect again after a while that isn't the same for all clients"
        }
        1002 => "a protocol error",
        1003 => "binary messages aren't supported: send text, such as base64",
        1005 => "no close code was sent",
        1006 => "the line broke",
        1007 => "text that isn't UTF-8",
        1008 => "against the policy of the other side, or too many messages",
        1009 => {
            "too large: a message may have 128 KB, a frame 32 KB; split a longer message into several frames, or send less"
        }
        1010 => "an extension is missing",
        1011 | 1014 => "an internal error at the other side",
        1012 | 1013 => "the other side restarts: try again in a while",
        1015 => "TLS failed",
        3000..=3999 => "a code that's registered with IANA",
        4000..=4999 => "the application's own code",
        _ => "a code of no known meaning",
    }
}

/// What a handshake's status means: its causes on API Gateway, the usual one first, and the mend.
pub(super) fn meaning_of_status(refusal: &Refusal) -> (&'static [&'static str], &'static str) {
    match refusal.status {
        400 => (
            &["$connect's handler answered 400, or the request is no handshake"],
            "look into the handler's log: `wsless logs`",
        ),
        401 => (
            &[
                "the authorizer's identity source is missing: a header or a query parameter that it needs",
                "or $connect's handler answered 401",
            ],
            "pass it with --header NAME:VALUE or --query NAME=VALUE",
        ),
        403 if refusal.body.contains("Missing Authentication Token") => (
            &["$connect wants a signature (AWS_IAM)"],
            "pass --sign, with credentials that may execute-api:Invoke",
        ),
        403 if refusal.was_signed => (
            &[
                "who signed may not execute-api:Invoke on $connect, or the region is another",
                "or there is no such API or stage, or $connect's handler or authorizer refused",
            ],
            "run `wsless doctor`",
        ),
        403 => (
            &[
                "there is no such API or stage, or nothing is deployed to it",
                "or $connect refused: the origin isn't among `allowed-origins` (--origin), or the authorizer denies",
            ],
            "run `wsless doctor`; it tells which",
        ),
        404 => (
            &["nothing is at this address: the stage's name is its last part"],
            "`wsless connect` without --url finds the address",
        ),
        426 => (
            &["what answers doesn't take this for a handshake"],
            "check the address",
        ),
        429 => (
            &[
                "too many connections or messages: the stage's or the account's throttle, or a throttle of 0",
            ],
            "try again in a while; `wsless doctor` tells whether the stage lets nothing through",
        ),
        500 => (
            &[
                "API Gateway couldn't ask: it may not call the function of $connect or the authorizer, or the authorizer failed",
            ],
            "run `wsless doctor`",
        ),
        502 => (
            &["the function of $connect failed, or returned something without a statusCode"],
            "look into its log: `wsless logs`",
        ),
        503 | 504 => (
            &["the function of $connect didn't answer within 29 s, or the service is overloaded"],
            "look into its log: `wsless logs`",
        ),
        200..=299 => (
            &["what answers is no WebSocket server"],
            "check the address",
        ),
        300..=399 => (
            &["$connect's handler, or something before the API, sends clients elsewhere"],
            "connect to the address that it names",
        ),
        _ => (
            &["$connect's handler answered so"],
            "look into its log: `wsless logs`",
        ),
    }
}

pub(super) fn diagnostic(error: &ClientError) -> Diagnostic {
    let told = |code| Diagnostic::error(code, error.to_string());
    match error {
        ClientError::Address(_) => told("connect::address")
            .help("write it as `wss://{api}.execute-api.{region}.amazonaws.com/{stage}`"),
        ClientError::Header(_) => told("connect::header").help("write it as NAME:VALUE, in ASCII"),
        ClientError::Refused(refusal) => {
            let (causes, mend) = meaning_of_status(refusal);
            let mut told = told("connect::refused");
            if !refusal.body.is_empty() {
                told = told.note(format!("it said: {}", shortened(&refusal.body)));
            }
            if let Some(id) = &refusal.request_id {
                told = told.note(format!("request id {id}"));
            }
            causes
                .iter()
                .fold(told, |told, cause| told.note(*cause))
                .help(mend)
        }
        ClientError::Subprotocol => told("connect::subprotocol")
            .note("browsers end the connection then")
            .help(
                "the handler of $connect must answer with one of them in the header Sec-WebSocket-Protocol",
            ),
        ClientError::Unreachable { .. } => {
            told("connect::unreachable").help("check the address and the network")
        }
        ClientError::Tls(_) => told("connect::tls")
            .help("install this machine's CA certificates, or name a file of them with SSL_CERT_FILE"),
        ClientError::Unsigned(_) => told("connect::unsigned"),
        ClientError::Socket(socket) => {
            let told = told("connect::socket");
            if socket.to_string().contains("certificate") {
                told.help("a certificate of your own is trusted if SSL_CERT_FILE names it")
            } else {
                told
            }
        }
        ClientError::Silence(_) => told("connect::silence")
            .help("wait longer with --timeout, or run `wsless doctor`"),
        ClientError::Closed(closing) => closed(closing),
    }
}

/// The end of a connection that should have gone on.
fn closed(closing: &Closing) -> Diagnostic {
    let reason = if closing.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", shortened(&closing.reason))
    };
    Diagnostic::error(
        "connect::closed",
        format!("the connection was closed with {}{reason}", closing.code),
    )
    .note(meaning_of_close(closing.code))
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        Refusal {
            status,
            body: body.to_owned(),
            request_id: None,
            was_signed: false,
        }
    }

    #[test]
    fn every_status_and_code_has_a_meaning() {
        for status in 100..600 {
            let (causes, mend) = meaning_of_status(&refusal(status, ""));
            assert!(!causes.is_empty() && !mend.is_empty(), "{status}");
        }
        for code in 0..=u16::MAX {
            assert!(!meaning_of_close(code).is_empty(), "{code}");
        }
    }

    #[test]
    fn a_refusal_tells_status_body_and_meaning() {
        let refused = |status, body| ClientError::Refused(refusal(status, body)).diagnostic();
        let forbidden = refused(403, "{\"message\":\"Forbidden\"}");
        assert_eq!(forbidden.message, "the handshake was refused with 403");
        assert_eq!(forbidden.notes[0], "it said: {\"message\":\"Forbidden\"}");
        assert!(forbidden.notes[1].contains("no such API or stage"));
        let unsigned = refused(403, "{\"message\":\"Missing Authentication Token\"}");
        assert!(unsigned.help.is_some_and(|help| help.contains("--sign")));
        let long = refused(500, &"x".repeat(10_000));
        assert!(long.notes[0].len() < 600);
    }

    #[test]
    fn a_close_tells_code_reason_and_meaning() {
        let closed = ClientError::Closed(Closing {
            code: 1003,
            reason: "Binary is not supported".into(),
        });
        let told = closed.diagnostic();
        assert_eq!(
            told.message,
            "the connection was closed with 1003 (Binary is not supported)"
        );
        assert!(told.notes[0].contains("base64"));
    }
}
