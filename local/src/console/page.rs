//! The page's three files, which are in the binary.

use std::{fmt::Write as _, sync::LazyLock};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
        IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use sha2::{Digest, Sha256};

/// The page's scripts and styles are its own files; it talks to this cloud, shows no foreign thing and is in no frame.
/// What the cloud holds (messages, logs, names) comes from anywhere, so that no text may become markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// One of the files.
#[derive(Debug)]
pub struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const FILES: [File; 3] = [
    File {
        path: "/",
        kind: "text/html; charset=utf-8",
        text: include_str!("page/index.html"),
    },
    File {
        path: "/_wsless/console.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("page/console.css"),
    },
    File {
        path: "/_wsless/console.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("page/console.js"),
    },
];

/// Of all files together: a page that is older than its cloud finds out by it.
static EDITION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for file in &FILES {
        hash.update(file.text);
    }
    let hash = hash.finalize();
    let mut edition = String::new();
    for byte in hash.iter().take(8) {
        let _ = write!(edition, "{byte:02x}");
    }
    edition
});

/// Tells this page from others.
pub fn edition() -> &'static str {
    &EDITION
}

/// The file at a path.
pub fn file(path: &str) -> Option<&'static File> {
    const { &FILES }.iter().find(|file| file.path == path)
}

/// Answers with a file, or that the browser has it.
pub fn answer(file: &File, method: &Method, headers: &HeaderMap) -> Response<Full<Bytes>> {
    let known = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let mut response = Response::new(Full::default());
    if method != Method::GET && method != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().extend([known(ALLOW, "GET, HEAD")]);
        return response;
    }
    let etag = format!("\"{}\"", edition());
    let has_it = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == etag);
    if has_it {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if method == Method::GET {
        *response.body_mut() = Full::new(Bytes::from_static(file.text.as_bytes()));
    }
    response.headers_mut().extend([
        known(CONTENT_TYPE, file.kind),
        known(CONTENT_SECURITY_POLICY, POLICY),
        known(X_CONTENT_TYPE_OPTIONS, "nosniff"),
        known(X_FRAME_OPTIONS, "DENY"),
        known(REFERRER_POLICY, "no-referrer"),
        // Asked for each time, sent when it's another: the next cloud may be of another version.
        known(CACHE_CONTROL, "no-cache"),
    ]);
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}
