//! The cloud itself: what all services share, a region's services, its start and its end.
//!
//! Locks are never held across an await, and never two services' at a time.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    ACCOUNT, Options,
    call::{Answer, Call, Service},
    cloudwatch::CloudWatch,
    console::Console,
    dynamodb::DynamoDb,
    error::{AwsError, Result},
    fault::Faults,
    fidelity::Delays,
    gateway::Gateway,
    iam::Iam,
    keep::Kept,
    lambda::Lambda,
    logs::Logs,
    s3::S3,
    sockets::Sockets,
    sqs::Sqs,
    wire::rates::Rates,
};

/// No more regions than this are made: AWS has fewer, and a client mustn't fill the memory with names.
const REGIONS: usize = 64;
/// Files for the connections that there may be, and what else there is: processes' pipes, what is kept.
const FILES: u64 = 32_768;

/// What all services share.
#[derive(Debug)]
pub struct Cloud {
    /// Its own, to tell it from another cloud at the same address.
    pub id: String,
    /// How it is to be.
    pub options: Options,
    /// How slow it is.
    pub delays: Delays,
    /// Where it listens.
    pub address: SocketAddr,
    /// IAM, which has no region.
    pub iam: Iam,
    /// S3, whose names have no region.
    pub s3: S3,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// Where what it holds is kept.
    pub kept: Kept,
    /// What looks at it from a browser.
    pub console: Console,
    regions: RwLock<BTreeMap<String, Arc<Region>>>,
    work: tempfile::TempDir,
    tasks: TaskTracker,
    ending: CancellationToken,
}

/// One region's services.
#[derive(Debug)]
#[allow(missing_docs, reason = "each field is the service it is named for")]
pub struct Region {
    /// Its name.
    pub name: String,
    pub cloudwatch: CloudWatch,
    pub dynamodb: DynamoDb,
    pub gateway: Gateway,
    pub lambda: Lambda,
    pub logs: Logs,
    pub rates: Rates,
    pub sockets: Sockets,
    pub sqs: Sqs,
}

/// Why a cloud didn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port can't be had.
    #[error("can't listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// It may listen on loopback addresses only.
    #[error("{0} isn't a loopback address")]
    NotLoopback(SocketAddr),
    /// A folder can't be made or read.
    #[error("can't use the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was kept can't be read.
    #[error("what was kept in {} can't be used: {reason}", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A cloud that runs. Dropped, it's ended without waiting; [`Running::stop`] ends it in order.
#[derive(Debug)]
pub struct Running {
    cloud: Arc<Cloud>,
}

/// Starts a cloud: when this returns, it answers.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let address = SocketAddr::from((options.host, options.port));
    if !options.host.is_loopback() {
        return Err(StartError::NotLoopback(address));
    }
    raise_file_limit();
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })?;
    let address = listener
        .local_addr()
        .map_err(|source| StartError::Listen { address, source })?;
    let cloud = Arc::new(Cloud::new(options, address)?);
    crate::keep::restore(&cloud)?;
    for region in cloud.regions() {
        crate::lambda::poll::start(&cloud, &region);
    }
    crate::keep::keep_up(&cloud);
    let serving = crate::wire::serve(Arc::clone(&cloud), listener);
    cloud.spawn(serving);
    Ok(Running { cloud })
}

/// Lets this process hold as many connections as the cloud takes: many systems begin with 1,024 files.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |most| most.min(FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        // Else there are fewer connections.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

impl Cloud {
    /// A cloud that nobody reaches over the wire yet.
    pub fn new(options: Options, address: SocketAddr) -> Result<Self, StartError> {
        let work = tempfile::Builder::new()
            .prefix("wsless-local-")
            .tempdir()
            .map_err(|source| StartError::Folder {
                path: std::env::temp_dir(),
                source,
            })?;
        Ok(Self {
            id: uuid::Uuid::new_v4().to_string(),
            delays: Delays::new(options.fidelity, options.time_scale),
            faults: Faults::new(options.faults.clone()),
            iam: Iam::default(),
            s3: S3::default(),
            kept: Kept::default(),
            console: Console::default(),
            regions: RwLock::default(),
            work,
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            options,
            address,
        })
    }

    /// A cloud for a unit test: no port is open, but every service works.
    ///
    /// # Panics
    ///
    /// If there is no place for temporary files.
    #[cfg(test)]
    pub fn for_test(options: Options) -> Arc<Self> {
        Arc::new(Self::new(options, SocketAddr::from(([127, 0, 0, 1], 9))).expect("a cloud"))
    }

    /// `http://127.0.0.1:4510`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A folder of the cloud's own, gone when it ends.
    pub fn work(&self) -> &Path {
        self.work.path()
    }

