//! Signatures of AWS's own signer for Rust and of AWS's documentation, and what is done to them.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4::SigningParams,
};
use hyper::{Request, header::HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::wire::body;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOW: Millis = Millis(1_769_860_800_000);

/// What a client asks and how it signs it.
#[derive(Clone, Debug)]
struct Ask {
    service: &'static str,
    path: Vec<String>,
    query: Vec<(String, String)>,
    header: String,
    body: Vec<u8>,
    token: Option<String>,
    presigned: bool,
}

fn ask() -> impl Strategy<Value = Ask> {
    (
        prop_oneof![Just("s3"), Just("lambda"), Just("sqs")],
        prop::collection::vec("[ -~äß€]{1,12}", 0..4),
        prop::collection::vec(("[ -~ä]{1,8}", "[ -~€]{0,8}"), 0..4),
        "[!-~]([ -~]{0,20}[!-~])?",
        prop::collection::vec(any::<u8>(), 0..64),
        prop::option::of("[A-Za-z0-9/+=]{1,40}"),
        any::<bool>(),
    )
        .prop_map(
            |(service, path, query, header, body, token, presigned)| Ask {
                service,
                path,
                query: query
                    .into_iter()
                    .filter(|(name, _)| !name.starts_with("X-Amz-"))
                    .collect(),
                header,
                body,
                token,
                presigned,
            },
        )
}

/// A request as a client sends it.
fn signed(ask: &Ask) -> Request<Vec<u8>> {
    let path: Vec<String> = ask.path.iter().map(|part| encoded(part)).collect();
    let query: Vec<String> = ask
        .query
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let mut uri = format!("http://localhost:4510/{}", path.join("/"));
    if !query.is_empty() {
        uri = format!("{uri}?{}", query.join("&"));
    }
    let mut request = Request::builder()
        .method("POST")
        .uri(&uri)
        .header("x-mine", &ask.header)
        .body(ask.body.clone())
        .unwrap();
    let identity = Credentials::new("AKIDEXAMPLE", SECRET, ask.token.clone(), None, "test").into();
    let mut settings = SigningSettings::default();
    if ask.service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if ask.presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_mins(10));
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    }
    let params = SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name(ask.service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_millis(NOW.0.unsigned_abs()))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let body = if ask.presigned && ask.service == "s3" {
        SignableBody::UnsignedPayload
    } else {
        SignableBody::Bytes(&ask.body)
    };
    let signable = SignableRequest::new(
        "POST",
        &uri,
        [("x-mine", ask.header.as_str())].into_iter(),
        body,
    )
    .unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    // On the line, the address is in the header.
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static("localhost:4510"));
    *request.uri_mut() = request
        .uri()
        .path_and_query()
        .unwrap()
        .as_str()
        .parse()
        .unwrap();
    request
}

fn verify(request: &Request<Vec<u8>>, secret: &str, now: Millis) -> Result<(), Flaw> {
    let signature = parse(request.uri(), request.headers())?;
    let signed = Signed {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        body: request.body(),
    };
    signature.verify(signed, secret, now)
}

fn plain() -> Ask {
    Ask {
        service: "sqs",
        path: vec!["a".to_owned()],
        query: vec![("b".to_owned(), "c".to_owned())],
        header: "d".to_owned(),
        body: b"e".to_vec(),
        token: None,
        presigned: false,
    }
}

proptest! {
    #[test]
    fn what_the_sdk_signs_is_verified(ask in ask()) {
        let request = signed(&ask);
        prop_assert_eq!(verify(&request, SECRET, NOW), Ok(()));
        prop_assert_eq!(verify(&request, "another", NOW), Err(Flaw::Mismatch));
    }

    #[test]
    fn nothing_that_is_sent_makes_parsing_panic(header in ".{0,200}", query in ".{0,200}") {
        let mut headers = HeaderMap::new();
        let _ = in_query(&query);
        if let Ok(value) = HeaderValue::from_str(&format!("{ALGORITHM} {header}")) {
            headers.insert(AUTHORIZATION, value);
            headers.insert("x-amz-date", HeaderValue::from_static("20260131T120000Z"));
            let _ = parse(&Uri::from_static("/"), &headers);
        }
    }

    #[test]
    fn a_whole_signature_of_anything_is_refused_without_a_panic(
        credential in "[ -~]{0,20}(/[ -~]{0,12}){0,5}",
        signature in "[ -~]{0,70}",
        headers in "[ -~]{0,30}",
        date in "[ -~]{0,20}",
    ) {
        let mut map = HeaderMap::new();
        let value = format!("{ALGORITHM} Credential={credential}, SignedHeaders={headers}, Signature={signature}");
        map.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        map.insert("x-amz-date", HeaderValue::from_str(&date).unwrap());
        let uri = Uri::from_static("/");
        if let Ok(parsed) = parse(&uri, &map) {
            let request = Signed { method: &Method::GET, uri: &uri, headers: &map, body: b"" };
            prop_assert!(parsed.verify(request, SECRET, NOW).is_err());
        }
    }
}

