//! Reading lines and showing them: those that are there, then those that come.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::Logs;
use crate::{
    aws::{Aws, Error},
    cli::{Failure, exit, signals::Signals},
    diagnostic::Diagnostic,
    engine::scope::Scope,
    observe::{Follow, History, LogLine, Query, Told, Wanted},
    report::{Lines, Report},
};

/// What is read, and where it's shown.
pub struct Reading<'a> {
    pub logs: &'a Logs,
    pub report: &'a Report,
    pub scope: &'a Scope,
    pub query: &'a Query,
    pub wanted: Wanted,
    pub lines: Lines,
}

impl Reading<'_> {
    /// Shows the lines that are there, and those that come if it's to follow.
    pub async fn read(
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
