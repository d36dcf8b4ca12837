//! Followers of what is written: each has a queue of its own, bounded in lines and bytes. Who lags loses the oldest lines
//! and is told how many.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::clock::Millis;

const MOST_LINES: usize = 20_000;
const MOST_BYTES: usize = 8 << 20;

/// A log event as a follower gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The group.
    pub group: Arc<str>,
    /// The stream.
    pub stream: Arc<str>,
    /// When it happened, says its writer.
    pub at: Millis,
    /// When it was written.
    pub ingested: Millis,
    /// What it says.
    pub message: Arc<str>,
}

/// What came since a follower last looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// The lines, in the order they were written.
    pub lines: Vec<Line>,
    /// How many were lost before them, because the follower was too slow.
    pub missed: u64,
}

/// Follows what is written from now on, until it's dropped.
#[derive(Debug)]
pub struct Follower {
    queue: Arc<Queue>,
}

#[derive(Debug)]
struct Queue {
    groups: Option<Vec<String>>,
    waiting: Mutex<Waiting>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Line>,
    bytes: usize,
    missed: u64,
}

/// All followers there are.
#[derive(Debug, Default)]
pub struct Followers {
    queues: RwLock<Vec<Weak<Queue>>>,
    count: AtomicUsize,
}

impl Followers {
    /// A new one, of some groups or of all.
    pub fn follow(&self, groups: Option<Vec<String>>) -> Follower {
        let queue = Arc::new(Queue {
            groups,
            waiting: Mutex::default(),
            came: Notify::new(),
        });
        let mut queues = self.queues.write();
        queues.retain(|known| known.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        self.count.store(queues.len(), Ordering::Relaxed);
        Follower { queue }
    }

    /// Whether somebody follows a group; cheap if nobody follows anything.
    pub fn is_wanted(&self, group: &str) -> bool {
        self.count.load(Ordering::Relaxed) > 0
            && self
                .queues
                .read()
                .iter()
                .filter_map(Weak::upgrade)
                .any(|queue| queue.wants(group))
    }

    /// Tells them of what was written to a group.
    pub fn tell(&self, group: &str, lines: &[Line]) {
        for queue in self.queues.read().iter().filter_map(Weak::upgrade) {
            if queue.wants(group) {
                queue.push(lines);
            }
        }
    }
}

impl Queue {
    fn wants(&self, group: &str) -> bool {
        self.groups
            .as_ref()
            .is_none_or(|groups| groups.iter().any(|known| known == group))
    }

    fn push(&self, lines: &[Line]) {
        let mut waiting = self.waiting.lock();
        for line in lines {
            waiting.bytes += line.message.len();
            waiting.lines.push_back(line.clone());
        }
        while waiting.lines.len() > MOST_LINES || waiting.bytes > MOST_BYTES {
            let Some(lost) = waiting.lines.pop_front() else {
                break;
            };
            waiting.bytes -= lost.message.len();
            waiting.missed += 1;
        }
        drop(waiting);
        self.came.notify_one();
    }
}

impl Follower {
    /// What came since the last time, without waiting.
    pub fn take(&mut self) -> Followed {
        let waiting = std::mem::take(&mut *self.queue.waiting.lock());
        Followed {
            lines: waiting.lines.into(),
            missed: waiting.missed,
        }
    }

    /// Waits until something comes.
    pub async fn next(&mut self) -> Followed {
        loop {
            let followed = self.take();
            if !followed.lines.is_empty() || followed.missed > 0 {
                return followed;
            }
            self.queue.came.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Followers, Line, MOST_BYTES, MOST_LINES};
    use crate::clock::Millis;

    fn lines(group: &str, messages: &[&str]) -> Vec<Line> {
        messages
            .iter()
            .map(|message| Line {
                group: group.into(),
                stream: "s".into(),
                at: Millis(1),
                ingested: Millis(2),
                message: (*message).into(),
            })
            .collect()
    }

    #[tokio::test]
    async fn a_follower_gets_what_is_written_after_it_came() {
        let followers = Followers::default();
        followers.tell("a", &lines("a", &["before"]));
        let mut all = followers.follow(None);
        let mut some = followers.follow(Some(vec!["b".to_owned()]));
        followers.tell("a", &lines("a", &["one", "two"]));
        followers.tell("b", &lines("b", &["three"]));
        let messages: Vec<String> = all
            .next()
            .await
            .lines
            .iter()
            .map(|line| line.message.to_string())
            .collect();
        assert_eq!(messages, ["one", "two", "three"]);
        assert_eq!(some.next().await.lines.len(), 1);
    }

    #[tokio::test]
    async fn who_lags_loses_the_oldest_and_is_told() {
        let followers = Followers::default();
        let mut follower = followers.follow(None);
        for index in 0..MOST_LINES + 5 {
            followers.tell("a", &lines("a", &[&index.to_string()]));
        }
        let followed = follower.next().await;
        assert_eq!(followed.missed, 5);
        assert_eq!(&*followed.lines[0].message, "5");
        let long = "x".repeat(MOST_BYTES / 4);
        for _ in 0..6 {
            followers.tell("a", &lines("a", &[&long]));
        }
        let followed = follower.take();
        assert_eq!((followed.missed, followed.lines.len()), (2, 4));
    }

    #[test]
    fn only_followers_that_are_there_want_something() {
        let followers = Followers::default();
        assert!(!followers.is_wanted("a"));
        let one = followers.follow(Some(vec!["a".to_owned()]));
        assert!(followers.is_wanted("a") && !followers.is_wanted("b"));
        drop(one);
        assert!(!followers.is_wanted("a"));
    }
}
