//! What the deployer and Lambda tell a function through its environment, read once at start.

use aws_credential_types::Credentials;

use crate::Error;

/// The environment of one function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `WSLESS_STAGE`.
    pub stage: String,
    /// `WSLESS_RESULTS_QUEUE_URL`: where replies go that aren't a direct route's answer.
    pub results_queue: Option<String>,
    /// `WSLESS_CONNECTIONS_TABLE`: absent when the registry is off.
    pub table: Option<String>,
    /// `WSLESS_CALLBACK_URL`, without a slash at its end.
    pub callback: Option<String>,
    /// `WSLESS_ALLOWED_ORIGINS`: `None` allows every origin.
    pub origins: Option<Vec<String>>,
    /// `AWS_REGION`.
    pub region: Option<String>,
    /// Absent where a function has none; the first call that needs them says so.
    pub credentials: Option<Credentials>,
    sqs: Option<String>,
    dynamodb: Option<String>,
    endpoint: Option<String>,
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Result<Self, Error> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// An allow-list that can't be read is an error, not an open door.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let origins = match get("WSLESS_ALLOWED_ORIGINS") {
            None => None,
            Some(text) => Some(serde_json::from_str(&text).map_err(|e| {
                format!("WSLESS_ALLOWED_ORIGINS isn't a JSON array of strings: {e}")
            })?),
        };
        let credentials = get("AWS_ACCESS_KEY_ID")
            .zip(get("AWS_SECRET_ACCESS_KEY"))
            .map(|(key, secret)| {
                Credentials::new(key, secret, get("AWS_SESSION_TOKEN"), None, "environment")
            });
        Ok(Self {
            stage: get("WSLESS_STAGE").unwrap_or_default(),
            results_queue: get("WSLESS_RESULTS_QUEUE_URL"),
            table: get("WSLESS_CONNECTIONS_TABLE"),
            callback: get("WSLESS_CALLBACK_URL").map(|url| url.trim_end_matches('/').to_owned()),
            origins,
            region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
            credentials,
            sqs: get("AWS_ENDPOINT_URL_SQS"),
            dynamodb: get("AWS_ENDPOINT_URL_DYNAMODB"),
            endpoint: get("AWS_ENDPOINT_URL"),
        })
    }

    /// Where `sqs` or `dynamodb` is reached: its own variable, else the common one, else where the results queue's URL
    /// says that SQS is, else AWS's endpoint of the region.
    pub fn endpoint(&self, service: &str) -> Option<String> {
        let own = match service {
            "sqs" => &self.sqs,
            "dynamodb" => &self.dynamodb,
            _ => &None,
        };
        own.as_ref()
            .or(self.endpoint.as_ref())
            .map(|url| format!("{}/", url.trim_end_matches('/')))
            .or_else(|| {
                let (scheme, host) = origin(self.results_queue.as_deref()?)?;
                (service == "sqs").then(|| format!("{scheme}://{host}/"))
            })
            .or_else(|| {
                let region = self.region.as_ref()?;
                let suffix = self
                    .known_suffix(region)
                    .unwrap_or_else(|| usual_suffix(region));
                Some(format!("https://{service}.{region}.{suffix}/"))
            })
    }

    /// The domain that AWS's endpoints of this region end with, as it stands in AWS's URLs that the function was given.
    fn known_suffix(&self, region: &str) -> Option<&str> {
        let queue = self.results_queue.as_deref();
        let callback = self.callback.as_deref();
        queue
            .and_then(|url| suffix(url, "sqs", region))
            .or_else(|| callback.and_then(|url| suffix(url, "execute-api", region)))
    }
}

/// The scheme and the host, with its port, of an absolute URL.
fn origin(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    (!scheme.is_empty() && !host.is_empty()).then_some((scheme, host))
}

/// What follows the service and the region in the URL of an AWS endpoint. A port or http is an emulator's, and a custom
/// domain or a VPC endpoint has another form: they say nothing about other services.
fn suffix<'a>(url: &'a str, service: &str, region: &str) -> Option<&'a str> {
    let (scheme, host) = origin(url)?;
    let (before, suffix) = host.split_once(&format!("{service}.{region}."))?;
    let is_endpoint = scheme == "https"
        && (before.is_empty() || before.ends_with('.'))
        && !suffix.is_empty()
        && !suffix.starts_with("vpce.")
        && !suffix.contains([':', '@']);
    is_endpoint.then_some(suffix)
}

