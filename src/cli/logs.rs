//! `wsless logs`: what all functions of a stage logged, and log from now on, in one stream.

use std::collections::VecDeque;

use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};

use super::{Failure, Global, exit, signals::Signals, work};
use crate::{
    aws::{Aws, Error},
    diagnostic::Diagnostic,
    engine::scope::Scope,
    manifest::{HandlerName, Manifest, nearest},
    observe::{ACCESS_LOG, Follow, History, Level, LogLine, Moment, Query, Source, Told, Wanted},
    project::Project,
    report::{Lines, Report, Times},
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
        let read = async {
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
        };
        read.await
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

/// What is read, and where it's shown.
struct Reading<'a> {
    logs: &'a Logs,
    report: &'a Report,
    scope: &'a Scope,
    query: &'a Query,
    wanted: Wanted,
    lines: Lines,
}

impl Reading<'_> {
    async fn read(
        mut self,
        aws: &Aws,
        until: Timestamp,
        signals: &mut Signals,
    ) -> Result<u8, Failure> {
        let query = self.query;
        let mut follow = self
            .logs
            .follow
            .then(|| Follow::new(aws, query, self.logs.live));
        let read = tokio::select! {
            read = self.history(aws, until, follow.as_mut()) => read,
            () = signals.received() => return Ok(exit::DONE),
        };
        let missing = read.map_err(|error| self.failure(&error))?;
        self.tell_missing(&missing)?;
        if let Some(mut follow) = follow {
            follow.begin(&missing);
            if self.logs.live {
                follow.listen(self.scope);
            }
            let followed = self.follow(&mut follow, signals).await;
            followed.map_err(|error| self.failure(&error))?;
        }
        Ok(exit::DONE)
    }

    /// Shows the lines that are there, and gives the groups that aren't.
    async fn history(
        &mut self,
        aws: &Aws,
        until: Timestamp,
        mut follow: Option<&mut Follow<'_>>,
    ) -> Result<Vec<usize>, Error> {
        let mut phase = Some(self.report.phase("Reading logs"));
        let mut history = History::new(aws, self.query, Some(until));
        let mut last = VecDeque::new();
        let mut found = 0;
        while let Some(events) = history.next().await? {
            if let Some(follow) = &mut follow {
                for (group, event) in &events {
                    follow.given(*group, event);
                }
            }
            let lines = events
                .into_iter()
                .map(|(group, event)| self.query.sources[group].line(event))
                .filter(|line| self.wanted.has(&line.content));
            if let Some(most) = self.logs.tail {
                last.extend(lines);
                last.drain(..last.len().saturating_sub(most));
                continue;
            }
            let lines: Vec<LogLine> = lines.collect();
            if !lines.is_empty() {
                phase = None;
                found += lines.len();
                self.lines.show(&lines);
            }
            if self.report.is_out_closed() {
                return Ok(Vec::new());
            }
        }
        drop(phase);
        found += last.len();
        self.lines.show(&last);
        if found == 0 && !self.logs.follow && history.missing().len() < self.query.sources.len() {
            self.report.note(&format!(
                "No such line since {:.0}: --since looks further back, --follow waits for what comes.",
                self.query.since
            ));
        }
        Ok(history.missing())
    }

    fn tell_missing(&self, missing: &[usize]) -> Result<(), Failure> {
        if missing.is_empty() {
            return Ok(());
        }
        let Scope { project, stage, .. } = self.scope;
        let are_all = missing.len() == self.query.sources.len();
        let names: Vec<&str> = missing
            .iter()
            .map(|index| &*self.query.sources[*index].name)
            .collect();
        if are_all && !self.logs.follow {
            let place = &self.scope.identity;
            return Err(Diagnostic::error(
                "logs::no-groups",
                format!("the stage `{stage}` of `{project}` has no logs of {}", names.join(", ")),
            )
            .note(format!("looked in the region {} of the account {}", place.region, place.account))
            .help(format!("deploy it with `wsless deploy --stage {stage}`, or check --stage, --region and --profile"))
            .into());
        }
        let waits = if self.logs.follow {
            "; waiting for them"
        } else {
            ""
        };
        self.report
            .note(&format!("No log group yet: {}{waits}.", names.join(", ")));
        Ok(())
    }

    async fn follow(
        &mut self,
        follow: &mut Follow<'_>,
        signals: &mut Signals,
    ) -> Result<(), Error> {
        while !self.report.is_out_closed() {
            let told = tokio::select! {
                told = follow.next() => told?,
                () = signals.received() => {
                    self.show(&follow.rest());
                    break;
                }
            };
            match told {
                Told::Lines(lines) => self.show(&lines),
                Told::Note(note) => self.report.note(&note),
            }
        }
        Ok(())
    }

    fn show(&mut self, lines: &[LogLine]) {
        let wanted = lines.iter().filter(|line| self.wanted.has(&line.content));
        self.lines.show(wanted);
    }

    fn failure(&self, error: &Error) -> Failure {
        let told = error.diagnostic();
        let is_refused = error.code() == Some("InvalidParameterException");
        match &self.logs.filter {
            Some(pattern) if is_refused => told
                .note(format!("the pattern is {pattern}"))
                .help(
                    "words match lines that have all of them, \"quotes\" a phrase, { $.field = \"value\" } a field of a \
                     JSON line; between 'single quotes' the shell leaves it alone",
                )
                .into(),
            _ => told.into(),
        }
    }
}
