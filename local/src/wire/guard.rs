//! Who may talk to the cloud: programs on this machine, and no web page.
//!
//! A browser on this machine can reach the port too, driven by any page. It says by what name it found us (`Host`) and for
//! whom it asks (`Origin`, `Sec-Fetch-Site`); programs say the first only. So a name that isn't a loopback one is refused,
//! which ends DNS rebinding, and so is a page of another origin. Handshakes of the data plane are excepted: pages of any
//! origin connect to a WebSocket API on AWS too, and the handlers decide which may.

use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    header::{HOST, HeaderName, ORIGIN, UPGRADE},
};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Why a request isn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub StatusCode, pub &'static str);

/// The name that a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// With the port, as sent.
    pub authority: &'a str,
    /// Without the port.
    pub name: &'a str,
}

/// The host that is asked for, if it's one of this machine's or of AWS's own for the data plane.
pub fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<Host<'a>, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let authority = match (uri.authority(), hosts.next(), hosts.next()) {
        // A proxy's form; the header says no more than it.
        (Some(authority), _, None) => authority.as_str(),
        (None, Some(host), None) => host.to_str().unwrap_or_default(),
        _ => {
            return Err(Refusal(
                StatusCode::BAD_REQUEST,
                "A request has one Host header.",
            ));
        }
    };
    let name = without_port(authority);
    if is_loopback(name) || execute_api(name).is_some() {
        Ok(Host { authority, name })
    } else {
        Err(Refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "The embedded cloud answers to names of this machine only: 127.0.0.1, localhost, [::1], and names below localhost.",
        ))
    }
}

/// `[::1]:80` is `[::1]`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => authority,
    }
}

