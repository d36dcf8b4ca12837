//! Whether processors are what is short: then more processes only wait for each other.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// It isn't looked at more often.
const LOOK: Duration = Duration::from_millis(5);
/// A moment says little: this many count.
const MOMENTS: f64 = 8.0;

/// How many threads want a processor, of late.
#[derive(Debug)]
pub(in crate::lambda) struct Crowd {
    cores: f64,
    state: Mutex<State>,
    #[cfg(test)]
    fixed: Option<bool>,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    runnable: f64,
}

impl Crowd {
    /// Whether more threads than there are processors have wanted one of late. Where the system doesn't tell: no.
    pub fn is_there(&self) -> bool {
        #[cfg(test)]
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let mut state = self.state.lock();
        if state.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            state.looked = Some(Instant::now());
            let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
            state.add(runnable(&told).unwrap_or_default());
        }
        state.runnable > self.cores
    }

    #[cfg(test)]
    pub fn fixed(is_there: bool) -> Self {
        Self {
            fixed: Some(is_there),
            ..Self::default()
        }
    }
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            cores: f64::from(u32::try_from(super::cores()).unwrap_or(u32::MAX)),
            state: Mutex::default(),
            #[cfg(test)]
            fixed: None,
        }
    }
}

impl State {
    fn add(&mut self, runnable: u32) {
        self.runnable += (f64::from(runnable) - self.runnable) / MOMENTS;
    }
}

/// Threads that run or could run, without the one that asks: `0.20 0.18 0.12 3/80 11206` are two (proc(5)).
fn runnable(loadavg: &str) -> Option<u32> {
    let (runnable, _) = loadavg.split_ascii_whitespace().nth(3)?.split_once('/')?;
    runnable
        .parse::<u32>()
        .ok()
        .map(|runnable| runnable.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(runnable("0.20 0.18 0.12 3/80 11206\n"), Some(2));
        assert_eq!(runnable("0.20 0.18 0.12 0/80 11206\n"), Some(0));
        for none in ["", "0.20", "a b c d e", "1 2 3 x/80 1"] {
            assert_eq!(runnable(none), None, "{none}");
        }
    }

    #[test]
    fn a_moment_is_no_crowd_and_a_crowd_isnt_over_in_a_moment() {
        let mut state = State::default();
        state.add(9);
        assert!(state.runnable < 2.0);
        for _ in 0..30 {
            state.add(9);
        }
        assert!(state.runnable > 8.0);
        state.add(0);
        assert!(state.runnable > 2.0);
        for _ in 0..30 {
            state.add(0);
        }
        assert!(state.runnable < 1.0);
    }
}
