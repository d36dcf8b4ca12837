//! Where a request goes, from its host and its path.

use std::borrow::Cow;

use hyper::{HeaderMap, Method, Uri, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;

use super::guard::execute_api;

/// Below this, the functions' processes call.
const RUNTIME: &str = "/_runtime/";
/// Below this, the data plane can be had without a name of its own.
const EXECUTE_API: &str = "/_aws/execute-api/";
/// Below this, and at `/`, the console is.
const CONSOLE: &str = "/_wsless";
/// Below this, behind the stage, the management API is.
const CONNECTIONS: &str = "/@connections";

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The Runtime API; what follows `/_runtime/`.
    Runtime(&'a str),
    /// A WebSocket API's stage.
    Socket {
        /// The API's id.
        api: Cow<'a, str>,
        /// The stage's name; empty if there is none.
        stage: Cow<'a, str>,
        /// The region, if the host names it.
        region: Option<&'a str>,
    },
    /// The management API of a stage.
    Connections {
        /// The API's id.
        api: Cow<'a, str>,
        /// The stage's name.
        stage: Cow<'a, str>,
        /// The region, if the host names it.
        region: Option<&'a str>,
        /// From `/@connections` on.
        path: &'a str,
    },
    /// The console.
    Console,
    /// A service.
    Aws,
}

/// Where a request goes. The host's name is without its port.
pub fn of<'a>(host: &'a str, method: &Method, uri: &'a Uri, headers: &HeaderMap) -> Place<'a> {
    let path = uri.path();
    if let Some(rest) = path.strip_prefix(RUNTIME) {
        return Place::Runtime(rest);
    }
    if let Some((api, region)) = execute_api(host) {
        return data(lower(api), region, path.strip_prefix('/').unwrap_or(path));
    }
    if let Some(rest) = path.strip_prefix(EXECUTE_API) {
        let (api, rest) = rest.split_once('/').unwrap_or((rest, ""));
        return data(decoded(api), None, rest);
    }
    if path == CONSOLE
        || path
            .strip_prefix(CONSOLE)
            .is_some_and(|rest| rest.starts_with('/'))
    {
        return Place::Console;
    }
    // A browser asks for the page without a query or a signature; S3's ListBuckets is a signed `GET /`.
    let page = path == "/"
        && uri.query().is_none()
        && (method == Method::GET || method == Method::HEAD)
        && !headers.contains_key(AUTHORIZATION);
    if page { Place::Console } else { Place::Aws }
}

fn data<'a>(api: Cow<'a, str>, region: Option<&'a str>, rest: &'a str) -> Place<'a> {
    let (stage, below) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let stage = decoded(stage);
    let managed = below
        .strip_prefix(CONNECTIONS)
        .or_else(|| below.strip_prefix("/%40connections"))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if managed {
        Place::Connections {
            api,
            stage,
            region,
            path: below,
        }
    } else {
        Place::Socket { api, stage, region }
    }
}

fn decoded(part: &str) -> Cow<'_, str> {
    percent_decode_str(part).decode_utf8_lossy()
}

/// Names of hosts have no case, ids of APIs are small.
fn lower(api: &str) -> Cow<'_, str> {
    if api.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(api.to_ascii_lowercase())
    } else {
        Cow::Borrowed(api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, path: &str) -> String {
        let uri: Uri = path.parse().unwrap();
        match of(host, &Method::GET, &uri, &HeaderMap::new()) {
            Place::Runtime(rest) => format!("runtime {rest}"),
            Place::Socket { api, stage, region } => format!("socket {api} {stage} {region:?}"),
            Place::Connections {
                api,
                stage,
                region,
                path,
            } => format!("connections {api} {stage} {region:?} {path}"),
            Place::Console => "console".to_owned(),
            Place::Aws => "aws".to_owned(),
        }
    }

    #[test]
    fn a_path_or_a_host_leads_to_the_data_plane() {
        for (host, path, meant) in [
            (
                "localhost",
                "/_aws/execute-api/abc/prod",
                "socket abc prod None",
            ),
            (
                "localhost",
                "/_aws/execute-api/abc/prod/",
                "socket abc prod None",
            ),
            ("localhost", "/_aws/execute-api/abc", "socket abc  None"),
            (
                "localhost",
                "/_aws/execute-api/abc/prod/@connections/x%3D",
                "connections abc prod None /@connections/x%3D",
            ),
            (
                "localhost",
                "/_aws/execute-api/abc/prod/%40connections/x=",
                "connections abc prod None /%40connections/x=",
            ),
            (
                "localhost",
                "/_aws/execute-api/abc/prod/@connectionsx",
                "socket abc prod None",
            ),
            (
                "ABC.execute-api.localhost",
                "/prod?a=b",
                "socket abc prod None",
            ),
            (
                "abc.execute-api.eu-west-1.amazonaws.com",
                "/prod/@connections/x",
                "connections abc prod Some(\"eu-west-1\") /@connections/x",
            ),
            ("abc.execute-api.localhost", "/", "socket abc  None"),
        ] {
            assert_eq!(at(host, path), meant, "{host}{path}");
        }
    }

    #[test]
    fn the_rest_is_the_runtime_api_the_console_or_aws() {
        for (path, meant) in [
            (
                "/_runtime/p1/2018-06-01/runtime/invocation/next",
                "runtime p1/2018-06-01/runtime/invocation/next",
            ),
            ("/", "console"),
            ("/_wsless/state", "console"),
            ("/?Action=GetCallerIdentity", "aws"),
            ("/_wslessbucket/key", "aws"),
            ("/2015-03-31/functions", "aws"),
        ] {
            assert_eq!(at("localhost", path), meant, "{path}");
        }
        let mut signed = HeaderMap::new();
        signed.insert(AUTHORIZATION, "AWS4-HMAC-SHA256 x".parse().unwrap());
        let root = Uri::from_static("/");
        let place = of("localhost", &Method::GET, &root, &signed);
        assert_eq!(place, Place::Aws);
    }
}
