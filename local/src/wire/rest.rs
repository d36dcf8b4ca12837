//! The REST protocols: which operation a method and a path are.

use hyper::{Method, http::request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{aws::Asked, json, protocol::Spoken};
use crate::{
    call::Service,
    error::{AwsError, Result},
    gateway, lambda, sockets,
};

/// One operation's place, as in AWS's model.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`.
    pub method: &'static str,
    /// `/2015-03-31/functions/{FunctionName}/aliases/{Name}`: the names are the members'. A last `{name+}` takes the rest
    /// of the path, slashes and all.
    pub path: &'static str,
    /// AWS's name of it.
    pub operation: &'static str,
}

impl Route {
    /// An operation at a place.
    pub const fn new(method: &'static str, path: &'static str, operation: &'static str) -> Self {
        Self {
            method,
            path,
            operation,
        }
    }
}

/// An operation that was found, and what its path holds.
#[derive(Debug)]
pub struct Found<'a> {
    /// AWS's name of it.
    pub operation: &'static str,
    labels: Vec<(&'static str, &'a str)>,
}

impl Found<'_> {
    /// The path's members, decoded.
    pub fn members(&self) -> Map<String, Value> {
        self.labels
            .iter()
            .map(|(name, value)| {
                let value = percent_decode_str(value).decode_utf8_lossy();
                ((*name).to_owned(), value.into())
            })
            .collect()
    }
}

/// Operations whose body is a blob, and not members.
const BLOBS: &[&str] = &[
    "Invoke",
    "InvokeAsync",
    "InvokeWithResponseStream",
    "PostToConnection",
];
/// Members of a query that are lists, be there one or more of them.
const LISTS: &[&str] = &["tagKeys", "TagKeys"];
/// Members of a query that are numbers. API Gateway's `maxResults` is a string in its model.
const NUMBERS: &[&str] = &["MaxItems", "limit"];

/// The service that a path belongs to.
pub fn owner(path: &str) -> Option<Service> {
    [Service::Lambda, Service::ApiGateway]
        .into_iter()
        .find(|service| {
            routes(*service)
                .iter()
                .any(|route| labels(route.path, path).is_some())
        })
}

fn routes(service: Service) -> &'static [Route] {
    match service {
        Service::Lambda => lambda::ROUTES,
        Service::ApiGateway => gateway::ROUTES,
        Service::ExecuteApi => sockets::ROUTES,
        _ => &[],
    }
}

/// Finds the operation of a method and a path.
pub fn find<'a>(method: &Method, path: &'a str, routes: &[Route]) -> Result<Found<'a>> {
    let mut known = false;
    let mut best: Option<(usize, Found<'a>)> = None;
    for route in routes {
        let Some(labels) = labels(route.path, path) else {
            continue;
        };
        known = true;
        // A literal is closer than a label that could be it.
        if route.method == method.as_str()
            && best
                .as_ref()
                .is_none_or(|(fewest, _)| labels.len() < *fewest)
        {
            let found = Found {
                operation: route.operation,
                labels,
            };
            best = Some((found.labels.len(), found));
        }
    }
    match best {
        Some((_, found)) => Ok(found),
        None if known => Err(AwsError::new(
            405,
            "UnknownOperationException",
            format!("{method} isn't allowed here"),
        )),
        None => Err(AwsError::new(
            404,
            "UnknownOperationException",
            "wsless's embedded cloud doesn't have an operation at this path",
        )),
    }
}

/// A path's labels, if it's the template's. A slash at the end says nothing.
fn labels<'a>(template: &'static str, path: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
    let mut labels = Vec::new();
    let mut rest = path.trim_matches('/');
    for part in template.trim_matches('/').split('/') {
        let label = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        if let Some(name) = label.and_then(|label| label.strip_suffix('+')) {
            if rest.is_empty() {
                return None;
            }
            labels.push((name, rest));
            return Some(labels);
        }
        let (segment, after) = rest.split_once('/').unwrap_or((rest, ""));
        rest = after;
        match label {
            Some(_) if segment.is_empty() => return None,
            Some(name) => labels.push((name, segment)),
            None if part == segment => {}
            None => return None,
        }
    }
    rest.is_empty().then_some(labels)
}

/// Reads a restJson1 request: the members of the path, the query and the body together.
pub fn read(spoken: Spoken, service: Service, parts: &Parts, body: &[u8]) -> Result<Asked> {
    let found = find(&parts.method, parts.uri.path(), routes(service))?;
    let mut input = if BLOBS.contains(&found.operation) {
        Map::new()
    } else {
        json::object(body).ok_or_else(|| spoken.malformed())?
    };
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let mut members = Map::new();
    for (name, value) in form_urlencoded::parse(query) {
        if !name.starts_with("X-Amz-") {
            add(&mut members, &name, value.into_owned());
        }
    }
    input.extend(members);
    input.extend(found.members());
    Ok(Asked {
        operation: found.operation.to_owned(),
        input,
    })
}

