//! A stage's status: what is deployed, whether it answers, and its figures.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{
    table,
    text::{ADDED, CHANGED, FAINT, LINK, LOUD, REMOVED, STRONG, inline, line, paint, precise},
};
use crate::{
    engine::plan::{Action, Plan},
    observe::{
        Alarm, AlarmState, CountedBy, Open, Probe,
        series::Cost,
        status::{Pulse, Status},
        window::Window,
    },
    stack::figures::{Part, Unit},
};

/// For people, with a newline at its end.
pub fn render(status: &Status, now: Timestamp, width: Option<usize>) -> String {
    let mut shown = String::new();
    let scope = &status.stage.scope;
    let title = format!(
        "{} {} in {}",
        scope.project, scope.stage, scope.identity.region
    );
    line(&mut shown, &paint(STRONG, inline(&title)));
    let facts = [
        ("endpoint", endpoint(status)),
        ("deployed", deployed(status, now)),
        ("drift", drift(status.drift.as_ref())),
        ("alarms", alarms_in_short(&status.pulse.alarms)),
    ];
    for (name, fact) in facts {
        line(
            &mut shown,
            &format!("  {}  {fact}", paint(FAINT, format!("{name:<8}"))),
        );
    }
    line(&mut shown, "");
    shown.push_str(&figures(&status.pulse, &status.window));
    line(&mut shown, "");
    shown.push_str(&handlers(&status.pulse, width));
    line(&mut shown, "");
    shown.push_str(&queues(&status.pulse, width));
    let alarms = alarms(&status.pulse.alarms, now, width);
    if !alarms.is_empty() {
        line(&mut shown, "");
        shown.push_str(&alarms);
    }
    shown
}

/// What a look at the figures costs, and how fresh they are.
pub fn cost(cost: Cost) -> String {
    format!(
        "CloudWatch was asked for {} metrics: ${:.5} at AWS. It learns of AWS's own one to three minutes late.",
        cost.metrics,
        cost.dollars()
    )
}

fn endpoint(status: &Status) -> String {
    let address = status.stage.gateway.endpoint.as_deref().unwrap_or_default();
    let address = paint(LINK, inline(address));
    let took = |ms: u64| precise(Duration::from_millis(ms));
    let state = match &status.probe {
        None => return address,
        Some(Probe::Opened { took_ms }) => paint(ADDED, format!("answers, in {}", took(*took_ms))),
        Some(Probe::Refused { status, took_ms }) => paint(
            CHANGED,
            format!(
                "answers {status}, in {}: it refuses who has no origin and no credentials",
                took(*took_ms)
            ),
        ),
        Some(Probe::Failed { status }) => paint(LOUD, format!("fails: {status}")),
        Some(Probe::Silent { why }) => paint(LOUD, format!("doesn't answer: {}", inline(why))),
    };
    format!("{address}  {state}")
}

fn deployed(status: &Status, now: Timestamp) -> String {
    let Some(record) = &status.deployed else {
        return "not by a recorded deployment".to_owned();
    };
    let mut told = vec![format!(
        "#{}, {} ago ({}), by {}",
        record.number,
        ago(now, record.started_at),
        when(record.started_at),
        inline(&record.identity)
    )];
    if let Some(commit) = &record.commit {
        let short: String = commit.chars().take(12).collect();
        let changed = if commit.ends_with('+') && !short.ends_with('+') {
            "+"
        } else {
            ""
        };
        told.push(format!("commit {}{changed}", inline(&short)));
    }
    if let Some(run) = &record.run {
        told.push(inline(run).into_owned());
    }
    if !record.complete {
        told.push(paint(LOUD, "not to its end"));
    }
    told.join(", ")
}

