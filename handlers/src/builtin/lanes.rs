//! Who gets what, in which order: a batch of messages as lanes, one a connection.
//!
//! Within a lane order is kept: a message that can't be delivered now holds back those after it. Lanes don't wait for
//! each other, so a slow client delays nobody else. Pure: `push` does the sending.

use std::collections::{HashMap, HashSet};

/// One connection, and the indices of the messages that it is to get, in the batch's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    pub connection: String,
    pub messages: Vec<usize>,
}

/// What is to happen with one message of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Delete it from the queue.
    Done,
    /// Nobody got it: it's to come back as it is.
    Retry,
    /// Some got it: only these connections are to get it again, as a new message.
    Rest(Vec<String>),
}

/// Makes the lanes of messages that have these targets. A connection that a message names twice gets it once.
pub(super) fn lanes(targets: &[Vec<String>]) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (message, connections) in targets.iter().enumerate() {
        let mut seen = HashSet::new();
        for connection in connections
            .iter()
            .filter(|id| !id.is_empty() && seen.insert(id.as_str()))
        {
            let lane = *known.entry(connection).or_insert_with(|| {
                lanes.push(Lane {
                    connection: connection.clone(),
                    messages: Vec::new(),
                });
                lanes.len() - 1
            });
            lanes[lane].messages.push(message);
        }
    }
    lanes
}

/// What the lanes' outcomes mean for each of `count` messages. `done[i]` is how many of the messages of `lanes[i]` need
/// nothing more: a lane ends at its first failure.
pub(super) fn verdicts(count: usize, lanes: &[Lane], done: &[usize]) -> Vec<Verdict> {
    let mut reached = vec![false; count];
    let mut rest: Vec<Vec<String>> = vec![Vec::new(); count];
    for (lane, done) in lanes.iter().zip(done) {
        for (i, message) in lane.messages.iter().enumerate() {
            if i < *done {
                reached[*message] = true;
            } else {
                rest[*message].push(lane.connection.clone());
            }
        }
    }
    rest.into_iter()
        .zip(reached)
        .map(|(rest, reached)| match (rest.is_empty(), reached) {
            (true, _) => Verdict::Done,
            (false, false) => Verdict::Retry,
            (false, true) => Verdict::Rest(rest),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(lists: &[&[&str]]) -> Vec<Vec<String>> {
        lists
            .iter()
            .map(|list| list.iter().map(|id| (*id).to_owned()).collect())
            .collect()
    }

    #[test]
    fn a_connections_messages_are_in_the_batchs_order() {
        let lanes = lanes(&targets(&[&["a"], &["b", "a", "b"], &[], &["a", ""]]));
        assert_eq!(
            lanes,
            [
                Lane {
                    connection: "a".into(),
                    messages: vec![0, 1, 3]
                },
                Lane {
                    connection: "b".into(),
                    messages: vec![1]
                },
            ]
        );
    }

    #[test]
    fn only_those_who_missed_it_get_it_again() {
        let lanes = lanes(&targets(&[&["a", "b", "c"], &["b"], &["a"], &[]]));
        assert_eq!(
            verdicts(4, &lanes, &[2, 0, 1]),
            [
                Verdict::Rest(vec!["b".into()]),
                Verdict::Retry,
                Verdict::Done,
                Verdict::Done,
            ]
        );
    }
}
