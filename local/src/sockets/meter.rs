//! The gateway's metrics, as AWS names them for WebSocket APIs [DG apigateway-websocket-api-logging].

use std::sync::{Arc, OnceLock};

use crate::{
    clock::Millis,
    cloud::Region,
    cloudwatch::{CloudWatch, Series},
};

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// Messages to the `$connect` integration.
    Connect,
    /// Messages to and from clients, but for connecting and disconnecting.
    Message,
    /// What integrations answered with 4xx or 5xx.
    IntegrationError,
    /// What the gateway refused before an integration.
    ClientError,
    /// Integrations that couldn't be called.
    ExecutionError,
    /// How long integrations took, in milliseconds.
    IntegrationLatency,
}

const METRICS: usize = 6;

impl Metric {
    fn place(self) -> (usize, &'static str, &'static str) {
        match self {
            Self::Connect => (0, "ConnectCount", "Count"),
            Self::Message => (1, "MessageCount", "Count"),
            Self::IntegrationError => (2, "IntegrationError", "Count"),
            Self::ClientError => (3, "ClientError", "Count"),
            Self::ExecutionError => (4, "ExecutionError", "Count"),
            Self::IntegrationLatency => (5, "IntegrationLatency", "Milliseconds"),
        }
    }
}

/// The series of a stage, or of one route of it.
#[derive(Debug)]
pub(super) struct Meter {
    api_id: String,
    stage: String,
    route: Option<String>,
    /// Looked up when there's something to write: a metric without data isn't there.
    series: [OnceLock<Vec<Arc<Series>>>; METRICS],
}

impl Meter {
    /// A stage's: by API, and by API and stage.
    pub fn stage(api_id: &str, stage: &str) -> Self {
        Self {
            api_id: api_id.to_owned(),
            stage: stage.to_owned(),
            route: None,
            series: Default::default(),
        }
    }

    /// A route's, where detailed metrics are on.
    pub fn route(api_id: &str, stage: &str, route: &str) -> Self {
        Self {
            route: Some(route.to_owned()),
            ..Self::stage(api_id, stage)
        }
    }

    /// Adds a value.
    pub fn record(&self, region: &Region, at: Millis, metric: Metric, value: f64) {
        let (index, name, unit) = metric.place();
        let Some(series) = self.series.get(index) else {
            return;
        };
        for series in series.get_or_init(|| self.look_up(&region.cloudwatch, name)) {
            series.record(at, value, unit);
        }
    }

    fn look_up(&self, cloudwatch: &CloudWatch, name: &str) -> Vec<Arc<Series>> {
        let namespace = "AWS/ApiGateway";
        let api = ("ApiId", self.api_id.as_str());
        let stage = ("Stage", self.stage.as_str());
        match &self.route {
            Some(route) => {
                vec![cloudwatch.series(namespace, name, &[api, stage, ("Route", route)])]
            }
            None => vec![
                cloudwatch.series(namespace, name, &[api]),
                cloudwatch.series(namespace, name, &[api, stage]),
            ],
        }
    }
}
