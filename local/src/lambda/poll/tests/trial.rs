//! Fifty thousand messages through a queue whose handler fails in every way there is, at random but the same in each run.
//!
//! The handler's processes keep one journal: a line before a batch is handled, a line when it was, each written at once, so
//! that the lines' order is the order in which things happened. It's compared with what was sent and with the dead letters.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::*;
use crate::lambda::run::tests::machine::until_within;

const MESSAGES: usize = 50_000;
/// As a client's messages go into a FIFO queue: a group for each connection.
const CONNECTIONS: usize = 1_000;
/// Receives of a message, then it's dead (`Way`'s redrive policy).
const MOST: u64 = 3;
/// How long a message is hidden: longer than an invocation takes that is begun within seconds, as AWS advises.
const HIDDEN: &str = "4";
/// It takes seconds; what is waited for is a condition, not a time.
const BOUND: Duration = Duration::from_mins(8);

/// What becomes of a batch is drawn from its first message and how often that was received, of a message likewise, so that
/// it doesn't depend on how fast the machine is. A few messages fail however often they come.
const TRIAL: &str = r"#!/usr/bin/env -S python3 -IS
import os, json, socket, time, zlib
host, _, base = os.environ['AWS_LAMBDA_RUNTIME_API'].partition('/')
name, _, port = host.partition(':')
line = socket.create_connection((name, int(port)))
stream = line.makefile('rb')
journal = os.open(os.environ['FOLDER'] + '/journal', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def call(method, path, body=b''):
    head = '%s /%s/2018-06-01/runtime/%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n' % (method, base, path, host, len(body))
    line.sendall(head.encode() + body)
    stream.readline()
    headers = {}
    while True:
        name, colon, value = stream.readline().decode().partition(':')
        if not colon: break
        headers[name.lower()] = value.strip()
    return headers, stream.read(int(headers['content-length']))
def note(what, request, rest=None):
    os.write(journal, (json.dumps([what, request, rest]) + '\n').encode())
def drawn(kind, body, tries):
    return zlib.crc32(('%s %s %s' % (kind, body, tries)).encode()) % 1000
while True:
    headers, event = call('GET', 'invocation/next')
    request = headers['lambda-runtime-aws-request-id']
    answer = lambda value: call('POST', 'invocation/%s/response' % request, value.encode())
    records = [(r['messageId'], r['attributes'].get('MessageGroupId', ''), r['body'], int(r['attributes']['ApproximateReceiveCount']))
               for r in json.loads(event)['Records']]
    note('began', request, [[int(body), tries] for _, _, body, tries in records])
    fate = drawn('batch', records[0][2], records[0][3])
    if fate < 8: note('exits', request); os._exit(101)
    if fate < 16: note('is killed', request); os.kill(os.getpid(), 9)
    if fate < 24: note('takes too long', request); time.sleep(100)
    if fate < 36:
        note('says that it failed', request)
        call('POST', 'invocation/%s/error' % request, b'{\'errorType\': \'Trial\', \'errorMessage\': \'x\'}'.replace(b'\'', b'\x22'))
        continue
    if fate < 44: note('answers with junk', request); answer('{'); continue
    failed, stuck = [], set()
    for id, group, body, tries in records:
        bad = drawn('message', body, tries) < 20 or drawn('hopeless', body, 0) < 3
        if bad or group in stuck:
            failed.append([id, body])
            if group: stuck.add(group)
    if failed: note('fails some', request)
    note('did', request, [int(body) for _, body in failed])
    answer(json.dumps({'batchItemFailures': [{'itemIdentifier': id} for id, _ in failed]}))
";

/// All the ways in which the handler fails.
const FAILURES: [&str; 6] = [
    "exits",
    "is killed",
    "takes too long",
    "says that it failed",
    "answers with junk",
    "fails some",
];

/// A batch as the handler got it: numbers of messages, and how often each was received.
struct Batch {
    messages: Vec<(usize, u64)>,
    began: usize,
}

/// What the handler's processes noted, in order: a time is a line's place.
struct Journal {
    batches: Vec<Batch>,
    /// When each message was done first, if ever.
    done: Vec<Option<usize>>,
    failures: BTreeMap<String, usize>,
}

impl Journal {
    fn read(way: &Way) -> Self {
        let text = std::fs::read_to_string(way.machine.path("journal")).unwrap();
        let mut journal = Self {
            batches: Vec::new(),
            done: vec![None; MESSAGES],
            failures: BTreeMap::new(),
        };
        let mut by_request = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let (what, request, rest): (String, String, Value) =
                serde_json::from_str(line).unwrap();
            match what.as_str() {
                "began" => {
                    let before = by_request.insert(request, journal.batches.len());
                    assert_eq!(before, None, "an invocation was run twice");
                    journal.batches.push(Batch {
                        messages: serde_json::from_value(rest).unwrap(),
                        began: at,
                    });
                }
                "did" => {
                    let failed: BTreeSet<usize> = serde_json::from_value(rest).unwrap();
                    for (number, _) in &journal.batches[by_request[&request]].messages {
                        if !failed.contains(number) {
                            journal.done[*number].get_or_insert(at);
                        }
                    }
                }
                _ => *journal.failures.entry(what).or_default() += 1,
            }
        }
        journal
    }

    fn failed_in_every_way(&self) {
        for failure in FAILURES {
            let times = self.failures.get(failure).copied().unwrap_or_default();
            assert!(times >= 10, "{failure} {times} times only");
        }
    }

    /// Each message was done or is a dead letter, none came more often than it may, and no dead letter is an invention.
    fn loses_nothing(&self, dead: &BTreeSet<usize>) {
        let mut tries = vec![BTreeSet::new(); MESSAGES];
        for batch in &self.batches {
            for (number, count) in &batch.messages {
                let is_new = tries[*number].insert(*count);
                assert!(is_new && *count <= MOST, "{number} came a {count}. time");
            }
        }
        for (number, done) in self.done.iter().enumerate() {
            let is_somewhere = done.is_some() || dead.contains(&number);
            assert!(is_somewhere, "message {number} is lost");
        }
        for number in dead {
            let was_tried = tries.get(*number).is_some_and(|tries| !tries.is_empty());
            assert!(was_tried, "{number} is dead and was never tried");
        }
    }

    /// No message was given to the handler while one of its connection that was sent before it was neither done for good,
    /// nor dead, nor ahead of it in the same batch.
    fn keeps_order(&self, dead: &BTreeSet<usize>) {
        let mut last_given = vec![0; MESSAGES];
        for batch in &self.batches {
            for (number, _) in &batch.messages {
                last_given[*number] = batch.began;
            }
        }
        let mut of = vec![Vec::new(); CONNECTIONS];
        for number in 0..MESSAGES {
            of[connection(number)].push(number);
        }
        for batch in &self.batches {
            let mut ahead = BTreeSet::new();
            for (number, tries) in &batch.messages {
                for earlier in of[connection(*number)]
                    .iter()
                    .take_while(|one| *one < number)
                {
                    let is_over = self.done[*earlier].is_some_and(|at| at < batch.began)
                        || dead.contains(earlier);
                    let is_over = is_over && last_given[*earlier] < batch.began;
                    assert!(
                        is_over || ahead.contains(earlier),
                        "{number} came (time {tries}) before {earlier} was over"
                    );
                }
                ahead.insert(*number);
            }
        }
    }
}

