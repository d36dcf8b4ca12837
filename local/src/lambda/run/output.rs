//! What a process writes, line by line, with Lambda's own lines around each invocation.
//!
//! Standard output and standard error come by one pipe, so that their order is kept. Whoever ends an invocation reads what
//! the process has written so far before the report is added: a runtime writes before it answers, so the bytes are there.
//! Memory is bounded: a line, what waits to be stored, and how much a process may write in a second.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{net::unix::pipe::Receiver, sync::Notify, time::Instant};

use super::report;
use crate::clock::Millis;

/// The longest line; what is longer becomes several (CloudWatch's limit of an event was 256 KB).
const LINE: usize = 256 * 1024;
/// `LogResult` of an invocation: the last 4 KB.
const TAIL: usize = 4096;
/// Read at once.
const CHUNK: usize = 32 * 1024;
/// Read in a row before others get a turn; more than fits in a pipe.
const TURN: usize = 128 * 1024;
/// What a process may write in a second; the rest is dropped.
const RATE: usize = 16 * 1024 * 1024;
/// Lines that wait to be stored before they're stored without delay.
const MANY: usize = 1000;
/// Lines that wait at most; the rest is dropped.
const MOST: usize = 20_000;

/// An event of a log.
pub(super) type Line = (Millis, String);

/// What a process writes.
#[derive(Debug)]
pub(super) struct Output {
    pipe: Option<Receiver>,
    state: Mutex<State>,
    /// Told when there's something to store, and when there's much.
    pub wake: Notify,
}

#[derive(Debug)]
struct State {
    /// The beginning of a line.
    partial: Vec<u8>,
    waiting: Vec<Line>,
    buffer: Vec<u8>,
    tail: String,
    dropped: u64,
    second: Instant,
    written: usize,
    over: bool,
}

impl Output {
    /// What comes by a pipe; without one, only Lambda's own lines.
    pub fn new(pipe: Option<Receiver>) -> Self {
        Self {
            pipe,
            state: Mutex::new(State {
                partial: Vec::new(),
                waiting: Vec::new(),
                buffer: vec![0; CHUNK],
                tail: String::new(),
                dropped: 0,
                second: Instant::now(),
                written: 0,
                over: false,
            }),
            wake: Notify::new(),
        }
    }

    /// Resolves when the process has written something; never once it has closed its end.
    pub async fn readable(&self) {
        let open = !self.state.lock().over;
        match &self.pipe {
            Some(pipe) if open && pipe.readable().await.is_ok() => {}
            _ => std::future::pending().await,
        }
    }

    /// Reads what the process has written so far: whether that was much.
    pub fn read(&self) -> bool {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        let read = self.read_into(&mut state);
        self.tell(before, &state);
        read >= CHUNK
    }

    /// An invocation begins.
    pub fn begin(&self, request: &str, version: &str) {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        self.read_into(&mut state);
        state.tail.clear();
        state.add(report::start(request, version));
        self.tell(before, &state);
    }

    /// An invocation ends with these lines: the end of its log.
    pub fn end(&self, lines: Vec<String>) -> String {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        self.read_into(&mut state);
        state.end_line();
        for line in lines {
            state.add(line);
        }
        self.tell(before, &state);
        let mut tail = std::mem::take(&mut state.tail);
        keep_last(&mut tail, TAIL);
        tail
    }

    /// A line of Lambda's own.
    pub fn add(&self, line: String) {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        state.add(line);
        self.tell(before, &state);
    }

    /// What waits to be stored. `last`: nothing more will come.
    pub fn take(&self, last: bool) -> Vec<Line> {
        let mut state = self.state.lock();
        if last {
            self.read_into(&mut state);
            state.end_line();
        }
        if state.dropped > 0 {
            let line = format!(
                "wsless: {} lines were dropped here: the function writes more than {} MiB in a second\n",
                state.dropped,
                RATE / 1024 / 1024
            );
            state.dropped = 0;
            state.waiting.push((Millis::now(), line));
        }
        std::mem::take(&mut state.waiting)
    }

    fn tell(&self, before: usize, state: &State) {
        let now = state.waiting.len();
        if (before == 0 && now > 0) || (before < MANY && now >= MANY) {
            self.wake.notify_one();
        }
    }

    /// Reads past tokio's knowledge of the pipe's readiness, which may be behind what is already in it.
    fn read_into(&self, state: &mut State) -> usize {
        let Some(pipe) = &self.pipe else { return 0 };
        let mut all = 0;
        while all < TURN && !state.over {
            let mut buffer = std::mem::take(&mut state.buffer);
            let read = rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut buffer[..]));
            match read {
                Ok(0) => state.over = true,
                Ok(read) => {
                    all += read;
                    state.take_bytes(buffer.get(..read).unwrap_or_default());
                }
                Err(rustix::io::Errno::AGAIN) => {
                    // Tells tokio that the pipe is empty, so that `readable` waits for the next write.
                    let read = pipe.try_read(&mut buffer);
                    match read {
                        Ok(0) => state.over = true,
                        Ok(read) => {
                            all += read;
                            state.take_bytes(buffer.get(..read).unwrap_or_default());
                        }
                        Err(_) => {
                            state.buffer = buffer;
                            return all;
                        }
                    }
                }
                Err(_) => state.over = true,
            }
            state.buffer = buffer;
        }
        all
    }
}

impl State {
    fn take_bytes(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut rest = part;
            while self.partial.len() + rest.len() > LINE {
                let (fits, more) = rest.split_at(LINE.saturating_sub(self.partial.len()));
                self.partial.extend_from_slice(fits);
                self.end_line();
                rest = more;
            }
            if rest.ends_with(b"\n") && self.partial.is_empty() {
                self.add_bytes(rest);
            } else {
                self.partial.extend_from_slice(rest);
                if rest.ends_with(b"\n") {
                    self.end_line();
                }
            }
        }
    }

    fn end_line(&mut self) {
        if self.partial.is_empty() {
            return;
        }
        let mut line = std::mem::take(&mut self.partial);
        self.add_bytes(&line);
        line.clear();
        if line.capacity() <= CHUNK {
            self.partial = line;
        }
    }

    fn add_bytes(&mut self, line: &[u8]) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.second = Instant::now();
            self.written = 0;
        }
        self.written = self.written.saturating_add(line.len());
        if self.written > RATE || self.waiting.len() >= MOST {
            self.dropped += 1;
            return;
        }
        self.add(String::from_utf8_lossy(line).into_owned());
    }

    fn add(&mut self, line: String) {
        self.tail.push_str(&line);
        if self.tail.len() > 4 * TAIL {
            keep_last(&mut self.tail, TAIL);
        }
        if self.waiting.len() >= MOST {
            self.dropped += 1;
            return;
        }
        self.waiting.push((Millis::now(), line));
    }
}

/// Cuts a text's beginning off, between two characters.
fn keep_last(text: &mut String, most: usize) {
    let Some(mut from) = text.len().checked_sub(most).filter(|from| *from > 0) else {
        return;
    };
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.drain(..from);
}
