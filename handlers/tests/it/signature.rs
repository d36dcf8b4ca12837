//! Signature Version 4, recomputed from its specification with HMAC alone: what the crate signs with isn't asked.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

pub const KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const TOKEN: &str = "session/token+with=signs";
pub const REGION: &str = "eu-west-1";

/// Says what is wrong with a request's signature, if anything.
pub fn check(
    method: &str,
    path: &str,
    header: impl Fn(&str) -> Option<String>,
    body: &[u8],
    service: &str,
) -> Result<(), String> {
    let authorization = header("authorization").ok_or("no Authorization header")?;
    let part = |name: &str| {
        let start = authorization.find(name).map(|at| at + name.len());
        let rest = start
            .map(|at| &authorization[at..])
            .ok_or(format!("no {name} in {authorization}"))?;
        Ok::<_, String>(rest.split(',').next().unwrap_or_default().trim().to_owned())
    };
    let (credential, signed, signature) = (
        part("Credential=")?,
        part("SignedHeaders=")?,
        part("Signature=")?,
    );
    let date = header("x-amz-date").ok_or("no x-amz-date")?;
    let scope = format!("{}/{REGION}/{service}/aws4_request", &date[..8]);
    if credential != format!("{KEY}/{scope}") {
        return Err(format!("credential {credential}, not of scope {scope}"));
    }
    for needed in ["host", "x-amz-date", "x-amz-security-token"] {
        if !signed.split(';').any(|name| name == needed) {
            return Err(format!("{needed} isn't signed: {signed}"));
        }
    }
    if header("x-amz-security-token").as_deref() != Some(TOKEN) {
        return Err("another session token".into());
    }
    let mut canonical = format!("{method}\n{}\n\n", encode_again(path));
    for name in signed.split(';') {
        let value = header(name).ok_or(format!("{name} is signed but absent"))?;
        let _ = writeln!(canonical, "{name}:{}", value.trim());
    }
    let _ = write!(canonical, "\n{signed}\n{}", hex(&Sha256::digest(body)));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let key = [&date[..8], REGION, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| {
            hmac(&key, part)
        });
    let expected = hex(&hmac(&key, &to_sign));
    if expected == signature {
        Ok(())
    } else {
        Err(format!(
            "signature {signature}, not {expected}, of\n{canonical}"
        ))
    }
}

/// Every service but S3 encodes the path that was sent once more.
fn encode_again(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[test]
fn the_key_derivation_is_awss() {
    // From "Signature Version 4 signing key examples" of the AWS General Reference.
    let key = ["20150830", "us-east-1", "iam", "aws4_request"]
        .iter()
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| {
            hmac(&key, part)
        });
    assert_eq!(
        hex(&key),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
}