#[test]
fn what_is_changed_on_the_way_is_refused() {
    let request = signed(&plain());
    assert_eq!(verify(&request, SECRET, NOW), Ok(()));
    let changed = |change: &dyn Fn(&mut Request<Vec<u8>>)| {
        let mut request = request.clone();
        change(&mut request);
        verify(&request, SECRET, NOW)
    };
    let mismatch = Err(Flaw::Mismatch);
    assert_eq!(changed(&|it| it.body_mut().push(b'!')), mismatch);
    assert_eq!(changed(&|it| *it.method_mut() = Method::PUT), mismatch);
    assert_eq!(
        changed(&|it| *it.uri_mut() = Uri::from_static("/a?b=d")),
        mismatch
    );
    assert_eq!(
        changed(&|it| *it.uri_mut() = Uri::from_static("/b?b=c")),
        mismatch
    );
    assert_eq!(
        changed(&|it| {
            it.headers_mut()
                .insert("x-mine", HeaderValue::from_static("e"));
        }),
        mismatch
    );
}

#[test]
fn an_s3_body_that_is_not_the_one_of_its_hash_is_refused() {
    let mut request = signed(&Ask {
        service: "s3",
        ..plain()
    });
    request.body_mut().push(b'!');
    assert_eq!(verify(&request, SECRET, NOW), Err(Flaw::Body));
}

#[test]
fn a_signature_is_good_for_a_quarter_of_an_hour() {
    let request = signed(&plain());
    let after = |minutes: i64| verify(&request, SECRET, Millis(NOW.0 + minutes * 60_000));
    assert_eq!(after(14), Ok(()));
    assert_eq!(after(-14), Ok(()));
    assert_eq!(
        after(16),
        Err(Flaw::Expired(
            "Signature expired: 20260131T120000Z is now earlier than 20260131T120100Z (20260131T121600Z - 15 min.)".to_owned()
        ))
    );
    assert!(matches!(after(-16), Err(Flaw::Expired(_))));
}

#[test]
fn a_presigned_address_is_good_as_long_as_it_says() {
    let request = signed(&Ask {
        service: "s3",
        presigned: true,
        ..plain()
    });
    let after = |minutes: i64| verify(&request, SECRET, Millis(NOW.0 + minutes * 60_000));
    assert_eq!(after(9), Ok(()));
    assert!(matches!(after(11), Err(Flaw::Expired(_))));
}

/// The example of AWS's documentation, "Signature calculations for chunked uploads".
#[test]
fn the_documented_chunks_are_verified() {
    let mut request = Request::put("/examplebucket/chunkObject.txt")
        .body(Vec::new())
        .unwrap();
    for (name, value) in [
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
    ] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    let now = Millis(1_369_353_600_000);
    assert_eq!(verify(&request, SECRET, now), Ok(()));
    let signature = parse(request.uri(), request.headers()).unwrap();
    let chunk = |length: usize, signature: &str| {
        [
            format!("{length:x};chunk-signature={signature}\r\n").into_bytes(),
            vec![b'a'; length],
            b"\r\n".to_vec(),
        ]
        .concat()
    };
    let sent = [
        chunk(
            65536,
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        ),
        chunk(
            1024,
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        ),
        chunk(
            0,
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ),
    ]
    .concat();
    assert_eq!(sent.len(), 66824);
    let read = body::unchunk(&sent).unwrap();
    let verified = |payload: &[u8]| signature.verify_chunks(SECRET, payload, &read.chunks);
    assert_eq!(verified(&read.payload), Ok(()));
    let mut changed = read.payload.to_vec();
    changed[66_000] = b'b';
    assert_eq!(verified(&changed), Err(Flaw::Mismatch));
}

fn flaw(authorization: &str) -> Flaw {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    parse(&Uri::from_static("/"), &headers).unwrap_err()
}

#[test]
fn what_lacks_is_told() {
    assert_eq!(
        parse(&Uri::from_static("/?a=b"), &HeaderMap::new()),
        Err(Flaw::Missing)
    );
    assert_eq!(
        flaw("AWS4-HMAC-SHA256 Credential=a/20260131/b/c/aws4_request"),
        Flaw::Incomplete(
            "Authorization header requires 'Signature' parameter. Authorization header requires \
             'SignedHeaders' parameter. Authorization header requires existence of either a \
             'X-Amz-Date' or a 'Date' header."
                .to_owned()
        )
    );
    assert_eq!(flaw("AWS AKIDEXAMPLE:c2lnbmVk"), Flaw::Old);
    assert_eq!(
        parse(
            &Uri::from_static("/b/k?AWSAccessKeyId=a&Signature=b&Expires=1"),
            &HeaderMap::new()
        ),
        Err(Flaw::Old)
    );
    assert_eq!(
        flaw("Bearer secret"),
        Flaw::Incomplete("Unsupported AWS 'algorithm': 'Bearer'.".to_owned())
    );
    assert!(matches!(
        parse(
            &Uri::from_static("/?X-Amz-Algorithm=AWS4-HMAC-SHA256"),
            &HeaderMap::new()
        ),
        Err(Flaw::Incomplete(_))
    ));
}

#[test]
fn a_credential_that_is_broken_is_not_repeated() {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-date", HeaderValue::from_static("20260131T120000Z"));
    let value = "AWS4-HMAC-SHA256 Credential=secret, SignedHeaders=host, Signature=00";
    headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
    let Err(Flaw::Incomplete(said)) = parse(&Uri::from_static("/"), &headers) else {
        panic!("a refusal");
    };
    assert!(!said.contains("secret"), "{said}");
}
