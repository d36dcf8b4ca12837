//! A WebSocket message on its way: when, which way, what, and how long the answer took.

use std::time::Duration;

use jiff::{Timestamp, ZonedDateTime};
use serde_json::{Value, json};

use super::{
    Report, highlight,
    text::{ADDED, FAINT, LINK, paint, precise},
};

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the system.
    Sent,
    /// From the system.
    Received,
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Which way.
    pub way: Way,
    /// What; untrusted.
    pub text: &'a str,
    /// How long after the message before it, which went the other way.
    pub round_trip: Option<Duration>,
}

impl Report {
    /// A message, on standard output.
    pub fn frame(&self, frame: Frame<'_>) {
        let now = ZonedDateTime::now();
        if self.is_json() {
            self.record("frame", fields(frame, now.timestamp()));
        } else {
            let at = now.strftime("%H:%M:%S%.3f").to_string();
            self.print_out(&render(frame, &at));
        }
    }
}

fn render(frame: Frame<'_>, at: &str) -> String {
    let arrow = match frame.way {
        Way::Sent => paint(LINK, "→"),
        Way::Received => paint(ADDED, "←"),
    };
    let mut shown = format!(
        "{} {arrow} {}",
        paint(FAINT, at),
        highlight::json(frame.text)
    );
    if let Some(took) = frame.round_trip {
        shown.push_str("  ");
        shown.push_str(&paint(FAINT, precise(took)));
    }
    shown.push('\n');
    shown
}

fn fields(frame: Frame<'_>, at: Timestamp) -> Value {
    json!({
        "way": match frame.way {
            Way::Sent => "sent",
            Way::Received => "received",
        },
        "text": frame.text,
        "at": at,
        "round_trip_ms": frame.round_trip.map(|took| took.as_secs_f64() * 1000.0),
    })
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_message_is_a_line_with_its_way_and_time() {
        let frame = Frame {
            way: Way::Received,
            text: "{\"pong\":7}\u{1b}[2J\n",
            round_trip: Some(Duration::from_micros(12_340)),
        };
        let shown = render(frame, "12:00:00.000");
        assert_eq!(
            strip_str(&shown).to_string(),
            "12:00:00.000 ← {\"pong\":7}\u{241b}[2J\u{2424}  12.3 ms\n"
        );
        let machines = fields(frame, Timestamp::UNIX_EPOCH);
        assert_eq!(machines["way"], "received");
        assert_eq!(machines["round_trip_ms"], 12.34);
    }
}