fn drift(plan: Option<&Plan>) -> String {
    let Some(plan) = plan else {
        return paint(CHANGED, "can't be told");
    };
    if plan.is_empty() {
        return "none: everything but the code, which isn't compared, is as wsless.toml says"
            .to_owned();
    }
    let counts = [
        (Action::Create, "to create", ADDED),
        (Action::Update, "to change", CHANGED),
        (Action::Replace, "to replace", CHANGED),
        (Action::Delete, "to delete", REMOVED),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(action, words, style)| (plan.count(action), words, style))
        .filter(|(count, ..)| *count > 0)
        .map(|(count, words, style)| paint(style, format!("{count} {words}")))
        .collect();
    let first: Vec<String> = plan
        .effective()
        .take(3)
        .map(|change| inline(&change.address.to_string()).into_owned())
        .collect();
    let more = if plan.effective().count() > first.len() {
        ", ..."
    } else {
        ""
    };
    format!(
        "{} ({}{more}): see `wsless plan`",
        counts.join(", "),
        first.join(", ")
    )
}

fn alarms_in_short(alarms: &[Alarm]) -> String {
    let count = |state| alarms.iter().filter(|alarm| alarm.state == state).count();
    let (on, unknown) = (count(AlarmState::Alarm), count(AlarmState::Unknown));
    let all = alarms.len();
    if all == 0 {
        return "none".to_owned();
    }
    let state = if on == 0 {
        format!("none of {all} is on")
    } else {
        paint(LOUD, format!("{on} of {all} on"))
    };
    if unknown > 0 {
        format!("{state}, {unknown} without data yet")
    } else {
        state
    }
}

fn figures(pulse: &Pulse, window: &Window) -> String {
    let mut shown = String::new();
    let title = format!("{} to {}", when(window.since), when(window.until));
    line(&mut shown, &paint(STRONG, title));
    let value = |part: &Part, key: &str| of(pulse, part, key);
    let rate = |part: &Part, key: &str| match pulse.value(part, key) {
        Some(sum) => format!(
            "{} ({:.1}/min)",
            number(Some(sum), Unit::Count),
            sum / window.minutes()
        ),
        None => "-".to_owned(),
    };
    let (connections, messages, errors) = (Part::Connections, Part::Messages, Part::Errors);
    let rows = [
        (
            "connections",
            format!(
                "open {}, opened {}, closed {}, refused {}",
                open(pulse.open),
                rate(&connections, "connections-opened"),
                value(&connections, "connections-closed"),
                value(&connections, "connections-refused")
            ),
        ),
        (
            "",
            format!(
                "lasted p50 {}, p95 {}",
                value(&connections, "connection-duration-p50"),
                value(&connections, "connection-duration-p95")
            ),
        ),
        (
            "messages",
            format!(
                "in {}, out {}, both ways by API Gateway {}",
                rate(&messages, "messages-in"),
                rate(&messages, "messages-out"),
                value(&messages, "messages")
            ),
        ),
        (
            "",
            format!(
                "from frame to push p50 {}, p95 {}, p99 {}",
                value(&messages, "message-latency-p50"),
                value(&messages, "message-latency-p95"),
                value(&messages, "message-latency-p99")
            ),
        ),
        (
            "",
            format!(
                "to nobody {}, throttled {}, given up {}",
                value(&messages, "pushes-gone"),
                value(&messages, "pushes-throttled"),
                value(&messages, "pushes-dropped")
            ),
        ),
        (
            "errors",
            format!(
                "client {}, integration {}, execution {}",
                bad(pulse, &errors, "client-errors"),
                bad(pulse, &errors, "integration-errors"),
                bad(pulse, &errors, "execution-errors")
            ),
        ),
    ];
    for (name, row) in rows {
        line(
            &mut shown,
            &format!("  {}  {row}", paint(FAINT, format!("{name:<11}"))),
        );
    }
    shown
}

