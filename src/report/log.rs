//! Log lines for people: a time, a handler in its colour, a level, words, fields.

use anstyle::Style;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::Value;

use super::{
    Report, json,
    text::{CHANGED, FAINT, LOUD, hue, inline, line, paint, sanitize, width},
};
use crate::observe::{Content, Kind, Level, LogLine};

/// Which times are shown with lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// None: they come as they are written.
    None,
    /// On a terminal those of this place, with the date where it changes; elsewhere whole ones in UTC.
    Local,
    /// UTC everywhere.
    Utc,
}

/// Where log lines are shown.
pub struct Lines {
    report: Report,
    layout: Layout,
}

impl Lines {
    pub(super) fn new<'n>(
        report: &Report,
        handlers: impl IntoIterator<Item = &'n str>,
        times: Times,
    ) -> Self {
        let is_terminal = report.0.out_is_terminal;
        let stamps = match times {
            Times::None => Stamps::None,
            Times::Local if is_terminal => Stamps::Clock(TimeZone::system()),
            Times::Utc if is_terminal => Stamps::Clock(TimeZone::UTC),
            Times::Local | Times::Utc => Stamps::Whole,
        };
        Self {
            report: report.clone(),
            layout: Layout {
                names: handlers
                    .into_iter()
                    .map(|name| width(&inline(name)))
                    .max()
                    .unwrap_or(0),
                stamps,
                day: None,
                breaks: is_terminal,
            },
        }
    }

    /// Shows lines.
    pub fn show<'l>(&mut self, lines: impl IntoIterator<Item = &'l LogLine>) {
        let mut shown = String::new();
        if self.report.is_json() {
            for log in lines {
                line(&mut shown, &json::line("log", json::log_line(log)));
            }
        } else {
            for log in lines {
                self.layout.render(&mut shown, log);
            }
        }
        if !shown.is_empty() {
            self.report.print_out(&shown);
        }
    }
}

/// How times are written.
enum Stamps {
    None,
    /// RFC 3339 in UTC.
    Whole,
    /// The time of day, with a line where the day changes.
    Clock(TimeZone),
}

/// How lines are laid out.
struct Layout {
    /// The columns of the handlers' names.
    names: usize,
    stamps: Stamps,
    day: Option<Date>,
    /// Whether a message of several lines is shown as such.
    breaks: bool,
}

impl Layout {
    fn render(&mut self, shown: &mut String, log: &LogLine) {
        let stamp = self.stamp(shown, log.at);
        let name = inline(&log.handler);
        self.names = self.names.max(width(&name));
        let gap = " ".repeat(self.names - width(&name));
        let margin = stamp.len() + self.names + 9;
        let head = format!(
            "{}{}{gap}  {}  ",
            paint(FAINT, stamp),
            paint(hue(&log.handler), name),
            level(log.content.level)
        );
        line(
            shown,
            &format!(
                "{head}{}",
                words(&log.content, self.breaks.then_some(margin))
            ),
        );
    }

    fn stamp(&mut self, shown: &mut String, at: Timestamp) -> String {
        match &self.stamps {
            Stamps::None => String::new(),
            Stamps::Whole => format!("{at:.3}  "),
            Stamps::Clock(zone) => {
                let time = at.to_zoned_datetime(zone.clone());
                if self.day != Some(time.date()) {
                    self.day = Some(time.date());
                    let place = if *zone == TimeZone::UTC {
                        "times are UTC".to_owned()
                    } else {
                        format!("times are local, UTC{}", time.offset())
                    };
                    line(shown, &paint(FAINT, format!("{}, {place}", time.date())));
                }
                format!("{}  ", time.strftime("%H:%M:%S%.3f"))
            }
        }
    }
}

/// What a line says, safe for a terminal: in one line, or the lines of its message beyond a margin if there's one.
pub(super) fn words(content: &Content, margin: Option<usize>) -> String {
    if content.kind != Kind::Own && content.level < Level::Error {
        return paint(FAINT, inline(&content.message));
    }
    let message = match margin {
        Some(margin) => {
            let indent = format!("\n{}", " ".repeat(margin));
            sanitize(&content.message).replace('\n', &indent)
        }
        None => inline(&content.message).into_owned(),
    };
    let mut words = match style(content.level) {
        Some(style) => paint(style, message),
        None => message,
    };
    let fields = content.fields.iter().filter(|_| content.has_message);
    for (name, value) in fields {
        let value = match value {
            Value::String(text) => inline(text).into_owned(),
            other => inline(&other.to_string()).into_owned(),
        };
        words.push(' ');
        words.push_str(&paint(FAINT, format!("{}={value}", inline(name))));
    }
    words
}

