//! `wsless unlock`: shows a stage's lock, and frees the one whose id is given.

use serde_json::json;

use super::{Failure, Global, exit, work};
use crate::{
    engine::{bucket::Bucket, lock},
    report::Report,
};

/// Show the stage's lock, or free it by its id
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Free a lock only if its holder is dead: a lock that isn't renewed frees itself in minutes."
)]
pub struct Unlock {
    /// The id of the lock to free, as the error message or `wsless unlock` shows it
    id: Option<String>,
}

impl Unlock {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        let (aws, scope) = work::connect(&project, global).await?;
        let bucket = Bucket::new(&aws, &scope);
        let freed = match &self.id {
            Some(id) => lock::unlock(bucket, id).await?,
            None => false,
        };
        let holder = lock::read(bucket).await?.map(|(holder, _)| holder);
        match (&holder, freed) {
            (Some(holder), _) => report.say(&format!(
                "Locked by {} on {}, for `{}`, since {}.\n\
                 It expires at {} unless it's renewed. If it's dead for sure, free it:\n  wsless unlock {} --stage {}",
                holder.identity,
                holder.host,
                holder.command,
                holder.acquired_at,
                holder.expires_at,
                holder.id,
                project.stage
            )),
            (None, true) => report.say("Freed."),
            (None, false) => report.say("The stage isn't locked."),
        }
        report.result("unlock", json!({ "freed": freed, "holder": holder }));
        Ok(exit::DONE)
    }
}