fn handlers(pulse: &Pulse, width: Option<usize>) -> String {
    let rows: Vec<Vec<String>> = pulse
        .handlers()
        .into_iter()
        .map(|handler| {
            let part = Part::Handler(handler.to_owned());
            let keys = [
                "invocations",
                "errors",
                "throttles",
                "duration-p50",
                "duration-p95",
                "duration-p99",
            ];
            let values = keys.map(|key| of(pulse, &part, key));
            std::iter::once(handler.to_owned()).chain(values).collect()
        })
        .collect();
    let headers = [
        "handler",
        "invocations",
        "errors",
        "throttles",
        "p50",
        "p95",
        "p99",
    ];
    table::render(&headers, &rows, width)
}

fn queues(pulse: &Pulse, width: Option<usize>) -> String {
    let rows: Vec<Vec<String>> = pulse
        .queue_names()
        .into_iter()
        .map(|queue| {
            let part = Part::Queue(queue.to_owned());
            let held = pulse.queue(queue);
            let dead = pulse.queue(&format!("{queue}-dlq"));
            let or_nothing = |count: Option<u64>| {
                count.map_or_else(|| "-".to_owned(), |count| count.to_string())
            };
            vec![
                queue.to_owned(),
                or_nothing(held.map(|held| held.waiting)),
                or_nothing(held.map(|held| held.in_flight)),
                of(pulse, &part, "depth"),
                of(pulse, &part, "age"),
                or_nothing(dead.map(|dead| dead.waiting)),
            ]
        })
        .collect();
    let headers = [
        "queue",
        "waiting",
        "in flight",
        "most waiting",
        "longest wait",
        "dead letters",
    ];
    table::render(&headers, &rows, width)
}

/// Those that are on, or can't tell.
fn alarms(alarms: &[Alarm], now: Timestamp, width: Option<usize>) -> String {
    let rows: Vec<Vec<String>> = alarms
        .iter()
        .filter(|alarm| alarm.state == AlarmState::Alarm)
        .map(|alarm| {
            let since = alarm.since.map_or_else(String::new, |at| ago(now, at));
            vec![alarm.name.clone(), since, alarm.description.clone()]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    table::render(&["alarm", "for", "what it means"], &rows, width)
}

/// How many are open, and how that is known.
pub fn open(open: Option<Open>) -> String {
    match open {
        None => "-".to_owned(),
        Some(Open { count, source }) => match source {
            CountedBy::Registry => format!("{count} (by the registry)"),
            CountedBy::RegistryAtLeast => format!("{count} or more (by the registry)"),
            CountedBy::Metrics => format!("{count} (estimated: opened less closed in two hours)"),
        },
    }
}

fn of(pulse: &Pulse, part: &Part, key: &str) -> String {
    pulse
        .figure(part, key)
        .map_or_else(|| "-".to_owned(), |one| number(one.value, one.figure.unit))
}

/// Loud if it's anything.
fn bad(pulse: &Pulse, part: &Part, key: &str) -> String {
    let shown = of(pulse, part, key);
    match pulse.value(part, key) {
        Some(value) if value > 0.0 => paint(LOUD, shown),
        _ => shown,
    }
}

/// A value with its unit; `-` where there's nothing to tell of.
pub fn number(value: Option<f64>, unit: Unit) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return "-".to_owned();
    };
    match unit {
        // Averages aren't whole.
        Unit::Count if value.fract() == 0.0 => format!("{value:.0}"),
        Unit::Count => format!("{value:.1}"),
        Unit::Milliseconds => time(value / 1000.0),
        Unit::Seconds => time(value),
    }
}

fn time(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time >= Duration::from_hours(1) => {
            let minutes = time.as_secs() / 60;
            format!("{}h {:02}m", minutes / 60, minutes % 60)
        }
        Ok(time) => precise(time),
        Err(_) => "-".to_owned(),
    }
}

