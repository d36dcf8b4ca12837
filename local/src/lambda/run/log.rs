//! Where a process's lines go: a stream of its own in the function's log group, if the function's role allows that.
//!
//! As on AWS, a function whose role doesn't allow it runs all the same and leaves no log, silently. A group that isn't there
//! is made, if the role allows that.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use super::output::Line;
use crate::{
    call::{Call, Service},
    clock::Millis,
    cloud::{Cloud, Region},
    iam::{Caller, Permission},
    lambda::model::Version,
};

/// How soon it's looked again what the role allows.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A process's log.
#[derive(Debug)]
pub(super) struct Log {
    /// The stream's name.
    pub stream: String,
    /// Who writes it; without one, nobody does.
    pub caller: Option<Caller>,
    group: String,
    allowed: Option<(bool, Instant)>,
}

impl Log {
    /// `2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef` of the function's group.
    pub fn new(version: &Version) -> Self {
        let today = Millis::now().iso();
        let today = today.get(..10).unwrap_or_default().replace('-', "/");
        Self {
            stream: format!(
                "{today}/[{}]{:032x}",
                version.version,
                rand::random::<u128>()
            ),
            caller: None,
            group: version.log_group.clone(),
            allowed: None,
        }
    }

    /// Stores lines, or drops them where that's not allowed.
    pub async fn store(&mut self, cloud: &Arc<Cloud>, region: &Arc<Region>, lines: Vec<Line>) {
        if lines.is_empty() || !self.may(cloud, region) {
            return;
        }
        if region
            .logs
            .create_stream(&self.group, &self.stream)
            .is_err()
        {
            self.create_group(cloud, region).await;
            if region
                .logs
                .create_stream(&self.group, &self.stream)
                .is_err()
            {
                return;
            }
        }
        // As on AWS nobody is told.
        let _ = region.logs.put(region, &self.group, &self.stream, lines);
    }

    fn may(&mut self, cloud: &Cloud, region: &Region) -> bool {
        if let Some((allowed, looked)) = self.allowed
            && looked.elapsed() < LOOK_AGAIN
        {
            return allowed;
        }
        let Some(caller) = &self.caller else {
            return false;
        };
        let resource = region.arn(
            "logs",
            &format!("log-group:{}:log-stream:{}", self.group, self.stream),
        );
        let allowed = ["logs:CreateLogStream", "logs:PutLogEvents"]
            .iter()
            .all(|action| {
                let permission = Permission {
                    action: (*action).to_owned(),
                    resource: resource.clone(),
                };
                cloud.iam.allows(caller, &permission)
            });
        self.allowed = Some((allowed, Instant::now()));
        allowed
    }

    async fn create_group(&self, cloud: &Arc<Cloud>, region: &Arc<Region>) {
        let Some(caller) = self.caller.clone() else {
            return;
        };
        let input = json!({ "logGroupName": self.group });
        let call = Call::new(
            cloud,
            region,
            caller,
            Service::Logs,
            "CreateLogGroup",
            input,
        );
        // It may be there by now, or not be allowed.
        let _ = crate::cloud::perform(&call).await;
    }
}
