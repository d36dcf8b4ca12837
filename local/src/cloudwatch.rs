//! CloudWatch: metrics, alarms that evaluate, dashboards.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    iam::Permission,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct CloudWatch {}

impl CloudWatch {
    /// A metric's series, made if it isn't there. Whoever writes often keeps it: writing to it costs little.
    /// Dimensions are name and value, in any order.
    pub fn series(
        &self,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
    ) -> Arc<Series> {
        let _ = (namespace, metric, dimensions);
        Arc::new(Series::default())
    }

    /// What is to be kept.
    pub fn keep(&self) -> Value {
        Value::Null
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        let _ = kept;
        Ok(())
    }
}

/// One metric with its dimensions.
#[derive(Debug, Default)]
pub struct Series {}

impl Series {
    /// Adds a value; the unit is CloudWatch's word (`Count`, `Milliseconds`).
    pub fn record(&self, at: Millis, value: f64, unit: &str) {
        let _ = (at, value, unit);
    }
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    Permission::of(call, "*")
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    Err(AwsError::unknown_operation("cloudwatch", &call.operation))
}
