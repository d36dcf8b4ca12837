//! CloudWatch: metrics, alarms that evaluate, dashboards.
//!
//! Other services write metrics through [`CloudWatch::series`]; callers through PutMetricData and, in their logs, the
//! embedded metric format. [`run`] evaluates a region's alarms at the end of each period. It knows no other service but
//! for the gauges that [`run`] asks for.

mod alarm;
mod alarms;
mod dashboards;
mod evaluate;
mod expression;
mod get;
mod history;
mod input;
mod metrics;
pub(crate) mod page;
mod query;
mod run;
mod series;
mod summary;
mod unit;
mod view;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::{
    alarm::Alarm,
    alarms::Alarms,
    dashboards::{Dashboard, Dashboards},
    history::{History, Item},
    input::{Members, invalid, validation},
    metrics::{Key, Metrics},
};
pub use self::{
    run::run,
    series::Series,
    view::{AlarmView, Tick},
};
pub(crate) use self::{series::Resolution, unit::Unit};
use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
    iam::Permission,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct CloudWatch {
    metrics: Metrics,
    alarms: Alarms,
    history: History,
    dashboards: Dashboards,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    alarms: Vec<Alarm>,
    history: Vec<Item>,
    dashboards: BTreeMap<String, Dashboard>,
}

impl CloudWatch {
    /// A metric's series, made if it isn't there. Whoever writes often keeps it: writing to it costs little.
    /// Dimensions are name and value, in any order.
    pub fn series(
        &self,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
    ) -> Arc<Series> {
        let dimensions = dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.metrics.get(Key::new(namespace, metric, dimensions))
    }

    /// What is to be kept: all but the metrics, which are worth little once their time is past.
    pub fn keep(&self) -> Value {
        serde_json::to_value(Kept {
            alarms: self.alarms.all(),
            history: self.history.all(),
            dashboards: self.dashboards.lock().clone(),
        })
        .unwrap_or_default()
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        if kept.is_null() {
            return Ok(());
        }
        let kept: Kept = serde_json::from_value(kept).map_err(|error| error.to_string())?;
        self.alarms.restore(kept.alarms);
        self.history.restore(kept.history);
        *self.dashboards.lock() = kept.dashboards;
        Ok(())
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn dashboards(&self) -> &Dashboards {
        &self.dashboards
    }
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    let text = |name: &str| call.input.get(name).and_then(Value::as_str);
    let first = |name: &str| {
        call.input
            .get(name)
            .and_then(|list| list.get(0))
            .and_then(Value::as_str)
    };
    let resource = match call.operation.as_str() {
        "PutMetricAlarm" | "SetAlarmState" => {
            alarms::arn(&call.region, text("AlarmName").unwrap_or("*"))
        }
        "DescribeAlarmHistory" => alarms::arn(&call.region, text("AlarmName").unwrap_or("*")),
        "DescribeAlarms" | "DescribeAlarmsForMetric" => alarms::arn(&call.region, "*"),
        "DeleteAlarms" | "EnableAlarmActions" | "DisableAlarmActions" => {
            alarms::arn(&call.region, first("AlarmNames").unwrap_or("*"))
        }
        "PutDashboard" | "GetDashboard" => dashboards::arn(text("DashboardName").unwrap_or("*")),
        "DeleteDashboards" => dashboards::arn(first("DashboardNames").unwrap_or("*")),
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            text("ResourceARN").unwrap_or("*").to_owned()
        }
        _ => "*".to_owned(),
    };
    Permission::of(call, resource)
}

/// Does what is asked.
#[allow(
    clippy::unused_async,
    reason = "every service is called alike, and others wait"
)]
pub async fn call(call: &Call) -> Result<Answer> {
    match call.operation.as_str() {
        "PutMetricData" => metrics::put(call),
        "ListMetrics" => metrics::list(call),
        "GetMetricData" => get::data(call),
        "GetMetricStatistics" => get::statistics(call),
        "PutMetricAlarm" => alarms::put(call),
        "DescribeAlarms" => alarms::describe(call),
        "DescribeAlarmsForMetric" => alarms::describe_for_metric(call),
        "DescribeAlarmHistory" => history::describe(call),
        "DeleteAlarms" => alarms::delete(call),
        "SetAlarmState" => alarms::set_state(call),
        "EnableAlarmActions" => alarms::enable(call, true),
        "DisableAlarmActions" => alarms::enable(call, false),
        "PutDashboard" => dashboards::put(call),
        "GetDashboard" => dashboards::get(call),
        "ListDashboards" => dashboards::list(call),
        "DeleteDashboards" => dashboards::delete(call),
        "TagResource" => tag(call),
        "UntagResource" => untag(call),
        "ListTagsForResource" => list_tags(call),
        // None of these can be made here.
        "DescribeAnomalyDetectors" => Ok(json!({ "AnomalyDetectors": [] }).into()),
        "DescribeInsightRules" => Ok(json!({ "InsightRules": [] }).into()),
        "ListMetricStreams" => Ok(json!({ "Entries": [] }).into()),
        "PutCompositeAlarm" => Err(validation(
            "wsless's embedded cloud doesn't have composite alarms",
        )),
        operation => Err(AwsError::unknown_operation("cloudwatch", operation)),
    }
}

/// Does something with the tags of the alarm or dashboard that a call names; nothing if there is none.
fn with_tags<T>(
    call: &Call,
    act: impl FnOnce(&mut BTreeMap<String, String>) -> T,
) -> Result<Option<T>> {
    let (resource, alarm) = alarms::tagged(call)?;
    match alarm {
        Some(name) => Ok(call.region.cloudwatch.alarms.with_tags(&name, act)),
        None => dashboards::with_tags(call, &resource, act),
    }
}

fn no_resource(call: &Call) -> AwsError {
    let resource = call.input.get("ResourceARN").and_then(Value::as_str);
    AwsError::new(
        404,
        "ResourceNotFoundException",
        format!("Unknown resource {}", resource.unwrap_or_default()),
    )
}

fn tag(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let tags = alarm::tags(members.list("Tags")?).map_err(|error| invalid(error.message))?;
    with_tags(call, |known| {
        let mut all = known.clone();
        all.extend(tags);
        if all.len() > 50 {
            return Err(invalid("A resource can have 50 tags at most"));
        }
        *known = all;
        Ok(Answer::from(json!({})))
    })?
    .ok_or_else(|| no_resource(call))?
}

fn untag(call: &Call) -> Result<Answer> {
    let keys = Members::of(&call.input).texts("TagKeys", 50, 128)?;
    with_tags(call, |known| known.retain(|key, _| !keys.contains(key)))?
        .ok_or_else(|| no_resource(call))?;
    Ok(json!({}).into())
}

fn list_tags(call: &Call) -> Result<Answer> {
    // AWS gives no error for what isn't there [localstack's snapshots of AWS, test_tagging_metric_alarm].
    let tags = with_tags(call, |known| known.clone())?.unwrap_or_default();
    let tags: Vec<Value> = tags
        .into_iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    Ok(json!({ "Tags": tags }).into())
}