/// The level in five columns.
fn level(level: Level) -> String {
    let style = style(level).unwrap_or(FAINT);
    paint(style, format!("{:5}", level.word()))
}

fn style(level: Level) -> Option<Style> {
    match level {
        Level::Error => Some(LOUD),
        Level::Warn => Some(CHANGED),
        Level::Info => None,
        Level::Debug => Some(FAINT),
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use proptest::prelude::*;

    use super::*;

    fn log(at: i64, handler: &str, text: &str) -> LogLine {
        LogLine::new(Timestamp::from_second(at).unwrap(), handler, text)
    }

    fn layout(stamps: Stamps, breaks: bool) -> Layout {
        Layout {
            names: 4,
            stamps,
            day: None,
            breaks,
        }
    }

    fn shown(layout: &mut Layout, lines: &[LogLine]) -> String {
        let mut shown = String::new();
        for line in lines {
            layout.render(&mut shown, line);
        }
        strip_str(&shown).to_string()
    }

    #[test]
    fn lines_are_laid_out_in_columns_and_json_becomes_words_and_fields() {
        let lines = [
            log(
                0,
                "echo",
                "{\"level\":\"WARN\",\"message\":\"slow\",\"route\":\"say\",\"ms\":7}\n",
            ),
            log(0, "connect", "plain words"),
            log(0, "push", "{\"a\":1}"),
            log(0, "push", "\u{1b}[2J"),
            log(0, "push", "{\"message\":\"\\u001b[2J\\nb\"}"),
            log(0, "push", "END RequestId: 1"),
        ];
        assert_eq!(
            shown(&mut layout(Stamps::None, false), &lines),
            "echo  warn   slow route=say ms=7\n\
             connect  info   plain words\n\
             push     info   {\"a\":1}\n\
             push     info   \u{241b}[2J\n\
             push     info   \u{241b}[2J\u{2424}b\n\
             push     info   END RequestId: 1\n"
        );
    }

    #[test]
    fn times_say_their_date_and_their_zone() {
        let lines = [
            log(86_399, "echo", "a"),
            log(86_400, "echo", "b"),
            log(86_401, "echo", "c"),
        ];
        assert_eq!(
            shown(&mut layout(Stamps::Whole, false), &lines[..1]),
            "1970-01-01T23:59:59.000Z  echo  info   a\n"
        );
        assert_eq!(
            shown(&mut layout(Stamps::Clock(TimeZone::UTC), true), &lines),
            "1970-01-01, times are UTC\n23:59:59.000  echo  info   a\n\
             1970-01-02, times are UTC\n00:00:00.000  echo  info   b\n00:00:01.000  echo  info   c\n"
        );
        let there = TimeZone::fixed(jiff::tz::offset(2));
        let here = shown(&mut layout(Stamps::Clock(there), true), &lines[..1]);
        assert_eq!(
            here,
            "1970-01-02, times are local, UTC+02\n01:59:59.000  echo  info   a\n"
        );
    }

    #[test]
    fn on_a_terminal_a_message_of_several_lines_stays_in_its_column() {
        let lines = [log(0, "echo", r#"{"message":"a\nb","x":"c\nd"}"#)];
        assert_eq!(
            shown(&mut layout(Stamps::None, true), &lines),
            "echo  info   a\n             b x=c\u{2424}d\n"
        );
    }

    proptest! {
        #[test]
        fn no_line_commands_a_terminal_or_looks_like_two(text in any::<String>(), json in any::<bool>()) {
            let text = if json { serde_json::json!({"message": text, "level": text, &text: text}).to_string() } else { text };
            let shown = shown(&mut layout(Stamps::Whole, false), &[log(0, "echo", &text)]);
            prop_assert!(shown.trim_end_matches('\n').chars().all(|c| !c.is_control()), "{shown:?}");
        }
    }
}
