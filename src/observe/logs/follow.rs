//! Lines as they come, each once.
//!
//! Each group is polled with FilterLogEvents from some time before the last poll on: an event may become readable half a
//! minute after it happened, and what comes twice is known by its id. So nothing is missed and nothing is told twice,
//! whatever pages are empty, calls are throttled or answers are lost in between.
//!
//! Live tail, where it's wished for, only tells of lines sooner ([`live`](super::live)).

use std::{collections::VecDeque, pin::Pin, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Query,
    clock::{Clock, here},
    line::LogLine,
    live::{self, Session, Step},
    merge::Merge,
    page::{Event, Page, Window, page},
};
use crate::{
    aws::{Aws, Class, Error},
    engine::scope::Scope,
};

/// How far windows overlap, in milliseconds. Events were seen to become readable after 2.7 to 9 s [aws-facts 3.7].
const OVERLAP: i64 = 30_000;
/// How often it's looked whether a group is there by now, and how soon a failed poll is repeated.
const LATER: Duration = Duration::from_secs(5);
/// How often it's looked whether what is held back may be given.
const TICK: Duration = Duration::from_millis(100);
/// What live tail tells isn't taken until a poll began so long after a gap: else it would come before what was left out,
/// which can be read after 10 s [aws-facts 3.7].
const AFTER_GAP: Duration = Duration::from_secs(10);
/// How old a line is at least before it's told, in milliseconds, where it's heard of at once.
const QUICK_HOLD: i64 = 1_000;

/// Something to tell.
#[derive(Debug)]
pub enum Told {
    /// Lines, in order.
    Lines(Vec<LogLine>),
    /// Something else that the reader should know.
    Note(String),
}

/// Follows groups.
pub struct Follow<'a> {
    aws: &'a Aws,
    query: &'a Query,
    merge: Merge,
    clock: Clock,
    /// This machine's time at a moment of the clock that never jumps.
    began: (i64, Instant),
    groups: Vec<Group>,
    /// How long from one poll of a group to the next.
    pace: Duration,
    /// When live tail left something out at last.
    gap: Instant,
    work: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + 'a>>>,
    notes: VecDeque<String>,
    trouble: Option<String>,
}

#[derive(Debug)]
struct Group {
    /// Older events were all told, or aren't wanted.
    from: i64,
    /// When the last poll that was read to its end began.
    polled: Option<Instant>,
    is_missing: bool,
}

/// One page's worth of a poll.
#[derive(Clone, Debug)]
struct Poll {
    group: usize,
    from: i64,
    token: Option<String>,
    /// When its first page was asked for, and not before.
    at: Instant,
    /// The page isn't asked for before this.
    due: Instant,
}

/// What was waited for.
enum Done {
    Polled(Poll, Result<Page, Error>),
    Live(Box<Session>, Step),
}

impl<'a> Follow<'a> {
    /// Follows what comes after a [`History`](super::History) that is read from now on: what that gives must be told to
    /// [`Follow::given`]. With `live`, lines will mostly be heard of at once.
    pub fn new(aws: &'a Aws, query: &'a Query, live: bool) -> Self {
        let count = query.sources.len();
        let pace = pace(count, aws.has_own_endpoint());
        let hold = if live {
            QUICK_HOLD
        } else {
            i64::try_from(pace.as_millis()).map_or(QUICK_HOLD, |pace| QUICK_HOLD.max(pace))
        };
        let from = query.since.as_millisecond();
        let groups = std::iter::repeat_with(|| Group {
            from,
            polled: None,
            is_missing: false,
        });
        Self {
            aws,
            query,
            merge: Merge::new(count, hold),
            clock: Clock::default(),
            began: (here(), Instant::now()),
            groups: groups.take(count).collect(),
            pace,
            gap: Instant::now(),
            work: FuturesUnordered::new(),
            notes: VecDeque::new(),
            trouble: None,
        }
    }

    /// An event that was told already.
    pub fn given(&mut self, group: usize, event: &Event) {
        self.clock.learn(event.ingested, self.here());
        if event.at >= self.from(self.began.1) {
            self.merge.given(group, event);
        }
    }

    /// Begins: the history is read, and these groups weren't there.
    pub fn begin(&mut self, missing: &[usize]) {
        let from = self.from(self.began.1);
        for index in 0..self.groups.len() {
            self.groups[index].is_missing = missing.contains(&index);
            self.poll_from(index, from, Instant::now());
        }
    }

