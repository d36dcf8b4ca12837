//! The handshake: from an address to an open connection, or a refusal.

use std::{sync::Arc, time::Duration};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use hyper::{
    HeaderMap,
    header::{HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, client_async_tls_with_config,
    tungstenite::{
        Error,
        client::IntoClientRequest,
        error::ProtocolError,
        handshake::client::Request,
        http::{Response, Uri},
    },
};

use super::{Client, ClientError};

/// API Gateway waits 29 s for `$connect` at most; a cold authorizer comes before it.
const PATIENCE: Duration = Duration::from_secs(65);

/// What stays as it is in a query: RFC 3986's unreserved characters, as SigV4 wants it.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where and how to connect. Headers and query may hold secrets: it's never shown.
#[derive(Clone, Default)]
pub struct Handshake {
    /// `wss://…` or `ws://…`.
    pub address: String,
    /// Headers beside those of every handshake.
    pub headers: Vec<(String, String)>,
    /// Parameters added to the address.
    pub query: Vec<(String, String)>,
    /// The subprotocols to offer, the preferred one first.
    pub subprotocols: Vec<String>,
    /// How to sign, where the API wants it.
    pub signature: Option<Signature>,
}

/// Who signs a handshake, and for which region.
#[derive(Clone)]
pub struct Signature {
    /// Whose keys.
    pub credentials: Credentials,
    /// The API's region.
    pub region: String,
}

/// A handshake's answer that isn't 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The body; untrusted.
    pub body: String,
    /// AWS's id of the request, if it's in the headers.
    pub request_id: Option<String>,
    /// Whether the handshake was signed.
    pub was_signed: bool,
}

impl Handshake {
    /// A plain handshake.
    pub fn to(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            ..Self::default()
        }
    }

    /// Connects.
    pub async fn open(&self) -> Result<Client, ClientError> {
        let request = self.request()?;
        tokio::time::timeout(PATIENCE, self.shake_hands(request))
            .await
            .unwrap_or(Err(ClientError::Silence(PATIENCE)))
    }

    async fn shake_hands(&self, request: Request) -> Result<Client, ClientError> {
        let (host, port) = place(request.uri()).ok_or_else(|| self.odd_address())?;
        let connector = connector(request.uri())?;
        let stream =
            TcpStream::connect((host, port))
                .await
                .map_err(|error| ClientError::Unreachable {
                    host: format!("{host}:{port}"),
                    error,
                })?;
        // Small frames are sent at once, so that round trips are the system's and not the network stack's.
        stream
            .set_nodelay(true)
            .map_err(tokio_tungstenite::tungstenite::Error::from)?;
        // Large errors come in it: a box for who only passes them on.
        let opened = Box::pin(client_async_tls_with_config(
            request,
            stream,
            None,
            Some(connector),
        ))
        .await;
        match opened {
            Ok((socket, response)) => Ok(Client {
                socket,
                subprotocol: header(response.headers(), SEC_WEBSOCKET_PROTOCOL.as_str()),
            }),
            Err(Error::Http(response)) => Err(ClientError::Refused(self.refusal(&response))),
            Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_))) => {
                Err(ClientError::Subprotocol)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The request, signed if it's to be.
    fn request(&self) -> Result<Request, ClientError> {
        let mut request = self
            .url()
            .into_client_request()
            .map_err(|_| self.odd_address())?;
        let odd = |name: &str| ClientError::Header(name.to_owned());
        for (name, value) in &self.headers {
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| odd(name))?;
            let value = HeaderValue::from_str(value).map_err(|_| odd(name))?;
            if header == HOST {
                request.headers_mut().insert(header, value);
            } else {
                request.headers_mut().append(header, value);
            }
        }
        if !self.subprotocols.is_empty() {
            let offered = HeaderValue::from_str(&self.subprotocols.join(", "))
                .map_err(|_| odd("Sec-WebSocket-Protocol"))?;
            request
                .headers_mut()
                .append(SEC_WEBSOCKET_PROTOCOL, offered);
        }
        if let Some(signature) = &self.signature {
            signature.sign(&mut request)?;
        }
        Ok(request)
    }

    /// The address with the query.
    fn url(&self) -> String {
        let mut url = self.address.clone();
        for (scheme, socket) in [("https://", "wss://"), ("http://", "ws://")] {
            if let Some(rest) = url.strip_prefix(scheme) {
                url = format!("{socket}{rest}");
            }
        }
        for (name, value) in &self.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.extend(utf8_percent_encode(name, QUERY));
            url.push('=');
            url.extend(utf8_percent_encode(value, QUERY));
        }
        url
    }

    fn odd_address(&self) -> ClientError {
        // A query may hold a token.
        let shown = self.address.split('?').next().unwrap_or_default();
        ClientError::Address(shown.to_owned())
    }

    fn refusal(&self, response: &Response<Option<Vec<u8>>>) -> Refusal {
        let body = response.body().as_deref().unwrap_or_default();
        Refusal {
            status: response.status().as_u16(),
            body: String::from_utf8_lossy(body).into_owned(),
            request_id: header(response.headers(), "x-amzn-requestid"),
            was_signed: self.signature.is_some(),
        }
    }
}

