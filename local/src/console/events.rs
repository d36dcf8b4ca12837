//! The stream that a page lives on, as server-sent events: the sections that changed, once a second, and log lines as they
//! come. A page that is too slow holds nobody up: it loses the oldest lines and is told how many.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::MissedTickBehavior,
};

use super::{
    overview::{self, Sections},
    shortened,
};
use crate::{
    cloud::Cloud,
    logs::{Follower, Line},
    wire,
    wire::body::Stream,
};

/// How often log lines are looked for: people can't tell it from at once.
const LOOK: Duration = Duration::from_millis(200);
/// So many looks are a second, after which the sections are looked at.
const SECOND: u64 = 5;
/// After so many looks the tables are looked at, and a sign of life is given.
const SLOW: u64 = 25;
/// No more lines at a look: nobody reads as many, and a browser has to draw them.
const LINES: usize = 500;
/// With so many lines of the past a page begins.
const PAST: usize = 300;
/// Events that wait for a slow page, beside the lines that its followers hold.
const WAITING: usize = 2;

/// Answers with the stream.
pub fn answer(cloud: &Arc<Cloud>) -> Response<wire::Body> {
    let Ok(place) = Arc::clone(&cloud.console.pages).try_acquire_owned() else {
        let mut response = Response::new(Either::Left(Full::default()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    cloud.spawn(tell(Arc::clone(cloud), sender, place));
    let mut response = Response::new(Either::Right(Stream(receiver)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Tells a page until it's gone.
async fn tell(cloud: Arc<Cloud>, page: mpsc::Sender<Bytes>, _place: OwnedSemaphorePermit) {
    let mut teller = Teller::default();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in 0_u64.. {
        tokio::select! {
            _ = looks.tick() => {}
            () = page.closed() => return,
        }
        let mut events = Vec::new();
        if look % SECOND == 0 {
            teller.follow(&cloud);
            let mut sections = overview::quick(&cloud);
            if look % SLOW == 0 {
                sections.insert("tables", overview::tables(&cloud).await);
                events.push(event("beat", &json!(look)));
            }
            events.extend(teller.changed(sections));
        }
        events.extend(teller.lines());
        for event in events {
            if page.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// What one page was told, and whom it follows.
#[derive(Default)]
struct Teller {
    /// The sections as they were told.
    told: BTreeMap<&'static str, u64>,
    followed: BTreeMap<String, Followed>,
    /// Whether the past was told.
    has_begun: bool,
}

struct Followed {
    follower: Follower,
    /// Lines that the page has: what was written while the past was looked at is in both.
    past: Vec<Line>,
}

impl Teller {
    /// Follows the regions that are new.
    fn follow(&mut self, cloud: &Cloud) {
        for region in cloud.regions() {
            self.followed
                .entry(region.name.clone())
                .or_insert_with(|| Followed {
                    follower: region.logs.follow(),
                    past: region.logs.latest(PAST),
                });
        }
    }

    /// The sections that aren't as they were told.
    fn changed(&mut self, sections: Sections) -> Option<Bytes> {
        let mut changed = Sections::new();
        for (name, section) in sections {
            let mut hasher = DefaultHasher::new();
            section.to_string().hash(&mut hasher);
            let hash = hasher.finish();
            if self.told.insert(name, hash) != Some(hash) {
                changed.insert(name, section);
            }
        }
        (!changed.is_empty()).then(|| event("overview", &json!(changed)))
    }

    /// The log lines that came, the latest of them if they are many.
    fn lines(&mut self) -> Option<Bytes> {
        let mut lines: Vec<(&str, Line)> = Vec::new();
        let mut missed = 0;
        for (region, followed) in &mut self.followed {
            let past = std::mem::take(&mut followed.past);
            let came = followed.follower.take();
            missed += came.missed;
            let came = came.lines.into_iter().filter(|line| !past.contains(line));
            let came: Vec<Line> = came.collect();
            lines.extend(
                past.into_iter()
                    .chain(came)
                    .map(|line| (region.as_str(), line)),
            );
        }
        if lines.is_empty() && missed == 0 {
            return None;
        }
        // The regions' lines become one stream; lines of one moment stay in their order.
        lines.sort_by_key(|(_, line)| line.at);
        let surplus = lines.len().saturating_sub(LINES);
        lines.drain(..surplus);
        if self.has_begun {
            missed += u64::try_from(surplus).unwrap_or(u64::MAX);
        }
        self.has_begun = true;
        let lines: Vec<Value> = lines
            .iter()
            .map(|(region, line)| {
                json!([
                    region,
                    line.group,
                    line.stream,
                    line.at,
                    shortened(&line.message)
                ])
            })
            .collect();
        Some(event("logs", &json!({ "missed": missed, "lines": lines })))
    }
}

/// JSON has no line breaks, so that one line of data is all.
fn event(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, call::Service, clock::Millis, console::tests::ask};

    #[tokio::test]
    async fn who_lags_loses_the_oldest_lines_and_is_told() {
        let cloud = Cloud::for_test(Options::default());
        let region = cloud.region("eu-west-1").unwrap();
        let group = serde_json::json!({ "logGroupName": "g" });
        let _ = ask(&cloud, Service::Logs, "CreateLogGroup", group).await;
        region.logs.create_stream("g", "s").unwrap();
        let write = |count: usize| {
            let now = Millis::now();
            let events = (0..count).map(|index| (now, format!("line {index}")));
            region
                .logs
                .put(&region, "g", "s", events.collect())
                .unwrap();
        };
        let told = |teller: &mut Teller| -> Value {
            let event = teller.lines().expect("lines");
            let text = std::str::from_utf8(&event).unwrap();
            let data = text.strip_prefix("event: logs\ndata: ").unwrap();
            serde_json::from_str(data).unwrap()
        };
        write(PAST + 7);
        let mut teller = Teller::default();
        teller.follow(&cloud);
        let past = told(&mut teller);
        assert_eq!(past["lines"].as_array().unwrap().len(), PAST);
        assert_eq!(past["missed"], 0, "what is past isn't lost");
        assert!(teller.lines().is_none());
        write(LINES + 3);
        let came = told(&mut teller);
        assert_eq!(came["missed"], 3);
        assert_eq!(came["lines"][0][4], "line 3");
    }

    #[test]
    fn a_section_is_told_when_it_changed() {
        let mut teller = Teller::default();
        let sections = |queues: Value| Sections::from([("apis", json!([])), ("queues", queues)]);
        assert!(teller.changed(sections(json!([]))).is_some());
        assert!(teller.changed(sections(json!([]))).is_none());
        let changed = teller.changed(sections(json!([1]))).unwrap();
        assert_eq!(changed, "event: overview\ndata: {\"queues\":[1]}\n\n");
    }
}
