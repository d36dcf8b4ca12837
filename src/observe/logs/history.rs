//! The lines that are there already, merged by time while they're read: no more than a page of each group is held.

use std::{cmp::Reverse, collections::VecDeque};

use futures::future::try_join_all;
use jiff::Timestamp;

use super::{
    Query,
    page::{Event, Page, Window, page},
};
use crate::aws::{Aws, Error};

/// Reads groups from a time on.
#[derive(Debug)]
pub struct History<'a> {
    aws: &'a Aws,
    query: &'a Query,
    window: Window,
    groups: Vec<Group>,
}

#[derive(Debug, Default)]
struct Group {
    /// Events that were read, in order of time.
    waiting: VecDeque<Event>,
    token: Option<String>,
    is_read: bool,
    is_missing: bool,
}

impl<'a> History<'a> {
    /// Reads until a time, or until nothing more is there.
    pub fn new(aws: &'a Aws, query: &'a Query, until: Option<Timestamp>) -> Self {
        Self {
            aws,
            query,
            window: Window {
                from: query.since.as_millisecond(),
                until: until.map(Timestamp::as_millisecond),
            },
            groups: query.sources.iter().map(|_| Group::default()).collect(),
        }
    }

    /// The next events in order of time, each with its group's place in the query; nothing at the end. May be empty in
    /// between.
    pub async fn next(&mut self) -> Result<Option<Vec<(usize, Event)>>, Error> {
        let needed: Vec<usize> = (0..self.groups.len())
            .filter(|index| self.groups[*index].needs_a_page())
            .collect();
        if needed.is_empty() && self.groups.iter().all(|group| group.waiting.is_empty()) {
            return Ok(None);
        }
        let pages = needed.iter().map(|index| {
            page(
                self.aws,
                &self.query.sources[*index],
                self.query.pattern.as_deref(),
                self.window,
                self.groups[*index].token.clone(),
            )
        });
        for (index, page) in needed.iter().zip(try_join_all(pages).await?) {
            self.groups[*index].take(page);
        }
        Ok(Some(merged(&mut self.groups)))
    }

    /// The places in the query of the groups that aren't there, once all was read.
    pub fn missing(&self) -> Vec<usize> {
        (0..self.groups.len())
            .filter(|index| self.groups[*index].is_missing)
            .collect()
    }
}

impl Group {
    fn needs_a_page(&self) -> bool {
        self.waiting.is_empty() && !self.is_read
    }

    fn take(&mut self, page: Page) {
        match page {
            Page::Events(events, token) => {
                self.waiting.extend(events);
                // AWS sorts them; where an emulator doesn't, the order of a page is made here.
                self.waiting.make_contiguous().sort_by_key(|event| event.at);
                self.is_read = token.is_none();
                self.token = token;
            }
            Page::NoGroup => {
                self.is_read = true;
                self.is_missing = true;
            }
        }
    }
}

/// Takes the earliest events, as long as no group could have an earlier one that wasn't read yet.
fn merged(groups: &mut [Group]) -> Vec<(usize, Event)> {
    let mut merged = Vec::new();
    while !groups.iter().any(Group::needs_a_page) {
        let earliest = groups
            .iter()
            .enumerate()
            .filter_map(|(index, group)| Some((group.waiting.front()?.at, index)))
            .max_by_key(|earliest| Reverse(*earliest));
        let Some((_, index)) = earliest else { break };
        merged.extend(
            groups[index]
                .waiting
                .pop_front()
                .map(|event| (index, event)),
        );
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn event(at: i64, number: usize) -> Event {
        Event {
            at,
            ingested: at,
            id: Some(number.to_string()),
            stream: String::new(),
            message: number.to_string(),
        }
    }

    proptest! {
        /// Groups' events in pages, some of them empty.
        #[test]
        fn pages_become_one_order_and_nothing_is_lost(
            groups in vec((vec(0_i64..50, 0..30), vec(0_usize..5, 0..20)), 1..4),
        ) {
            let mut all: Vec<(i64, usize, usize)> = Vec::new();
            let mut pages: Vec<VecDeque<Vec<Event>>> = Vec::new();
            for (index, (times, sizes)) in groups.iter().enumerate() {
                let mut times = times.clone();
                times.sort_unstable();
                let mut events: VecDeque<Event> = times.iter().enumerate().map(|(number, at)| {
                    all.push((*at, index, number));
                    event(*at, number)
                }).collect();
                let mut cut: VecDeque<Vec<Event>> = sizes.iter().map(|size| {
                    let size = (*size).min(events.len());
                    events.drain(..size).collect()
                }).collect();
                cut.push_back(events.into());
                pages.push(cut);
            }
            all.sort_unstable();
            let mut reading: Vec<Group> = groups.iter().map(|_| Group::default()).collect();
            let mut given = Vec::new();
            while reading.iter().any(Group::needs_a_page) {
                for (group, pages) in reading.iter_mut().zip(&mut pages) {
                    if group.needs_a_page() {
                        let page = pages.pop_front().unwrap();
                        let token = (!pages.is_empty()).then(|| "more".to_owned());
                        group.take(Page::Events(page, token));
                    }
                }
                given.extend(merged(&mut reading).into_iter().map(|(index, event)| {
                    (event.at, index, event.message.parse::<usize>().unwrap())
                }));
            }
            prop_assert_eq!(given, all);
        }
    }
}