    /// Hears of lines by live tail too, of the groups that are there.
    pub fn listen(&mut self, scope: &Scope) {
        let there: Vec<(usize, String)> = self
            .query
            .sources
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.groups[*index].is_missing)
            .map(|(index, source)| {
                let arn = scope.arn("logs", &format!("log-group:{}", source.group));
                (index, arn)
            })
            .collect();
        for groups in there.chunks(live::MOST_GROUPS) {
            self.step(Box::new(Session::new(groups.to_vec())));
        }
    }

    /// The next thing to tell. An error is one that no later try will mend.
    pub async fn next(&mut self) -> Result<Told, Error> {
        loop {
            if let Some(note) = self.notes.pop_front() {
                return Ok(Told::Note(note));
            }
            let ready = self.merge.ready(self.cloud_time(Instant::now()));
            if !ready.is_empty() {
                return Ok(Told::Lines(self.lines(ready)));
            }
            tokio::select! {
                Some(done) = self.work.next() => self.take(done)?,
                () = sleep(TICK) => {}
            }
        }
    }

    /// What was held back: nothing more will be asked for.
    pub fn rest(&mut self) -> Vec<LogLine> {
        let rest = self.merge.rest();
        self.lines(rest)
    }

    fn lines(&self, events: Vec<(usize, Event)>) -> Vec<LogLine> {
        events
            .into_iter()
            .map(|(group, event)| self.query.sources[group].line(event))
            .collect()
    }

    fn take(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Done::Polled(poll, Ok(Page::Events(events, token))) => {
                self.trouble = None;
                self.groups[poll.group].is_missing = false;
                self.arrived(events.into_iter().map(|event| (poll.group, event)));
                if token.is_some() {
                    let due = Instant::now();
                    self.poll(Poll { token, due, ..poll });
                } else {
                    let now = Instant::now();
                    self.groups[poll.group].polled = Some(poll.at);
                    // What became readable while its pages were read may have been left out: it's there in the next one.
                    self.merge.read(poll.group, self.cloud_time(poll.at));
                    // A poll that takes long is followed by a rest that is as long.
                    let next = (poll.at + self.pace).max(now + now.duration_since(poll.at));
                    self.poll_from(poll.group, self.from(poll.at), next);
                }
            }
            Done::Polled(poll, Ok(Page::NoGroup)) => {
                let group = &mut self.groups[poll.group];
                if !group.is_missing {
                    group.is_missing = true;
                    let name = &self.query.sources[poll.group].name;
                    self.notes
                        .push_back(format!("The log group of {name} is gone; waiting for it."));
                }
                self.again(poll);
            }
            Done::Polled(poll, Err(error)) => {
                if !passes(&error) {
                    return Err(error);
                }
                let words = format!("{error}; trying again");
                if self.trouble.as_ref() != Some(&words) {
                    self.notes.push_back(words.clone());
                    self.trouble = Some(words);
                }
                self.again(poll);
            }
            Done::Live(session, Step::Events(events)) => {
                let trusted = self.gap + AFTER_GAP;
                let is_trusted = |group: usize| self.groups[group].polled >= Some(trusted);
                let events: Vec<_> = events
                    .into_iter()
                    .filter(|(group, _)| is_trusted(*group))
                    .collect();
                self.arrived(events);
                self.step(session);
            }
            Done::Live(session, Step::Gap) => {
                self.gap = Instant::now();
                self.step(session);
            }
            Done::Live(_, Step::Refused(error)) => self.notes.push_back(format!(
                "There's no live tail ({error}); lines come by FilterLogEvents, some seconds later."
            )),
        }
        Ok(())
    }

    fn arrived(&mut self, events: impl IntoIterator<Item = (usize, Event)>) {
        let here = self.here();
        for (group, event) in events {
            self.clock.learn(event.ingested, here);
            self.merge.arrived(group, event, self.clock.at_least(here));
        }
    }

    /// The time from which on a poll must look again that follows one of `when`.
    fn from(&self, when: Instant) -> i64 {
        self.cloud_time(when) - OVERLAP
    }

    /// The time that it was at least for CloudWatch.
    fn cloud_time(&self, when: Instant) -> i64 {
        let (here, began) = self.began;
        self.clock.at_least(here + elapsed(began, when))
    }

    fn here(&self) -> i64 {
        self.began.0 + elapsed(self.began.1, Instant::now())
    }

    fn poll_from(&mut self, group: usize, from: i64, at: Instant) {
        let known = &mut self.groups[group];
        // What was forgotten mustn't come again.
        known.from = known.from.max(from);
        let from = known.from;
        self.merge.forget(group, from);
        self.poll(Poll {
            group,
            from,
            token: None,
            at,
            due: at,
        });
    }

    /// The same page, in a while.
    fn again(&mut self, poll: Poll) {
        let due = Instant::now() + LATER;
        // A poll begins with its first page.
        let at = if poll.token.is_none() { due } else { poll.at };
        self.poll(Poll { at, due, ..poll });
    }

    fn poll(&mut self, poll: Poll) {
        let (aws, query) = (self.aws, self.query);
        self.work.push(Box::pin(async move {
            sleep_until(poll.due).await;
            let window = Window {
                from: poll.from,
                until: None,
            };
            let source = &query.sources[poll.group];
            let page = page(
                aws,
                source,
                query.pattern.as_deref(),
                window,
                poll.token.clone(),
            )
            .await;
            Done::Polled(poll, page)
        }));
    }

    fn step(&mut self, mut session: Box<Session>) {
        let (aws, query) = (self.aws, self.query);
        self.work.push(Box::pin(async move {
            let step = session.step(aws, query).await;
            Done::Live(session, step)
        }));
    }
}

/// Milliseconds from one moment to another.
fn elapsed(from: Instant, to: Instant) -> i64 {
    i64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(i64::MAX)
}

/// How long from one poll of a group to the next. A region takes five calls of FilterLogEvents a second, of all who ask
/// [aws-facts 3.7]: two are ours.
fn pace(groups: usize, own_endpoint: bool) -> Duration {
    let (least, each) = if own_endpoint {
        (Duration::from_millis(500), Duration::from_millis(50))
    } else {
        (Duration::from_secs(2), Duration::from_millis(500))
    };
    each.saturating_mul(u32::try_from(groups).unwrap_or(u32::MAX))
        .max(least)
}

/// Whether an error may be over at a later try.
fn passes(error: &Error) -> bool {
    matches!(
        error.class(),
        Class::Throttled | Class::Busy | Class::Ambiguous | Class::Unreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_groups_together_are_polled_twice_a_second_at_most_on_aws() {
        for groups in 1..40_u32 {
            let pace = pace(groups as usize, false);
            assert!(f64::from(groups) / pace.as_secs_f64() <= 2.0, "{groups}");
            assert!(pace >= Duration::from_secs(2));
        }
    }
}