/// Adds a value of a query: a second one of the same name makes a list.
fn add(members: &mut Map<String, Value>, name: &str, value: String) {
    let number = NUMBERS
        .contains(&name)
        .then(|| value.parse::<i64>().ok())
        .flatten();
    let value = number.map_or_else(|| Value::from(value), Value::from);
    match members.get_mut(name) {
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = vec![first.take(), value].into(),
        None if LISTS.contains(&name) => {
            members.insert(name.to_owned(), vec![value].into());
        }
        None => {
            members.insert(name.to_owned(), value);
        }
    }
}

/// The operation's name for an error's text, as far as the path tells it.
pub fn operation(service: Option<Service>, parts: &Parts) -> String {
    service
        .and_then(|service| find(&parts.method, parts.uri.path(), routes(service)).ok())
        .map_or_else(String::new, |found| found.operation.to_owned())
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use serde_json::json;

    use super::*;
    use crate::wire::protocol::Protocol;

    const ROUTES: &[Route] = &[
        Route::new("GET", "/v/things/", "ListThings"),
        Route::new("GET", "/v/things/{name}", "GetThing"),
        Route::new("PUT", "/v/things/{name}", "PutThing"),
        Route::new("GET", "/v/things/all", "GetAll"),
        Route::new("GET", "/v/things/{name}/parts/{part}", "GetPart"),
        Route::new("GET", "/v/files/{path+}", "GetFile"),
    ];

    fn found(method: &str, path: &str) -> Result<(String, Value), (u16, String)> {
        find(
            &Method::from_bytes(method.as_bytes()).unwrap(),
            path,
            ROUTES,
        )
        .map(|found| (found.operation.to_owned(), found.members().into()))
        .map_err(|error| (error.status.as_u16(), error.code.into_owned()))
    }

    #[test]
    fn a_path_is_an_operation_and_its_labels_are_members() {
        for (path, operation, members) in [
            ("/v/things", "ListThings", json!({})),
            ("/v/things/", "ListThings", json!({})),
            ("/v/things/all", "GetAll", json!({})),
            (
                "/v/things/arn%3Aaws%3Ax%2Fy",
                "GetThing",
                json!({ "name": "arn:aws:x/y" }),
            ),
            (
                "/v/things/a/parts/%E4%20b",
                "GetPart",
                json!({ "name": "a", "part": "\u{fffd} b" }),
            ),
            (
                "/v/files/a/b%20c/d",
                "GetFile",
                json!({ "path": "a/b c/d" }),
            ),
        ] {
            assert_eq!(
                found("GET", path),
                Ok((operation.to_owned(), members)),
                "{path}"
            );
        }
    }

    #[test]
    fn another_path_is_not_found_and_another_method_not_allowed() {
        let unknown = || "UnknownOperationException".to_owned();
        assert_eq!(found("DELETE", "/v/things/a"), Err((405, unknown())));
        for path in [
            "/",
            "/v",
            "/v/things/a/parts",
            "/v/things//parts/b",
            "/v/files/",
        ] {
            assert_eq!(found("GET", path), Err((404, unknown())), "{path}");
        }
    }

    fn input(method: &str, uri: &str, body: &str) -> Result<Value> {
        let (parts, ()) = Request::builder()
            .method(method)
            .uri(uri)
            .body(())
            .unwrap()
            .into_parts();
        let spoken = Spoken {
            protocol: Protocol::Rest,
            service: Some(Service::ApiGateway),
        };
        read(spoken, Service::ApiGateway, &parts, body.as_bytes()).map(|asked| asked.input.into())
    }

    #[test]
    fn members_come_from_the_path_the_query_and_the_body() {
        let patched = input(
            "PATCH",
            "/v2/apis/a1?b=c%20d&b=e&X-Amz-Date=1",
            r#"{"name":"n","apiId":"no"}"#,
        );
        assert_eq!(
            patched.unwrap(),
            json!({ "name": "n", "apiId": "a1", "b": ["c d", "e"] })
        );
        let untagged = input("DELETE", "/v2/tags/arn%3Aaws?tagKeys=a", "").unwrap();
        assert_eq!(untagged["tagKeys"], json!(["a"]));
        for broken in ["{", "[]", "7", "{\"a\":1}x"] {
            let error = input("POST", "/v2/apis", broken).unwrap_err();
            assert_eq!(error.code, "SerializationException", "{broken}");
            assert_eq!(error.status, 400);
        }
    }
}
