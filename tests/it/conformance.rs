//! The WebSocket protocol as others test it: the Autobahn test suite's cases against a route that answers each message.
//!
//! The suite itself (`autobahntestsuite`) runs on Python 2 only, which few machines of today have. `kosoku` runs the suite's own
//! case files, so the cases and their verdicts are Autobahn's: where there was a Python 2.7, the suite itself gave each of these
//! cases the same verdict. Left out are its groups 9 (speed, and messages of megabytes)
//! and 12 and 13 (compression, which API Gateway doesn't offer).

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::{Bare, Client, Cloud, Venv};

/// Framing, pings and pongs, reserved bits, opcodes, fragmentation, UTF-8, closing, and a message in many fragments.
const GROUPS: [&str; 8] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];
const CASES: usize = 247;

/// Where AWS isn't what the suite asks for, with the close codes that AWS has instead. A binary message is refused with 1003
/// \[STK\], a frame beyond 32 KB with 1009 \[DG websocket-limits\]; which of them for a binary frame beyond 32 KB isn't recorded.
const AWS_DIFFERS: [(&str, &[u64]); 11] = [
    // Texts of 65,535 and 65,536 bytes in a frame, the last of them written in pieces.
    ("1.1.6", &[1009]),
    ("1.1.7", &[1009]),
    ("1.1.8", &[1009]),
    // Binary messages of 0 to 128 bytes.
    ("1.2.1", &[1003]),
    ("1.2.2", &[1003]),
    ("1.2.3", &[1003]),
    ("1.2.4", &[1003]),
    ("1.2.5", &[1003]),
    // Binary messages of 65,535 and 65,536 bytes.
    ("1.2.6", &[1003, 1009]),
    ("1.2.7", &[1003, 1009]),
    ("1.2.8", &[1003, 1009]),
];

/// Where a good message is followed by something wrong. The suite likes best that the message is answered before the
/// connection is failed, and takes it if it isn't. Behind a gateway the answer is a function's, and comes later than what is
/// wrong is found.
const ANSWER_MAY_BE_LOST: [&str; 10] = [
    "3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15",
];

/// Text that turns out to be no UTF-8 in its middle, in pieces that are sent one by one: the suite likes best that it's
/// found before the message is whole, and takes it later.
const MAY_BE_FOUND_LATE: [&str; 4] = ["6.4.1", "6.4.2", "6.4.3", "6.4.4"];

/// What the protocol leaves open: a close right behind 256 KB of text (more than AWS takes, too), and close codes that nobody
/// has given a meaning.
const LEFT_OPEN: [&str; 3] = ["7.1.6", "7.13.1", "7.13.2"];

/// The suite kills a case that isn't answered within a second, however busy the machine: what went wrong is tried again.
const TRIES: usize = 3;

/// What the suite says of a case.
struct Verdict {
    case: String,
    behavior: String,
    close: String,
    code: Option<u64>,
    words: String,
}

impl Verdict {
    fn of(line: &str) -> Self {
        let (case, behavior, close, code, result, result_close): (
            String,
            String,
            String,
            Option<u64>,
            String,
            String,
        ) = serde_json::from_str(line).expect("a case's line");
        let words =
            format!("{case}: {behavior} ({result}), its close {close} ({result_close}; {code:?})");
        Self {
            case,
            behavior,
            close,
            code,
            words,
        }
    }

    fn conforms(&self) -> bool {
        let case = self.case.as_str();
        if let Some((_, codes)) = AWS_DIFFERS.iter().find(|(differs, _)| *differs == case) {
            return self.behavior == "FAILED"
                && self.code.is_some_and(|code| codes.contains(&code));
        }
        match (self.behavior.as_str(), self.close.as_str()) {
            ("OK", "OK") => true,
            ("NON-STRICT", "OK") => {
                ANSWER_MAY_BE_LOST.contains(&case) || MAY_BE_FOUND_LATE.contains(&case)
            }
            ("INFORMATIONAL", "OK" | "INFORMATIONAL") => LEFT_OPEN.contains(&case),
            _ => false,
        }
    }
}

/// Runs cases against an address.
fn verdicts(url: &str, cases: &[String]) -> Vec<Verdict> {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/python/conformance.py"
    );
    let output = Command::new(Venv::kosoku().python())
        .arg(script)
        .arg(url)
        .args(cases)
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{words}");
    said.lines().map(Verdict::of).collect()
}

#[test]
fn a_bare_route_conforms_to_the_autobahn_test_suite_except_where_aws_does_not() {
    let cloud = Cloud::embedded();
    let bare = Bare::echo(&cloud);
    let mut client = Client::connect(&bare.url);
    client.send("the function has started");
    assert_eq!(client.receive(), "the function has started");

    let first = verdicts(&bare.url, &GROUPS.map(str::to_owned));
    let ids: BTreeSet<&str> = first.iter().map(|verdict| verdict.case.as_str()).collect();
    assert_eq!(ids.len(), CASES);
    let mut wrong: Vec<Verdict> = first.into_iter().filter(|one| !one.conforms()).collect();
    for _ in 1..TRIES {
        if !wrong.is_empty() {
            let again: Vec<String> = wrong.into_iter().map(|one| one.case).collect();
            wrong = verdicts(&bare.url, &again);
            wrong.retain(|one| !one.conforms());
        }
    }
    let wrong: Vec<String> = wrong.into_iter().map(|one| one.words).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Whoever was there all the while has noticed nothing.
    client.send("still here");
    assert_eq!(client.receive(), "still here");
}