fn is_loopback(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || ends_with(name, ".localhost")
        || name == "[::1]"
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The API's id and, if it's said, the region of a data plane name: `{api}.execute-api.localhost`,
/// `{api}.execute-api.{region}.localhost`, `{api}.execute-api.{region}.amazonaws.com`.
pub fn execute_api(name: &str) -> Option<(&str, Option<&str>)> {
    let (api, rest) = name.split_once('.')?;
    let shaped = !api.is_empty() && api.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (service, rest) = rest.split_once('.')?;
    if !shaped || !service.eq_ignore_ascii_case("execute-api") {
        return None;
    }
    if rest.eq_ignore_ascii_case("localhost") {
        return Some((api, None));
    }
    let (region, domain) = rest.split_once('.')?;
    (domain.eq_ignore_ascii_case("localhost") || domain.eq_ignore_ascii_case("amazonaws.com"))
        .then_some((api, Some(region)))
}

fn ends_with(name: &str, end: &str) -> bool {
    name.len() > end.len()
        && name
            .get(name.len() - end.len()..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Whether it asks for a WebSocket.
pub fn is_handshake<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get(UPGRADE)
        .is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Refuses what a page of another origin asks for.
pub fn origin(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    host: Host<'_>,
) -> Result<(), Refusal> {
    for origin in headers.get_all(ORIGIN) {
        let own = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|origin| origin.eq_ignore_ascii_case(host.authority));
        if !own {
            return Err(Refusal(
                StatusCode::FORBIDDEN,
                "A page of another origin may not talk to the embedded cloud.",
            ));
        }
    }
    let Some(site) = headers.get(FETCH_SITE) else {
        return Ok(());
    };
    // A link to the console is harmless, wherever it stands.
    let link = method == Method::GET
        && uri.path() == "/"
        && headers
            .get(FETCH_MODE)
            .is_some_and(|mode| mode == "navigate");
    if site == "same-origin" || site == "none" || link {
        Ok(())
    } else {
        Err(Refusal(
            StatusCode::FORBIDDEN,
            "A page of another site may not talk to the embedded cloud.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn name(host_header: &str) -> Result<String, StatusCode> {
        host(&Uri::from_static("/"), &headers(&[("host", host_header)]))
            .map(|host| host.name.to_owned())
            .map_err(|refusal| refusal.0)
    }

    #[test]
    fn names_of_this_machine_are_answered_to() {
        for (sent, meant) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1:4510", "127.0.0.1"),
            ("LocalHost:1", "LocalHost"),
            ("[::1]", "[::1]"),
            ("[::1]:4510", "[::1]"),
            ("a.b.localhost:4510", "a.b.localhost"),
            (
                "abc123.execute-api.eu-west-1.amazonaws.com",
                "abc123.execute-api.eu-west-1.amazonaws.com",
            ),
        ] {
            assert_eq!(name(sent), Ok(meant.to_owned()), "{sent}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for sent in [
            "example.com",
            "localhost.example.com",
            "notlocalhost",
            ".localhost.evil",
            "127.0.0.1.nip.io",
            "10.0.0.1:4510",
            "[::2]:4510",
            "amazonaws.com",
            "sqs.eu-west-1.amazonaws.com",
            "",
        ] {
            assert_eq!(name(sent), Err(StatusCode::MISDIRECTED_REQUEST), "{sent}");
        }
    }

    #[test]
    fn a_request_without_a_host_or_with_two_is_refused() {
        for sent in [
            headers(&[]),
            headers(&[("host", "localhost"), ("host", "localhost")]),
        ] {
            let refused = host(&Uri::from_static("/"), &sent).unwrap_err();
            assert_eq!(refused.0, StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn the_address_in_the_request_line_counts_before_the_header() {
        let sent = headers(&[("host", "localhost")]);
        assert!(host(&Uri::from_static("http://example.com/"), &sent).is_err());
        assert!(host(&Uri::from_static("http://localhost:1/"), &sent).is_ok());
    }

    fn lets_in(pairs: &[(&'static str, &str)]) -> bool {
        let own = Host {
            authority: "localhost:4510",
            name: "localhost",
        };
        origin(&Method::POST, &Uri::from_static("/"), &headers(pairs), own).is_ok()
    }

    #[test]
    fn only_its_own_pages_are_let_in() {
        assert!(lets_in(&[]));
        assert!(lets_in(&[("origin", "http://localhost:4510")]));
        assert!(lets_in(&[("sec-fetch-site", "same-origin")]));
        assert!(lets_in(&[("sec-fetch-site", "none")]));
        for foreign in [
            "http://localhost",
            "http://localhost:3000",
            "https://localhost:4510",
            "http://127.0.0.1:4510",
            "http://localhost:4510.example.com",
            "null",
            "",
        ] {
            assert!(!lets_in(&[("origin", foreign)]), "{foreign}");
        }
        assert!(!lets_in(&[
            ("origin", "http://localhost:4510"),
            ("origin", "http://example.com"),
        ]));
        assert!(!lets_in(&[("sec-fetch-site", "cross-site")]));
        assert!(!lets_in(&[("sec-fetch-site", "same-site")]));
        assert!(!lets_in(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ]));
    }

    #[test]
    fn a_link_to_the_console_works_from_anywhere() {
        let own = Host {
            authority: "localhost:4510",
            name: "localhost",
        };
        let link = headers(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ]);
        let at = |path: &'static str| origin(&Method::GET, &Uri::from_static(path), &link, own);
        assert!(at("/").is_ok());
        assert!(at("/_wsless/state").is_err());
    }

    #[test]
    fn a_data_plane_name_says_the_api_and_maybe_the_region() {
        assert_eq!(
            execute_api("abc.execute-api.localhost"),
            Some(("abc", None))
        );
        assert_eq!(
            execute_api("abc.execute-api.eu-west-1.amazonaws.com"),
            Some(("abc", Some("eu-west-1")))
        );
        assert_eq!(
            execute_api("abc.execute-api.eu-west-1.localhost"),
            Some(("abc", Some("eu-west-1")))
        );
        for other in [
            "localhost",
            "execute-api.localhost",
            ".execute-api.localhost",
            "a.b.execute-api.localhost",
            "abc.execute-api.eu-west-1.example.com",
            "abc.execute-api.amazonaws.com",
        ] {
            assert_eq!(execute_api(other), None, "{other}");
        }
    }
}
