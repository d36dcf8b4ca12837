//! What happened to alarms: configured, changed, acted; DescribeAlarmHistory.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    input::{Members, bad_token, lower},
    page,
};
use crate::{
    call::{Answer, Call, TIMESTAMP, timestamp},
    clock::Millis,
    error::Result,
};

/// No more is kept of a region's alarms.
const MOST: usize = 5000;
/// AWS keeps a history for 30 days [CloudWatch model, DescribeAlarmHistory].
const KEPT: i64 = 30 * 24 * 3_600_000;

/// AWS's limit of an item's data.
const LONGEST_DATA: usize = 4095;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// It was made, changed or deleted.
    ConfigurationUpdate,
    /// Its state changed.
    StateUpdate,
    /// An action was due.
    Action,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ConfigurationUpdate => "ConfigurationUpdate",
            Self::StateUpdate => "StateUpdate",
            Self::Action => "Action",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// To which alarm.
    pub alarm: String,
    /// When.
    pub at: Millis,
    /// What kind of thing.
    pub kind: Kind,
    /// In a sentence.
    pub summary: String,
    /// In JSON.
    pub data: String,
    /// Counts all that happened.
    #[serde(default)]
    number: u64,
}

/// What happened, the oldest first.
#[derive(Debug, Default)]
pub struct History {
    items: Mutex<VecDeque<Item>>,
}

impl History {
    /// Notes something.
    pub fn note(&self, alarm: &str, at: Millis, kind: Kind, summary: &str, data: &Value) {
        let mut items = self.items.lock();
        let number = items.back().map_or(0, |last| last.number + 1);
        let mut data = data.to_string();
        if data.chars().count() > LONGEST_DATA {
            data = json!({ "version": "1.0" }).to_string();
        }
        items.push_back(Item {
            alarm: alarm.to_owned(),
            at,
            kind,
            summary: summary.chars().take(255).collect(),
            data,
            number,
        });
        while items.len() > MOST || items.front().is_some_and(|first| first.at.0 < at.0 - KEPT) {
            items.pop_front();
        }
    }

    /// All of it.
    pub fn all(&self) -> Vec<Item> {
        self.items.lock().iter().cloned().collect()
    }

    /// Takes what was kept.
    pub fn restore(&self, items: Vec<Item>) {
        let mut all: VecDeque<Item> = items.into();
        for (number, item) in (0..).zip(&mut all) {
            item.number = number;
        }
        *self.items.lock() = all;
    }
}

/// An alarm as a history tells of it: names begin small, and times are texts.
pub fn told(alarm: &Value) -> Value {
    match alarm {
        Value::Object(members) => {
            if let Some(at) = members.get(TIMESTAMP).and_then(Value::as_i64) {
                return Millis(at).iso().replace('Z', "+0000").into();
            }
            members
                .iter()
                .map(|(name, value)| {
                    // AWS's own spelling.
                    let name = if name == "OKActions" {
                        "okactions".to_owned()
                    } else {
                        lower(name)
                    };
                    (name, told(value))
                })
                .collect()
        }
        Value::Array(list) => list.iter().map(told).collect(),
        other => other.clone(),
    }
}

/// DescribeAlarmHistory.
pub fn describe(call: &Call) -> Result<Answer> {
    const DESCENDING: &str = "TimestampDescending";
    let members = Members::of(&call.input);
    let alarm = members.optional("AlarmName", 255)?;
    let kind = members.word(
        "HistoryItemType",
        &[
            "ConfigurationUpdate",
            "StateUpdate",
            "Action",
            "AlarmContributorStateUpdate",
            "AlarmContributorAction",
        ],
    )?;
    let types = members.texts("AlarmTypes", 3, 255)?;
    let (start, end) = (members.time("StartDate")?, members.time("EndDate")?);
    let most = members.whole("MaxRecords", 1, 100)?.unwrap_or(100);
    let descending = members
        .word("ScanBy", &[DESCENDING, "TimestampAscending"])?
        .is_none_or(|word| word == DESCENDING);
    let mut items = call.region.cloudwatch.history().all();
    if descending {
        items.reverse();
    }
    let items = items.into_iter().filter(|item| {
        alarm.is_none_or(|alarm| item.alarm == alarm)
            && kind.is_none_or(|kind| item.kind.name() == kind)
            && (types.is_empty() || types.iter().any(|name| name == "MetricAlarm"))
            && start.is_none_or(|start| item.at >= start)
            && end.is_none_or(|end| item.at <= end)
    });
    let (page, next) = page::cut(
        items,
        members.text("NextToken")?,
        usize::try_from(most).unwrap_or(100),
        |item| {
            let number = i64::try_from(item.number).unwrap_or(i64::MAX);
            if descending { -number } else { number }
        },
    )
    .ok_or_else(bad_token)?;
    let mut answer = json!({
        "AlarmHistoryItems": page.iter().map(|item| json!({
            "AlarmName": item.alarm,
            "AlarmType": "MetricAlarm",
            "Timestamp": timestamp(item.at),
            "HistoryItemType": item.kind.name(),
            "HistorySummary": item.summary,
            "HistoryData": item.data,
        })).collect::<Vec<_>>(),
    });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer.into())
}
