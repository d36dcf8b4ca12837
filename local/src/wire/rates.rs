//! AWS's limits on the rate of calls, in a cloud that is as slow as AWS. API Gateway and Lambda keep their own.
//!
//! Pure: the time is given.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

use crate::{call::Service, clock::Millis, error::AwsError, fidelity::Delays};

/// A region's rates.
#[derive(Debug, Default)]
pub struct Rates {
    buckets: Mutex<BTreeMap<(Service, &'static str), Bucket>>,
}

/// A rate: so many calls at once, and one more each time that so much has passed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limit {
    /// What shares the rate.
    name: &'static str,
    burst: u32,
    each: Duration,
}

/// When the calls that were let through would be over, had they come one by one.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    until: Millis,
}

impl Bucket {
    fn take(&mut self, limit: Limit, now: Millis, delays: Delays) -> bool {
        let each = delays.scaled(limit.each);
        let start = self.until.max(now);
        let ahead = now.until(start);
        if ahead > each.saturating_mul(limit.burst.saturating_sub(1)) {
            return false;
        }
        self.until = start.after(each);
        true
    }
}

/// The rate that a call counts for. Sources: the quota pages of CloudWatch and CloudWatch Logs.
fn limit(service: Service, operation: &str) -> Option<Limit> {
    let each_second = |name, calls: u32| {
        Some(Limit {
            name,
            burst: calls,
            each: Duration::from_secs(1) / calls,
        })
    };
    match (service, operation) {
        (Service::CloudWatch, "PutMetricAlarm") => each_second("PutMetricAlarm", 3),
        (Service::CloudWatch, "DeleteAlarms") => each_second("DeleteAlarms", 3),
        (Service::CloudWatch, "DescribeAlarms") => each_second("DescribeAlarms", 9),
        (Service::CloudWatch, "GetMetricData") => each_second("GetMetricData", 50),
        (Service::Logs, "CreateLogGroup") => each_second("CreateLogGroup", 10),
        (Service::Logs, "DeleteLogGroup") => each_second("DeleteLogGroup", 10),
        (Service::Logs, "DescribeLogGroups") => each_second("DescribeLogGroups", 10),
        (Service::Logs, "PutRetentionPolicy") => each_second("PutRetentionPolicy", 10),
        (Service::Logs, "FilterLogEvents") => each_second("FilterLogEvents", 5),
        _ => None,
    }
}

impl Rates {
    /// Takes a call's place in its rate; false if there is none left.
    pub fn take(&self, service: Service, operation: &str, now: Millis, delays: Delays) -> bool {
        let Some(limit) = limit(service, operation) else {
            return true;
        };
        self.buckets
            .lock()
            .entry((service, limit.name))
            .or_default()
            .take(limit, now, delays)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fidelity;

    fn let_through(rates: &Rates, operation: &str, at: i64, calls: usize, scale: f64) -> usize {
        let delays = Delays::new(Fidelity::Aws, scale);
        (0..calls)
            .filter(|_| rates.take(Service::CloudWatch, operation, Millis(at), delays))
            .count()
    }

    #[test]
    fn three_alarms_may_be_put_in_a_second() {
        let rates = Rates::default();
        assert_eq!(let_through(&rates, "PutMetricAlarm", 1_000_000, 10, 1.0), 3);
        assert_eq!(let_through(&rates, "PutMetricAlarm", 1_000_100, 10, 1.0), 0);
        assert_eq!(let_through(&rates, "PutMetricAlarm", 1_000_400, 10, 1.0), 1);
        assert_eq!(let_through(&rates, "PutMetricAlarm", 1_009_000, 10, 1.0), 3);
    }

    #[test]
    fn each_rate_is_its_own_and_many_calls_have_none() {
        let rates = Rates::default();
        assert_eq!(let_through(&rates, "PutMetricAlarm", 1_000_000, 10, 1.0), 3);
        assert_eq!(let_through(&rates, "DeleteAlarms", 1_000_000, 10, 1.0), 3);
        assert_eq!(let_through(&rates, "PutMetricData", 1_000_000, 10, 1.0), 10);
    }

    #[test]
    fn a_quicker_cloud_has_higher_rates() {
        let rates = Rates::default();
        assert_eq!(let_through(&rates, "PutMetricAlarm", 1_000_000, 10, 0.1), 3);
        assert_eq!(let_through(&rates, "PutMetricAlarm", 1_000_100, 10, 0.1), 3);
    }
}
