//! `wsless dlq`: the messages that failed every time.

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Global, exit, work};
use crate::{
    aws::Aws,
    dead_letters::{self, DeadLetterQueue},
    diagnostic::Diagnostic,
    engine::scope::Scope,
    manifest::HandlerName,
    project::Project,
    report::{Confirm, Report},
    stack,
};

/// See, send back or delete the messages that failed every time
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless dlq list\n  wsless dlq show chat\n  wsless dlq redrive chat --per-second 10\n  wsless dlq purge results --yes"
)]
pub struct Dlq {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Count the dead letters of each handler, and of the replies (`results`)
    List,
    /// Show some of a handler's dead letters; they stay where they are
    Show {
        /// The handler, or `results` for replies that couldn't be sent
        handler: String,
        /// How many
        #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
        most: u16,
    },
    /// Send all of a handler's dead letters back to its queue, to be tried again
    Redrive {
        /// The handler, or `results` for replies that couldn't be sent
        handler: String,
        /// How many a second at most [default: as fast as SQS can]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=500))]
        per_second: Option<u32>,
    },
    /// Delete all of a handler's dead letters
    Purge {
        /// The handler, or `results` for replies that couldn't be sent
        handler: String,
    },
}

impl Dlq {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        let (aws, scope) = work::connect(&project, global).await?;
        let of = |handler| find(&project, &aws, &scope, handler);
        match &self.act {
            Act::List => {
                let things = things(&project);
                list(&dead_letters::list(&aws, &scope, &things).await?, report);
            }
            Act::Show { handler, most } => {
                let queue = of(handler).await?;
                let letters = dead_letters::show(&aws, &queue, usize::from(*most)).await?;
                for letter in &letters {
                    report.dead_letter(letter);
                }
                report.note(&format!(
                    "{} shown of {} in the dead-letter queue of {handler}.",
                    letters.len(),
                    queue.messages
                ));
                report.result("dlq show", json!({ "queue": queue, "messages": letters }));
            }
            Act::Redrive {
                handler,
                per_second,
            } => {
                let queue = of(handler).await?;
                let phase = report.phase(&format!("Sending back {} messages", queue.messages));
                let moved = dead_letters::redrive(&aws, &scope, &queue, *per_second, |moved| {
                    phase.line(&format!("{} of {}", moved.moved, moved.of));
                })
                .await;
                let _ = phase.done(if moved.is_ok() { "sent" } else { "failed" });
                let moved = moved.map_err(|error| error.diagnostic())?;
                report.say(&format!(
                    "{moved} messages are back in the queue of {handler}."
                ));
                report.result("dlq redrive", json!({ "queue": queue, "moved": moved }));
            }
            Act::Purge { handler } => {
                let queue = of(handler).await?;
                let question = format!(
                    "Delete the {} dead letters of {handler} in {}? They can't be had back.",
                    queue.messages, scope.stage
                );
                if !global.yes {
                    match report.confirm(&question) {
                        Confirm::Yes => {}
                        Confirm::No => {
                            report.note("Nothing was deleted.");
                            return Ok(exit::FAILED);
                        }
                        Confirm::NoTerminal => return Err(Failure::unanswered(&question, "--yes")),
                    }
                }
                dead_letters::purge(&aws, &scope, &queue)
                    .await
                    .map_err(|error| error.diagnostic())?;
                report.say(&format!("Deleted the dead letters of {handler}."));
                report.result("dlq purge", json!({ "queue": queue }));
            }
        }
        Ok(exit::DONE)
    }
}

fn list(queues: &[DeadLetterQueue], report: &Report) {
    let rows: Vec<Vec<String>> = queues
        .iter()
        .map(|queue| vec![queue.of.clone(), queue.messages.to_string()])
        .collect();
    if rows.is_empty() {
        report.say("The stage has no dead-letter queue.");
    } else {
        report.table(&["handler", "dead letters"], &rows);
    }
    report.result("dlq list", json!({ "queues": queues }));
}

/// What may have a dead-letter queue.
fn things(project: &Project) -> Vec<&str> {
    let handlers = project.manifest.handlers.keys();
    handlers
        .map(HandlerName::as_str)
        .chain([stack::RESULTS])
        .collect()
}

async fn find(
    project: &Project,
    aws: &Aws,
    scope: &Scope,
    handler: &str,
) -> Result<DeadLetterQueue, Failure> {
    let things = things(project);
    let mut queues = dead_letters::list(aws, scope, &things).await?;
    if let Some(place) = queues.iter().position(|queue| queue.of == handler) {
        return Ok(queues.swap_remove(place));
    }
    let known: Vec<&str> = queues.iter().map(|queue| queue.of.as_str()).collect();
    let error = Diagnostic::error(
        "dlq::none",
        format!(
            "the stage {} has no dead-letter queue of `{handler}`",
            scope.stage
        ),
    );
    Err(if known.is_empty() {
        error.help("deploy the stage first: `wsless deploy`")
    } else {
        error.help(format!("these have one: {}", known.join(", ")))
    }
    .into())
}