/// The suffix of the partition that a region is in by its name (botocore's partitions.json).
fn usual_suffix(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];
    partitions
        .into_iter()
        .find(|(prefix, _)| region.starts_with(prefix))
        .map_or("amazonaws.com", |(_, suffix)| suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_lookup(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .unwrap()
    }

    #[test]
    fn an_endpoint_is_the_services_own_then_the_common_then_aws() {
        let own = environment(&[
            ("AWS_ENDPOINT_URL_SQS", "http://sqs.localhost:1"),
            ("AWS_ENDPOINT_URL", "http://localhost:2/"),
            ("AWS_REGION", "eu-west-1"),
        ]);
        assert_eq!(own.endpoint("sqs").unwrap(), "http://sqs.localhost:1/");
        assert_eq!(own.endpoint("dynamodb").unwrap(), "http://localhost:2/");
        let aws = environment(&[("AWS_REGION", "eu-west-1")]);
        assert_eq!(
            aws.endpoint("sqs").unwrap(),
            "https://sqs.eu-west-1.amazonaws.com/"
        );
        let china = environment(&[("AWS_REGION", "cn-north-1")]);
        assert_eq!(
            china.endpoint("dynamodb").unwrap(),
            "https://dynamodb.cn-north-1.amazonaws.com.cn/"
        );
        assert_eq!(environment(&[]).endpoint("sqs"), None);
    }

    #[test]
    fn sqs_is_where_the_queues_url_says() {
        let given = |more: &[(&str, &str)]| {
            let mut pairs = vec![
                ("AWS_REGION", "eu-west-1"),
                ("WSLESS_RESULTS_QUEUE_URL", "http://sqs.localhost:4566/1/q"),
            ];
            pairs.extend(more);
            environment(&pairs)
        };
        assert_eq!(
            given(&[]).endpoint("sqs").unwrap(),
            "http://sqs.localhost:4566/"
        );
        assert_eq!(
            given(&[]).endpoint("dynamodb").unwrap(),
            "https://dynamodb.eu-west-1.amazonaws.com/"
        );
        let own = given(&[("AWS_ENDPOINT_URL", "http://localhost:1")]);
        assert_eq!(own.endpoint("sqs").unwrap(), "http://localhost:1/");
        let unreadable = environment(&[
            ("AWS_REGION", "eu-west-1"),
            ("WSLESS_RESULTS_QUEUE_URL", "results"),
        ]);
        assert_eq!(
            unreadable.endpoint("sqs").unwrap(),
            "https://sqs.eu-west-1.amazonaws.com/"
        );
    }

    #[test]
    fn a_partitions_domain_is_taken_from_the_urls_of_aws() {
        let dynamodb = |name: &str, url: &str| {
            environment(&[("AWS_REGION", "xx-new-1"), (name, url)])
                .endpoint("dynamodb")
                .unwrap()
        };
        for (name, url) in [
            (
                "WSLESS_RESULTS_QUEUE_URL",
                "https://sqs.xx-new-1.example.gov/1/q",
            ),
            (
                "WSLESS_CALLBACK_URL",
                "https://a1.execute-api.xx-new-1.example.gov/dev",
            ),
        ] {
            assert_eq!(
                dynamodb(name, url),
                "https://dynamodb.xx-new-1.example.gov/"
            );
        }
        for (name, url) in [
            ("WSLESS_RESULTS_QUEUE_URL", "http://sqs.xx-new-1.local:1/q"),
            ("WSLESS_RESULTS_QUEUE_URL", "https://sqs.yy-old-1.other/q"),
            (
                "WSLESS_RESULTS_QUEUE_URL",
                "https://vpce-1.sqs.xx-new-1.vpce.amazonaws.com/1/q",
            ),
            ("WSLESS_CALLBACK_URL", "https://ws.example.com/dev"),
            (
                "WSLESS_CALLBACK_URL",
                "https://x.notexecute-api.xx-new-1.b/d",
            ),
        ] {
            assert_eq!(
                dynamodb(name, url),
                "https://dynamodb.xx-new-1.amazonaws.com/",
                "{url}"
            );
        }
    }

    #[test]
    fn without_a_url_the_regions_name_tells_the_partition() {
        for (region, suffix) in [
            ("us-gov-west-1", "amazonaws.com"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "cloud.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov"),
        ] {
            assert_eq!(
                environment(&[("AWS_REGION", region)]).endpoint("dynamodb"),
                Some(format!("https://dynamodb.{region}.{suffix}/"))
            );
        }
    }

    #[test]
    fn an_unreadable_allow_list_is_refused() {
        let broken = Environment::from_lookup(|name| {
            (name == "WSLESS_ALLOWED_ORIGINS").then(|| "https://a.example".to_owned())
        });
        assert!(
            broken
                .unwrap_err()
                .to_string()
                .contains("WSLESS_ALLOWED_ORIGINS")
        );
    }

    #[test]
    fn an_empty_variable_is_an_absent_one() {
        assert!(
            environment(&[("WSLESS_CONNECTIONS_TABLE", "")])
                .table
                .is_none()
        );
        assert!(
            environment(&[("WSLESS_ALLOWED_ORIGINS", "")])
                .origins
                .is_none()
        );
    }
}