    /// A region's services, made when they're first called.
    pub fn region(&self, name: &str) -> Result<Arc<Region>> {
        if let Some(region) = self.regions.read().get(name) {
            return Ok(Arc::clone(region));
        }
        let shaped = (4..=32).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let mut regions = self.regions.write();
        if !shaped || regions.len() >= REGIONS {
            return Err(AwsError::new(
                400,
                "InvalidSignatureException",
                format!("`{name}` isn't a region here"),
            ));
        }
        let region = regions.entry(name.to_owned()).or_insert_with(|| {
            let region = Arc::new(Region::new(name, self));
            // A unit test without a runtime has no need of alarms.
            if tokio::runtime::Handle::try_current().is_ok() {
                let watched = Arc::downgrade(&region);
                self.spawn(crate::cloudwatch::run(watched, self.delays));
            }
            region
        });
        Ok(Arc::clone(region))
    }

    /// The regions that were called.
    pub fn regions(&self) -> Vec<Arc<Region>> {
        self.regions.read().values().cloned().collect()
    }

    /// Runs something until it's done or the cloud ends.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let ending = self.ending.clone();
        self.tasks.spawn(async move {
            let _ = ending.run_until_cancelled(work).await;
        });
    }

    /// Runs something that ends by itself when the cloud does, and is waited for then.
    pub fn spawn_to_end(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Resolves when the cloud ends.
    pub fn ending(&self) -> &CancellationToken {
        &self.ending
    }
}

impl Region {
    fn new(name: &str, cloud: &Cloud) -> Self {
        Self {
            name: name.to_owned(),
            cloudwatch: CloudWatch::default(),
            dynamodb: DynamoDb::default(),
            gateway: Gateway::default(),
            lambda: Lambda::new(name, cloud.work(), cloud.options.keep.as_deref()),
            logs: Logs::default(),
            rates: Rates::default(),
            sockets: Sockets::default(),
            sqs: Sqs::default(),
        }
    }

    /// `arn:aws:sqs:eu-west-1:000000000000:name`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{ACCOUNT}:{resource}", self.name)
    }
}

impl Running {
    /// Where clients find it, such as `http://127.0.0.1:4510`.
    pub fn endpoint(&self) -> String {
        self.cloud.endpoint()
    }

    /// The cloud.
    pub fn cloud(&self) -> &Arc<Cloud> {
        &self.cloud
    }

    /// Ends it: connections are closed, processes ended, and what is to be kept is kept.
    pub async fn stop(self) -> Result<(), StartError> {
        self.cloud.ending.cancel();
        self.cloud.tasks.close();
        self.cloud.tasks.wait().await;
        crate::keep::close(&self.cloud)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cloud.ending.cancel();
    }
}

/// Does what is asked, if the caller may.
///
/// The one way to an operation, for `wire` and for services that call each other under a role (the gateway's to SQS).
pub async fn perform(call: &Call) -> Result<Answer> {
    let permission = match call.service {
        Service::ApiGateway => crate::gateway::permission(call),
        Service::CloudWatch => crate::cloudwatch::permission(call),
        Service::DynamoDb => crate::dynamodb::permission(call),
        Service::ExecuteApi => crate::sockets::permission(call),
        Service::Iam => crate::iam::permission(call),
        Service::Lambda => crate::lambda::permission(call),
        Service::Logs => crate::logs::permission(call),
        Service::S3 => crate::s3::permission(call),
        Service::Sqs => crate::sqs::permission(call),
        Service::Sts => crate::sts::permission(call),
    };
    call.cloud.iam.authorize(call, &permission)?;
    match call.service {
        Service::ApiGateway => crate::gateway::call(call).await,
        Service::CloudWatch => crate::cloudwatch::call(call).await,
        Service::DynamoDb => crate::dynamodb::call(call).await,
        Service::ExecuteApi => crate::sockets::call(call).await,
        Service::Iam => crate::iam::call(call).await,
        Service::Lambda => {
            crate::lambda::poll::start(&call.cloud, &call.region);
            crate::lambda::call(call).await
        }
        Service::Logs => crate::logs::call(call).await,
        Service::S3 => crate::s3::call(call).await,
        Service::Sqs => crate::sqs::call(call).await,
        Service::Sts => crate::sts::call(call).await,
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, getrlimit, setrlimit};

    use super::*;

    #[test]
    fn a_low_limit_of_files_is_raised_as_far_as_it_may_be() {
        let mut limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.unwrap_or(FILES).min(FILES);
        limit.current = Some(most / 2);
        setrlimit(Resource::Nofile, limit).unwrap();
        raise_file_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, Some(most));
        // What the user has set higher stays.
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).unwrap();
        raise_file_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.current);
    }
}