impl Signature {
    /// Signs host and query; API Gateway takes the signature in headers [DG apigateway-websocket-control-access-iam].
    fn sign(&self, request: &mut Request) -> Result<(), ClientError> {
        let unsigned = |error: &dyn std::error::Error| ClientError::Unsigned(error.to_string());
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("execute-api")
            .time(std::time::SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let host = header(request.headers(), HOST.as_str()).unwrap_or_default();
        let signable = SignableRequest::new(
            "GET",
            request.uri().to_string(),
            [("host", host.as_str())].into_iter(),
            SignableBody::Bytes(b""),
        )
        .map_err(|error| unsigned(&error))?;
        let (instructions, _) = sign(signable, &parameters)
            .map_err(|error| unsigned(&error))?
            .into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// Host and port. Names under `localhost` are this machine's, though resolvers needn't know them [RFC 6761 6.3].
fn place(uri: &Uri) -> Option<(&str, u16)> {
    let host = uri.host()?;
    let port = uri
        .port_u16()
        .unwrap_or(if uri.scheme_str() == Some("wss") {
            443
        } else {
            80
        });
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.ends_with(".localhost") {
        "127.0.0.1"
    } else {
        host
    };
    Some((host, port))
}

/// TLS for `wss://`, with the certificates that this machine trusts (`SSL_CERT_FILE` names others) and the SDK's own
/// cryptography; none for `ws://`.
fn connector(uri: &Uri) -> Result<Connector, ClientError> {
    match uri.scheme_str() {
        Some("ws") => Ok(Connector::Plain),
        Some("wss") => Ok(Connector::Rustls(Arc::new(tls()?))),
        _ => Err(ClientError::Address(uri.to_string())),
    }
}

fn tls() -> Result<ClientConfig, ClientError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(
            || "this machine trusts no certificate".to_owned(),
            ToString::to_string,
        );
        return Err(ClientError::Tls(why));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A handshake is HTTP/1.1's.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_in_the_request() {
        let handshake = Handshake {
            headers: vec![
                ("X-Token".into(), "a".into()),
                ("x-token".into(), "b".into()),
            ],
            query: vec![("token".into(), "a b&c".into()), ("n".into(), "1".into())],
            subprotocols: vec!["chat".into(), "v2".into()],
            ..Handshake::to("https://x.execute-api.eu-west-1.amazonaws.com/dev")
        };
        let request = handshake.request().unwrap();
        assert_eq!(
            request.uri(),
            "wss://x.execute-api.eu-west-1.amazonaws.com/dev?token=a%20b%26c&n=1"
        );
        let headers = request.headers();
        assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "chat, v2");
        assert_eq!(headers.get_all("x-token").iter().count(), 2);
        assert_eq!(headers[HOST], "x.execute-api.eu-west-1.amazonaws.com");
    }

    #[test]
    fn a_signed_handshake_bears_the_signature_for_the_regions_execute_api() {
        let handshake = Handshake {
            signature: Some(Signature {
                credentials: Credentials::new(
                    "AKID",
                    "secret",
                    Some("session".into()),
                    None,
                    "test",
                ),
                region: "eu-west-1".into(),
            }),
            ..Handshake::to("wss://x.execute-api.eu-west-1.amazonaws.com/dev?a=b")
        };
        let request = handshake.request().unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(
            authorization.contains("/eu-west-1/execute-api/aws4_request")
                && authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"),
            "{authorization}"
        );
        assert_eq!(request.headers()["x-amz-security-token"], "session");
    }

    #[test]
    fn only_wss_gets_tls() {
        let of = |address: &str| connector(&address.parse().unwrap());
        assert!(matches!(of("ws://127.0.0.1/dev"), Ok(Connector::Plain)));
        // A machine without certificates can't tell; that it would use TLS is told by its refusal.
        assert!(matches!(
            of("wss://127.0.0.1/dev"),
            Ok(Connector::Rustls(_)) | Err(ClientError::Tls(_))
        ));
        assert!(matches!(
            of("ftp://127.0.0.1/dev"),
            Err(ClientError::Address(_))
        ));
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let of = |address: &str| {
            let uri: Uri = address.parse().unwrap();
            place(&uri).map(|(host, port)| format!("{host} {port}"))
        };
        assert_eq!(of("wss://a.example/dev").as_deref(), Some("a.example 443"));
        assert_eq!(of("ws://a.example/dev").as_deref(), Some("a.example 80"));
        assert_eq!(
            of("ws://api1.execute-api.localhost:4566/dev").as_deref(),
            Some("127.0.0.1 4566")
        );
        assert_eq!(of("ws://[::1]:4510/dev").as_deref(), Some("::1 4510"));
    }

    #[test]
    fn what_cant_be_sent_is_refused_without_its_value() {
        let refused = |handshake: &Handshake| handshake.request().unwrap_err().to_string();
        let header = Handshake {
            headers: vec![("bad name".into(), "secret".into())],
            ..Handshake::to("ws://127.0.0.1/dev")
        };
        assert_eq!(refused(&header), "the header `bad name` can't be sent");
        let value = Handshake {
            headers: vec![("x-token".into(), "sec\nret".into())],
            ..Handshake::to("ws://127.0.0.1/dev")
        };
        assert_eq!(refused(&value), "the header `x-token` can't be sent");
        let address = Handshake::to("not an address?token=secret");
        assert_eq!(
            refused(&address),
            "`not an address` isn't a WebSocket address"
        );
    }
}