/// Whose message it is: ten of one connection are sent after another, so that a batch holds several of one, and of several.
fn connection(number: usize) -> usize {
    number / 10 % CONNECTIONS
}

/// Sends all messages while they're handled, and waits until the queue has none. The dead letters, too.
async fn tried(queue: &str) -> (Journal, BTreeSet<usize>) {
    let attributes = json!({"VisibilityTimeout": HIDDEN});
    let way = Way::with(queue, &attributes, &json!({}), TRIAL).await;
    for first in (0..MESSAGES).step_by(10) {
        let bodies: Vec<String> = (first..first + 10)
            .map(|number| number.to_string())
            .collect();
        let group = format!("c{}", connection(first));
        let group = (queue == FIFO).then_some(group.as_str());
        way.send(queue, &bodies, group).await;
    }
    until_within(BOUND, || way.left(queue) == 0).await;
    let dead = way.bodies(if queue == FIFO { "dead.fifo" } else { "dead" });
    let dead: BTreeSet<usize> = dead.iter().map(|body| body.parse().unwrap()).collect();
    let journal = Journal::read(&way);
    journal.failed_in_every_way();
    assert!(dead.len() >= 100, "{} dead letters only", dead.len());
    (journal, dead)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_50_000_messages_none_is_lost_though_the_handler_fails_times_out_and_crashes() {
    let (journal, dead) = tried("work").await;
    journal.loses_nothing(&dead);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_50_000_messages_of_1_000_connections_none_overtakes_another_of_its_connection() {
    let (journal, dead) = tried(FIFO).await;
    journal.loses_nothing(&dead);
    journal.keeps_order(&dead);
}
