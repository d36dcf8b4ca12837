//! The record: what a stage's last deployment was, for people and for rollback. Never what the cloud is: that's observed.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    bucket::{Bucket, Condition},
    drift::Meant,
    resource::Attributes,
};
use crate::aws::Error;

/// The record's name in the bucket.
const NAME: &str = "record.json";
/// Where the history's records are.
const HISTORY: &str = "history/";

/// Records read at the same time.
const READS_AT_ONCE: usize = 16;

/// One deployment. Holds no secret: no environment, no credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The format's version.
    pub schema: u32,
    /// 1, 2, 3 and so on.
    pub number: u64,
    /// `deploy` or another command.
    pub command: String,
    /// Whether everything was done.
    pub complete: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The AWS identity that deployed.
    pub identity: String,
    /// The CI run's address, if it was a CI run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The commit that was deployed, if the project is in a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The version of wsless.
    pub wsless: String,
    /// The attributes of each resource, by address: ids, ARNs, published versions.
    #[serde(default)]
    pub resources: BTreeMap<String, Attributes>,
    /// What each resource was meant to be, by address, without secrets: what tells drift from a changed manifest.
    #[serde(default)]
    pub meant: Meant,
    /// What was changed: addresses by action.
    #[serde(default)]
    pub changes: BTreeMap<String, Vec<String>>,
}

/// The last record and which version of the object it is; nothing if there is none.
///
/// A record that can't be read is as good as none: it's for people, and the cloud is the truth.
pub async fn last(bucket: Bucket<'_>) -> Result<(Option<Record>, String), Error> {
    Ok(match bucket.get(NAME).await? {
        Some(object) => (serde_json::from_slice(&object.body).ok(), object.etag),
        None => (None, String::new()),
    })
}

/// Writes the record and adds it to the history.
pub async fn write(bucket: Bucket<'_>, record: &Record) -> Result<(), Error> {
    let body = serde_json::to_vec_pretty(record).unwrap_or_default();
    bucket
        .put(
            &format!("{HISTORY}{:06}.json", record.number),
            body.clone(),
            Condition::None,
        )
        .await?;
    bucket.put(NAME, body, Condition::None).await?;
    Ok(())
}

/// The last deployments, the newest first, `most` of them. One that can't be read is left out: it's for people.
pub async fn history(bucket: Bucket<'_>, most: usize) -> Result<Vec<Record>, Error> {
    let mut names = bucket.list(HISTORY).await?;
    // Their numbers have leading zeros: in order of names is in order of time.
    names.reverse();
    names.truncate(most);
    let objects = stream::iter(&names)
        .map(|name| bucket.get(name))
        .buffered(READS_AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(objects
        .into_iter()
        .flatten()
        .filter_map(|object| serde_json::from_slice(&object.body).ok())
        .collect())
}
