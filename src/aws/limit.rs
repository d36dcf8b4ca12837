//! Token buckets: no service is asked more often than it answers.
//!
//! Rates: API Gateway's control plane 10 a second with bursts of 40, for the whole account and region, CreateDeployment
//! one in 5 s [DG limits]; Lambda's control plane 15 a second, GetFunction 100 [LDG limits]; PutMetricAlarm and
//! DeleteAlarms 3, DescribeAlarms 9 [CWG limits]; Logs' group operations about 10, FilterLogEvents 5 [LOGSG]. The others
//! publish no fixed number; theirs are what accounts are seen to take, and a throttled call is retried anyway.

use std::{sync::Mutex, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Operation, Service};

/// One bucket: `rate` tokens a second, at most `burst` saved up.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    burst: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: f64, burst: f64) -> Self {
        Self {
            rate,
            burst,
            state: Mutex::new(State {
                tokens: burst,
                at: Instant::now(),
            }),
        }
    }

    /// Takes a token, and says how long to wait before using it: tokens may be taken in advance, in order.
    fn take(&self) -> Duration {
        let now = Instant::now();
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let earned = (now - state.at).as_secs_f64() * self.rate;
        state.tokens = (state.tokens + earned).min(self.burst) - 1.0;
        state.at = now;
        if state.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(-state.tokens / self.rate)
        }
    }
}

/// The buckets of all services.
#[derive(Debug)]
pub(super) struct Limits {
    api_gateway: Bucket,
    create_deployment: Bucket,
    lambda: Bucket,
    lambda_reads: Bucket,
    iam: Bucket,
    alarm_writes: Bucket,
    alarm_reads: Bucket,
    logs: Bucket,
    log_events: Bucket,
    dynamodb: Bucket,
    queues: Bucket,
}

impl Limits {
    /// Those of AWS.
    pub(super) fn new() -> Self {
        Self {
            api_gateway: Bucket::new(10.0, 40.0),
            create_deployment: Bucket::new(0.2, 1.0),
            lambda: Bucket::new(15.0, 30.0),
            lambda_reads: Bucket::new(100.0, 100.0),
            iam: Bucket::new(20.0, 60.0),
            alarm_writes: Bucket::new(3.0, 20.0),
            alarm_reads: Bucket::new(9.0, 40.0),
            logs: Bucket::new(10.0, 30.0),
            // One is left for whoever else looks.
            log_events: Bucket::new(4.0, 5.0),
            dynamodb: Bucket::new(10.0, 20.0),
            queues: Bucket::new(50.0, 200.0),
        }
    }

    /// Waits until `operation` may be called.
    pub(super) async fn acquire(&self, operation: Operation) {
        let buckets: &[&Bucket] = match (operation.service, operation.name) {
            (Service::ApiGatewayV2, "CreateDeployment") => {
                &[&self.create_deployment, &self.api_gateway]
            }
            (Service::ApiGateway | Service::ApiGatewayV2, _) => &[&self.api_gateway],
            (Service::Lambda, "GetFunction") => &[&self.lambda_reads],
            (Service::Lambda, _) => &[&self.lambda],
            (Service::Iam, _) => &[&self.iam],
            (Service::CloudWatch, "PutMetricAlarm" | "DeleteAlarms") => &[&self.alarm_writes],
            (Service::CloudWatch, _) => &[&self.alarm_reads],
            (Service::Logs, "FilterLogEvents") => &[&self.log_events],
            (Service::Logs, _) => &[&self.logs],
            (Service::DynamoDb, _) => &[&self.dynamodb],
            (Service::Sqs, _) => &[&self.queues],
            (Service::S3 | Service::Sts, _) => &[],
        };
        let wait = buckets
            .iter()
            .map(|bucket| bucket.take())
            .max()
            .unwrap_or_default();
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let limits = Limits::new();
        let operation = Operation::read(Service::ApiGatewayV2, "GetApis");
        let start = Instant::now();
        for _ in 0..40 {
            limits.acquire(operation).await;
        }
        assert!(start.elapsed() < Duration::from_millis(10));
        for _ in 0..20 {
            limits.acquire(operation).await;
        }
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_millis(1990), "{elapsed:?}");
        assert!(elapsed <= Duration::from_millis(2100), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn two_deployments_are_five_seconds_apart() {
        let limits = Limits::new();
        let operation = Operation::create(Service::ApiGatewayV2, "CreateDeployment");
        let start = Instant::now();
        limits.acquire(operation).await;
        limits.acquire(operation).await;
        assert!(start.elapsed() >= Duration::from_secs(5));
    }
}
