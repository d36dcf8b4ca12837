//! A line to the cloud on which anything may be said, be it HTTP, WebSocket frames or neither.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::Cloud;

/// How long an answer may take.
const BOUND: Duration = Duration::from_mins(1);

/// A TCP connection.
pub struct Line(pub TcpStream);

/// What came over it: a response's head and its body, or less.
pub struct Heard(pub String);

impl Heard {
    /// The status; 0 if nothing that is a response came.
    pub fn status(&self) -> u16 {
        let words = self.0.strip_prefix("HTTP/1.1 ").unwrap_or_default();
        let status = words.split(' ').next().unwrap_or_default();
        status.parse().unwrap_or_default()
    }
}

impl Line {
    pub fn new(cloud: &Cloud) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", cloud.emulator.port())).expect("a line");
        stream.set_read_timeout(Some(BOUND)).expect("a timeout");
        stream.set_write_timeout(Some(BOUND)).expect("a timeout");
        Self(stream)
    }

    /// Says something; nothing happens if the other end has hung up.
    pub fn say(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// All that comes until the other end hangs up.
    pub fn hear(&mut self) -> Heard {
        let mut heard = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut heard) {
            // What was said too much makes the other end reset the line, after its answer.
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        Heard(String::from_utf8_lossy(&heard).into_owned())
    }

    /// A response's head, and as much of its body as its Content-Length says.
    pub fn hear_response(&mut self) -> Heard {
        let mut heard = Vec::new();
        let mut byte = [0];
        while !heard.ends_with(b"\r\n\r\n") && self.0.read(&mut byte).expect("a head") > 0 {
            heard.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&heard).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        heard.extend(body);
        Heard(String::from_utf8_lossy(&heard).into_owned())
    }

    /// Opens a WebSocket.
    pub fn open(cloud: &Cloud, path: &str) -> Self {
        let mut line = Self::new(cloud);
        line.say(handshake(cloud, path).as_bytes());
        let heard = line.hear_response();
        assert_eq!(heard.status(), 101, "{}", heard.0);
        line
    }

    /// Says the same until it's told to stop. How much was said, whether or not the other end listened.
    pub fn flood(self, bytes: &[u8], stop: impl Fn() -> bool) -> usize {
        let mut stream = self.0;
        stream.set_nonblocking(true).expect("a line");
        let (mut said, mut from) = (0, 0);
        while !stop() {
            match stream.write(&bytes[from..]) {
                Ok(0) => break,
                Ok(written) => {
                    said += written;
                    from = (from + written) % bytes.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(_) => break,
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
        said
    }

    /// Whether the other end hangs up within this time.
    pub fn is_ended_within(&mut self, bound: Duration) -> bool {
        let until = Instant::now() + bound;
        let mut bytes = [0; 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.0.set_read_timeout(Some(left)).expect("a timeout");
            match self.0.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
        }
    }
}

/// A handshake's request.
pub fn handshake(cloud: &Cloud, path: &str) -> String {
    let port = cloud.emulator.port();
    format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A client's frame; the mask is of zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 0x7e);
            let length = u16::try_from(payload.len()).expect("a short frame");
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
