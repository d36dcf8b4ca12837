//! The doors from the data plane to the cloud's other parts. All of what it asks of them is here, so that its tests can
//! put something of their own behind a door.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    call::{Answer, Call},
    cloud::{Cloud, Region},
    error::{AwsError, Result},
    gateway::model::Live,
    iam::{Caller, Permission},
    lambda::{self, Invoked, Principal},
};

/// Whom the gateway is to roles and functions.
pub(super) const SERVICE: &str = "apigateway.amazonaws.com";
/// The name of the sessions in which the gateway assumes integrations' roles.
const SESSION: &str = "BackplaneAssumeRoleSession";

/// A region of a cloud, as the data plane sees it.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub cloud: Arc<Cloud>,
    pub region: Arc<Region>,
}

/// What a function is invoked with, and by what right.
#[derive(Clone, Copy, Debug)]
pub(super) enum Right<'a> {
    /// Its resource policy lets this source in.
    Policy(&'a str),
    /// A role may invoke it.
    Role(&'a str),
}

impl Gate {
    /// What connections to a stage meet.
    pub fn live(&self, api_id: &str, stage: &str) -> Option<Live> {
        self.region.gateway.live(api_id, stage)
    }

    /// The region that an ARN names: a function's or a queue's may be another than the API's.
    pub fn region_of(&self, arn: &str) -> Result<Arc<Region>> {
        match arn.split(':').nth(3) {
            Some(name) if name != self.region.name && !name.is_empty() => self.cloud.region(name),
            _ => Ok(Arc::clone(&self.region)),
        }
    }

    /// Assumes a role.
    pub fn assume(&self, role: &str) -> Result<Caller> {
        self.cloud.iam.assume(role, SERVICE, SESSION)
    }

    /// Whether a function may be invoked; else why not.
    pub fn may_invoke(&self, function: &str, right: Right<'_>) -> Result<()> {
        let refused = |why: &str| Err(AwsError::new(403, "AccessDeniedException", why));
        match right {
            Right::Policy(source_arn) => {
                let principal = Principal {
                    service: SERVICE,
                    source_arn,
                };
                let region = self.region_of(function)?;
                #[cfg(test)]
                if let Some(fake) = self.region.sockets.fake.get() {
                    return if fake.permits(function, source_arn) {
                        Ok(())
                    } else {
                        refused("Invalid permissions on Lambda function")
                    };
                }
                if lambda::permits(&region, function, &principal) {
                    Ok(())
                } else {
                    refused("Invalid permissions on Lambda function")
                }
            }
            Right::Role(role) => {
                let caller = self.assume(role)?;
                let permission = Permission {
                    action: "lambda:InvokeFunction".to_owned(),
                    resource: function.to_owned(),
                };
                if self.cloud.iam.allows(&caller, &permission) {
                    Ok(())
                } else {
                    refused("Invalid permissions on Lambda function: the role may not invoke it")
                }
            }
        }
    }

    /// Runs a function.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Invoked> {
        #[cfg(test)]
        if let Some(fake) = self.region.sockets.fake.get() {
            return fake.invoke(function, payload).await;
        }
        let region = self.region_of(function)?;
        lambda::invoke(&self.cloud, &region, function, payload).await
    }

    /// Calls another service.
    pub async fn perform(&self, call: Call) -> Result<Answer> {
        crate::cloud::perform(&call).await
    }
}
