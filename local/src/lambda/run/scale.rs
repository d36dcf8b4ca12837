//! When another process is started. Pure.
//!
//! AWS starts one for every invocation that finds none idle. On one machine that's wrong for short invocations, where a few
//! processes on two cores do more than hundreds, and right for those that wait for something. So: a process whose
//! invocation has run for longer than [`slow`] says counts as waiting for something, and there are always a few others.

use std::time::Duration;

/// An invocation that has waited for less doesn't need another process: starting one takes longer.
const PATIENCE: Duration = Duration::from_millis(10);
/// What a process is expected to be done with in this time isn't worth counting it out.
const SLOW: Duration = Duration::from_millis(20);
/// The same where processors are short: there everything takes long, and whoever waits for something is known later.
const SLOW_IN_A_CROWD: Duration = Duration::from_millis(500);
/// A queue that is expected to take longer gets more processes, if more would help.
const LONG: Duration = Duration::from_millis(250);

/// What a version's processes are doing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Invocations that no process has yet.
    pub queued: usize,
    /// For how long the oldest of them has waited.
    pub waited: Duration,
    /// Processes that have asked for work.
    pub ready: usize,
    /// Processes that haven't yet.
    pub starting: usize,
    /// Ready ones whose invocation has run for longer than [`slow`] says.
    pub slow: usize,
    /// How long an invocation takes on the whole.
    pub mean: Duration,
    /// How long the quickest of late took.
    pub least: Duration,
    /// Processes that there may be.
    pub most: usize,
    /// Of the machine.
    pub cores: usize,
}

/// An invocation that has run for longer is one that waits for something.
pub(super) fn slow(is_crowded: bool) -> Duration {
    if is_crowded { SLOW_IN_A_CROWD } else { SLOW }
}

/// How many processes to start now.
pub(super) fn starts(load: &Load) -> usize {
    let there = load.ready.saturating_add(load.starting);
    let room = load.most.saturating_sub(there);
    if load.queued == 0 || room == 0 {
        return 0;
    }
    if there == 0 {
        return 1;
    }
    if load.waited < PATIENCE {
        return 0;
    }
    let few = load.cores.saturating_add(2).clamp(3, 10);
    let free = load
        .ready
        .saturating_sub(load.slow)
        .saturating_add(load.starting);
    let more = if load.ready > 0 && load.slow >= load.ready {
        // All wait for something: twice as many.
        load.ready.max(few).saturating_sub(load.starting)
    } else if free < few {
        few - free
    } else if is_worth_it(load, free) {
        free
    } else {
        0
    };
    // Starting takes the processors' time, so only so many do at once.
    let at_once = load.cores.saturating_mul(8).max(8);
    more.min(load.queued.saturating_sub(load.starting))
        .min(at_once.saturating_sub(load.starting))
        .min(room)
}

/// Whether a long queue of invocations of middling length would get shorter by more processes. When the processors are what
/// is short, invocations take much longer than the quickest one, and more processes would only make them take longer still.
fn is_worth_it(load: &Load, free: usize) -> bool {
    let queued = u32::try_from(load.queued).unwrap_or(u32::MAX);
    let by = u32::try_from(free).unwrap_or(u32::MAX).max(1);
    let expected = load.mean.saturating_mul(queued) / by;
    expected > LONG
        && load.least > Duration::from_millis(1)
        && load.mean < load.least.saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A second of a function's life in steps of a millisecond: every invocation takes so long, a start takes 30 ms.
    fn processes_for(
        invocations: usize,
        each: Duration,
        cores: usize,
        is_crowded: bool,
    ) -> (usize, Duration) {
        let mut load = Load {
            queued: invocations,
            most: 128,
            cores,
            ..Load::default()
        };
        let each = usize::try_from(each.as_millis()).unwrap();
        let (mut starting, mut busy): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        let (mut idle, mut arrived) = (0, 0);
        for now in 0..100_000 {
            idle += starting.iter().filter(|at| **at <= now).count();
            starting.retain(|at| *at > now);
            idle += busy.iter().filter(|at| **at + each <= now).count();
            busy.retain(|at| *at + each > now);
            while load.queued > 0 && idle > 0 {
                (load.queued, idle) = (load.queued - 1, idle - 1);
                busy.push(now);
            }
            if load.queued == 0 {
                arrived = now;
                break;
            }
            load.waited = MS * u32::try_from(now).unwrap();
            load.ready = idle + busy.len();
            load.starting = starting.len();
            let ran = |at: &&usize| MS * u32::try_from(now - **at).unwrap();
            load.slow = busy.iter().filter(|at| ran(at) > slow(is_crowded)).count();
            load.mean = MS * u32::try_from(each).unwrap();
            load.least = load.mean;
            starting.extend(std::iter::repeat_n(now + 30, starts(&load)));
        }
        let there = idle + busy.len() + starting.len();
        (there, MS * u32::try_from(arrived).unwrap())
    }

    #[test]
    fn a_burst_of_quick_invocations_gets_a_few_processes() {
        let (processes, until) = processes_for(500, MS, 2, false);
        assert!(processes <= 5, "{processes}");
        assert!(until < MS * 400, "{until:?}");
    }

    #[test]
    fn slow_invocations_at_once_get_a_process_each() {
        let (processes, until) = processes_for(50, MS * 1000, 2, false);
        assert!(processes >= 50, "{processes}");
        assert!(until < MS * 600, "{until:?}");
    }

    #[test]
    fn middling_ones_get_more_when_the_queue_is_long() {
        let (processes, until) = processes_for(1000, MS * 15, 2, false);
        assert!((8..=64).contains(&processes), "{processes}");
        assert!(until < MS * 1500, "{until:?}");
    }

    #[test]
    fn where_processors_are_short_what_waits_for_another_invocation_isnt_left_waiting() {
        assert!(slow(true) > slow(false));
        let (processes, until) = processes_for(50, MS * 10_000, 2, true);
        assert!(processes >= 50, "{processes}");
        assert!(until < MS * 4000, "{until:?}");
    }

    #[test]
    fn crowded_processors_get_no_more_processes() {
        let load = Load {
            queued: 900,
            waited: MS * 500,
            ready: 4,
            mean: MS * 8,
            least: MS * 2,
            most: 128,
            cores: 2,
            ..Load::default()
        };
        assert_eq!(starts(&load), 0);
    }

    #[test]
    fn the_first_invocation_starts_one_process_at_once_and_the_bound_holds() {
        let mut load = Load {
            queued: 500,
            most: 128,
            cores: 2,
            ..Load::default()
        };
        assert_eq!(starts(&load), 1);
        load.starting = 1;
        assert_eq!(starts(&load), 0);
        let full = Load {
            waited: MS * 9000,
            ready: 128,
            slow: 128,
            starting: 0,
            ..load
        };
        assert_eq!(starts(&full), 0);
    }
}
