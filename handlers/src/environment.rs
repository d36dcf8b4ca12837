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

    /// Where `sqs` or `dynamodb` is reached: its own variable, else the common one, else AWS's endpoint of the region.
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
                let region = self.region.as_ref()?;
                let suffix = if region.starts_with("cn-") {
                    "amazonaws.com.cn"
                } else {
                    "amazonaws.com"
                };
                Some(format!("https://{service}.{region}.{suffix}/"))
            })
    }
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
