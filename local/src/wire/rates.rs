//! AWS's limits on the rate of calls, in a cloud that is as slow as AWS.

use crate::{call::Service, cloud::Cloud, error::AwsError};

/// A region's buckets.
#[derive(Debug, Default)]
pub struct Rates {}

impl Rates {
    /// Takes a call's place in its rate; false if there is none left.
    pub fn take(&self, cloud: &Cloud, service: Service, operation: &str) -> bool {
        let _ = (cloud, service, operation);
        true
    }
}

/// What a service says to a client that calls too often.
pub fn throttled(service: Service) -> AwsError {
    match service {
        Service::ApiGateway => AwsError::new(429, "TooManyRequestsException", "Too Many Requests"),
        Service::ExecuteApi => AwsError::new(429, "LimitExceededException", "Too Many Requests"),
        Service::Lambda => AwsError::new(429, "TooManyRequestsException", "Rate exceeded")
            .member("Reason", "CallerRateLimitExceeded"),
        Service::S3 => AwsError::new(503, "SlowDown", "Please reduce your request rate."),
        Service::Sqs => AwsError::new(
            400,
            "RequestThrottled",
            "The request was denied due to request throttling.",
        )
        .query("RequestThrottled"),
        Service::CloudWatch => {
            AwsError::new(400, "ThrottlingException", "Rate exceeded").query("Throttling")
        }
        Service::Iam | Service::Sts => AwsError::new(400, "Throttling", "Rate exceeded"),
        Service::DynamoDb | Service::Logs => {
            AwsError::new(400, "ThrottlingException", "Rate exceeded")
        }
    }
}