/// A time where people are.
pub fn when(at: Timestamp) -> String {
    let zoned = at.to_zoned_datetime(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M").to_string()
}

/// How long ago: `40s`, `12m`, `3h`, `5d`.
pub fn ago(now: Timestamp, then: Timestamp) -> String {
    let seconds = (now.as_second() - then.as_second()).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// For machines: times in milliseconds, ages in seconds, as the figures' names say.
pub fn fields(status: &Status) -> Value {
    let (scope, pulse) = (&status.stage.scope, &status.pulse);
    let mut figures = Map::new();
    for measured in &pulse.figures {
        if !matches!(measured.figure.part, Part::Handler(_) | Part::Queue(_)) {
            figures.insert(measured.figure.name(), json!(measured.value));
        }
    }
    let of_part = |part: &Part| -> Map<String, Value> {
        pulse
            .figures
            .iter()
            .filter(|measured| measured.figure.part == *part)
            .map(|measured| (measured.figure.key.to_owned(), json!(measured.value)))
            .collect()
    };
    let handlers: Vec<Value> = pulse
        .handlers()
        .into_iter()
        .map(|name| json!({ "name": name, "figures": of_part(&Part::Handler(name.to_owned())) }))
        .collect();
    let queues: Vec<Value> = pulse
        .queue_names()
        .into_iter()
        .map(|name| {
            let (held, dead) = (pulse.queue(name), pulse.queue(&format!("{name}-dlq")));
            json!({
                "name": name,
                "waiting": held.map(|held| held.waiting),
                "in_flight": held.map(|held| held.in_flight),
                "dead_letters": dead.map(|dead| dead.waiting),
                "figures": of_part(&Part::Queue(name.to_owned())),
            })
        })
        .collect();
    json!({
        "project": scope.project,
        "stage": scope.stage,
        "region": scope.identity.region,
        "account": scope.identity.account,
        "api": status.stage.gateway.api_id,
        "endpoint": status.stage.gateway.endpoint,
        "probe": status.probe,
        "deployed": status.deployed.as_ref().map(|record| json!({
            "number": record.number,
            "command": record.command,
            "complete": record.complete,
            "started_at": record.started_at,
            "identity": record.identity,
            "run": record.run,
            "commit": record.commit,
            "wsless": record.wsless,
        })),
        "drift": status.drift.as_ref().map(|plan| json!({
            "create": plan.count(Action::Create),
            "update": plan.count(Action::Update),
            "replace": plan.count(Action::Replace),
            "delete": plan.count(Action::Delete),
        })),
        "since": status.window.since,
        "until": status.window.until,
        "open": pulse.open,
        "figures": figures,
        "handlers": handlers,
        "queues": queues,
        "alarms": pulse.alarms,
        "cost": { "metrics": pulse.cost.metrics, "dollars": pulse.cost.dollars() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_what_people_count_in() {
        let shown = |value, unit| number(Some(value), unit);
        assert_eq!(shown(12.0, Unit::Count), "12");
        assert_eq!(shown(2.5, Unit::Count), "2.5");
        assert_eq!(shown(34.5, Unit::Milliseconds), "34.5 ms");
        assert_eq!(shown(5_400_000.0, Unit::Milliseconds), "1h 30m");
        assert_eq!(shown(90.0, Unit::Seconds), "1m 30s");
        assert_eq!(number(None, Unit::Count), "-");
        assert_eq!(shown(f64::NAN, Unit::Count), "-");
        assert_eq!(shown(-1.0, Unit::Seconds), "-");
    }

    #[test]
    fn a_drift_is_told_in_one_line() {
        assert!(drift(Some(&Plan::default())).starts_with("none"));
        assert!(drift(None).contains("can't be told"));
    }

    #[test]
    fn an_age_has_one_unit() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let then = |seconds: i64| Timestamp::from_second(1_000_000 - seconds).expect("a time");
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (61, "1m"),
            (7_300, "2h"),
            (200_000, "2d"),
            (-5, "0s"),
        ] {
            assert_eq!(ago(now, then(seconds)), shown);
        }
    }

    #[test]
    fn a_look_says_what_it_costs() {
        assert!(cost(Cost { metrics: 43 }).contains("43 metrics: $0.00043"));
    }
}
