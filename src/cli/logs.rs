//! `wsless logs`: what all functions of a stage logged, and log from now on, in one stream.

mod reading;

use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};

use self::reading::Reading;
use super::{Failure, Global, exit, signals::Signals, work};
use crate::{
    diagnostic::Diagnostic,
    engine::scope::Scope,
    manifest::{HandlerName, Manifest, nearest},
    observe::{ACCESS_LOG, Level, Moment, Query, Source, Wanted},
    project::Project,
    report::{Report, Times},
    stack,
};

/// How far back it's looked if nothing else is said.
const SINCE: SignedDuration = SignedDuration::from_mins(10);

/// Show the handlers' logs, merged by time
///
/// Of all handlers, the built-in ones (connect, disconnect, push) and, where `access-log` is on, of the API. Lines that
/// are JSON are shown as words and fields. Times are local on a terminal, and UTC elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wsless logs --follow                      all handlers' lines as they come
  wsless logs echo push --since 2h --level warn
  wsless logs --connection L0SM9cOFvHcCIhw=   one connection, from handler to handler
  wsless logs --filter '{ $.tookMs > 1000 }' --output json")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct Logs {
    /// The handlers; `access-log` is the API's [default: all]
    #[arg(value_name = "HANDLER")]
    handlers: Vec<String>,
    /// Go on with what comes, until Ctrl-C; each line once
    #[arg(long, short)]
    follow: bool,
    /// Hear of lines by CloudWatch's live tail too, some seconds sooner: AWS bills each minute beyond 1,800 a month
    #[arg(long, requires = "follow")]
    live: bool,
    /// From when on: 15m, 2h, 1d ago, or a time [default: 10m]
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<Moment>,
    /// CloudWatch's filter pattern, such as '{ $.route = "say" }' or '"timed out"'
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// Only lines about this connection
    #[arg(long, value_name = "ID")]
    connection: Option<String>,
    /// Only lines about this message, by its request id
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only lines of this level and above; a line that has none is info
    #[arg(long, value_enum, default_value_t = LevelArg::Debug)]
    level: LevelArg,
    /// Only the last N lines of those that are there
    #[arg(long, short = 'n', value_name = "N")]
    tail: Option<usize>,
    /// Lambda's own START, END and REPORT lines and metrics too
    #[arg(long)]
    all: bool,
    /// Times in UTC
    #[arg(long)]
    utc: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelArg {
    /// All lines
    Debug,
    /// All but those for finding mistakes
    Info,
    /// What is odd, and what failed
    Warn,
    /// What failed
    Error,
}

impl Logs {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = Project::open(global.manifest.as_deref(), &global.stage)?;
        let names = self.names(&project.manifest)?;
        let now = Timestamp::now();
        let (since, until) = self.times(now)?;
        let mut signals = Signals::listen()?;
        let (aws, scope) = work::connect(&project, global).await?;
        let wanted = self.wanted();
        let query = Query {
            sources: names.iter().map(|name| source(&scope, name)).collect(),
            pattern: self.filter.clone().or_else(|| wanted.pattern()),
            since,
        };
        let times = if self.utc { Times::Utc } else { Times::Local };
        let reading = Reading {
            logs: self,
            report,
            scope: &scope,
            query: &query,
            wanted,
            lines: report.log(names.iter().copied(), times),
        };
        reading.read(&aws, until, &mut signals).await
    }

    /// The names of what is read; all there are if none is asked for.
    fn names<'a>(&'a self, manifest: &'a Manifest) -> Result<Vec<&'a str>, Failure> {
        let all: Vec<&str> = manifest
            .handlers
            .keys()
            .map(HandlerName::as_str)
            .chain(stack::builtins(manifest))
            .chain(manifest.api.access_log.then_some(ACCESS_LOG))
            .collect();
        if self.handlers.is_empty() {
            return Ok(all);
        }
        let unknown = self
            .handlers
            .iter()
            .filter(|name| !all.contains(&name.as_str()));
        let mistakes: Vec<Diagnostic> = unknown
            .map(|name| {
                let told = Diagnostic::error(
                    "logs::unknown-handler",
                    format!("there is no handler `{name}`"),
                )
                .note(format!("there are {}", all.join(", ")));
                match nearest(name, all.iter().copied()) {
                    Some(nearest) => told.help(format!("did you mean `{nearest}`?")),
                    None if name == ACCESS_LOG => {
                        told.help("the API has an access log with `access-log = true` in [api]")
                    }
                    None => told,
                }
            })
            .collect();
        if !mistakes.is_empty() {
            return Err(Failure {
                diagnostics: mistakes,
                code: exit::USAGE,
            });
        }
        Ok(all
            .into_iter()
            .filter(|name| self.handlers.iter().any(|asked| asked == name))
            .collect())
    }

    fn times(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
        let until = self.until.map_or(now, |until| until.seen_from(now));
        let since = self.since.map_or_else(
            || until.saturating_sub(SINCE).unwrap_or(Timestamp::MIN),
            |since| since.seen_from(now),
        );
        if since <= until {
            return Ok((since, until));
        }
        let words = format!("nothing is both after {since:.0} and before {until:.0}");
        Err(Failure {
            diagnostics: vec![
                Diagnostic::error("logs::times", words)
                    .help("give --since a time that is before --until, or before now"),
            ],
            code: exit::USAGE,
        })
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            all: self.all,
            level: match self.level {
                LevelArg::Debug => Level::Debug,
                LevelArg::Info => Level::Info,
                LevelArg::Warn => Level::Warn,
                LevelArg::Error => Level::Error,
            },
            connection: self.connection.clone(),
            request: self.request.clone(),
        }
    }
}

fn source(scope: &Scope, name: &str) -> Source {
    if name == ACCESS_LOG {
        Source::access_log(scope)
    } else {
        Source::of_handler(scope, name)
    }
}
