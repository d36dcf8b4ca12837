//! The lock among many actors whose clocks differ, on an S3 that is slow, fails, and loses answers and connections.
//!
//! The S3 is a model behind the real client, time is virtual. Whoever takes the lock, works for a while, renewing; some die.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Mutex, atomic::AtomicU64},
};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
            http_client_fn,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use futures::{
    future::{Either, join_all, select},
    pin_mut,
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};
use tokio::time::Instant;

use super::*;
use crate::{aws::Aws, engine::scope::Scope};

tokio::task_local! {
    static WATCH: Watch;
}

/// An actor's clock: virtual, and wrong.
#[derive(Clone, Copy, Debug)]
struct Watch {
    began: (Timestamp, Instant),
    ahead: SignedDuration,
}

/// The clock of whoever asks: an actor's own, or else this machine's.
pub struct Clock;

impl Clock {
    pub fn now() -> Timestamp {
        WATCH
            .try_with(|watch| {
                let (then, began) = watch.began;
                later(then, began.elapsed()) + watch.ahead
            })
            .unwrap_or_else(|_| Timestamp::now())
    }
}

#[test]
fn a_lock_is_dead_only_when_it_is_past_its_expiry_by_more_than_the_clocks_may_differ() {
    let holder = Holder::new("arn:aws:iam::1:user/x", "deploy");
    assert!(!holder.is_dead(holder.expires_at));
    assert!(!holder.is_dead(later(holder.expires_at, CLOCK_SKEW)));
    assert!(holder.is_dead(later(
        holder.expires_at,
        CLOCK_SKEW + Duration::from_secs(1)
    )));
}

/// Objects with conditional writes, behind a bad line.
#[derive(Debug)]
struct Storage {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    random: Mutex<TestRng>,
    /// Of a hundred calls, so many go wrong.
    trouble: AtomicU64,
}

impl Storage {
    fn new(seed: [u8; 32], trouble: u64) -> Arc<Self> {
        Arc::new(Self {
            objects: Mutex::default(),
            random: Mutex::new(TestRng::from_seed(RngAlgorithm::ChaCha, &seed)),
            trouble: AtomicU64::new(trouble),
        })
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.lock().unwrap().next_u64() % bound
    }

    fn client(self: &Arc<Self>) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(Line(Arc::clone(self)));
        http_client_fn(move |_, _| connector.clone())
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let key = request.uri().split('?').next().unwrap_or_default();
        let header = |name| request.headers().get(name);
        let mut objects = self.objects.lock().unwrap();
        let there = objects.get(key).map(|body| etag(body));
        let refused = |status, code: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            response(status, body.into_bytes())
        };
        let holds = match (header("if-match"), header("if-none-match")) {
            (Some(_), _) if there.is_none() => return refused(404, "NoSuchKey"),
            (Some(tag), _) => there.as_deref() == Some(tag),
            (None, Some(_)) => there.is_none(),
            (None, None) => true,
        };
        if !holds {
            return refused(412, "PreconditionFailed");
        }
        match request.method() {
            "GET" => match objects.get(key) {
                Some(body) => tagged(200, body, body.clone()),
                None => refused(404, "NoSuchKey"),
            },
            "PUT" => {
                let body = request.body().bytes().unwrap_or_default().to_vec();
                let answer = tagged(200, &body, Vec::new());
                objects.insert(key.to_owned(), body);
                answer
            }
            "DELETE" => {
                objects.remove(key);
                response(204, Vec::new())
            }
            _ => refused(405, "MethodNotAllowed"),
        }
    }
}

/// As S3's, the same for the same bytes.
fn etag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn response(status: u16, body: Vec<u8>) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("a status");
    HttpResponse::new(status, SdkBody::from(body))
}

fn tagged(status: u16, of: &[u8], body: Vec<u8>) -> HttpResponse {
    let mut answer = response(status, body);
    answer.headers_mut().insert("etag", etag(of));
    answer
}

/// The line to the storage: a call takes its time, and may be lost on the way there or back, or be late by minutes, also when
/// nobody waits for it any more.
#[derive(Debug)]
struct Line(Arc<Storage>);

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let storage = Arc::clone(&self.0);
        let is_trouble = storage.below(100) < storage.trouble.load(Ordering::Relaxed);
        let trouble = is_trouble.then(|| storage.below(5));
        let quick = Duration::from_millis(5 + storage.below(300));
        let slow = Duration::from_secs(storage.below(110));
        let arrival = async move {
            sleep(if trouble == Some(0) { slow } else { quick }).await;
            match trouble {
                Some(1) => Err(ConnectorError::io("the connection was reset".into())),
                Some(2) => Ok(response(503, Vec::new())),
                _ => Ok(storage.answer(&request)),
            }
        };
        let arrival = tokio::spawn(arrival);
        HttpConnectorFuture::new(async move {
            let answer = arrival.await.expect("the storage answers")?;
            match trouble {
                Some(3) => Err(ConnectorError::io("the answer was lost".into())),
                Some(4) => {
                    sleep(slow).await;
                    Err(ConnectorError::timeout("no answer came".into()))
                }
                _ => Ok(answer),
            }
        })
    }
}

/// What one actor does with the lock, again and again.
#[derive(Clone, Debug)]
struct Round {
    rest: Duration,
    changes: usize,
    each: Duration,
    dies: bool,
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round = (
        0_u64..240,
        0_usize..40,
        100_u64..15_000,
        prop::bool::weighted(0.2),
    );
    let round = round.prop_map(|(rest, changes, each, dies)| Round {
        rest: Duration::from_secs(rest),
        changes,
        each: Duration::from_millis(each),
        dies,
    });
    vec(round, 1..4)
}

/// What all actors did.
#[derive(Debug, Default)]
struct World {
    /// Who took the lock last.
    latest: usize,
    /// Of each who took it and didn't give it back: until when it's held, and by which clock.
    leases: Vec<(usize, Arc<Lease>, Watch)>,
    stolen: usize,
    lost: usize,
    refused: usize,
    changes: usize,
}

async fn act(aws: &Aws, scope: &Scope, watch: Watch, rounds: &[Round], world: &Mutex<World>) {
    for round in rounds {
        sleep(round.rest).await;
        let holder = Holder::new("arn:aws:iam::1:user/x", "deploy");
        let Ok(mut lock) = Lock::acquire(Bucket::new(aws, scope), holder).await else {
            world.lock().unwrap().refused += 1;
            continue;
        };
        let lease = lock.lease();
        let taken = {
            let mut world = world.lock().unwrap();
            for (whose, lease, watch) in &world.leases {
                let still_holds = WATCH.sync_scope(*watch, || lease.holds());
                assert!(!still_holds, "{whose} has the lock that was taken");
            }
            world.latest += 1;
            world.stolen += usize::from(lock.was_stolen);
            let taken = world.latest;
            world.leases.push((taken, lock.lease(), watch));
            taken
        };
        let outcome = {
            let work = lease.guard(async {
                for _ in 0..round.changes {
                    sleep(round.each).await;
                    let mut world = world.lock().unwrap();
                    assert_eq!(world.latest, taken, "a change by who lost the lock");
                    world.changes += 1;
                }
            });
            let keep = lock.keep();
            pin_mut!(work, keep);
            match select(work, keep).await {
                Either::Left((worked, _)) => worked,
                Either::Right(_) => None,
            }
        };
        if outcome.is_none() {
            world.lock().unwrap().lost += 1;
            assert!(!lease.holds());
        } else if !round.dies {
            world
                .lock()
                .unwrap()
                .leases
                .retain(|(whose, ..)| *whose != taken);
            let _ = lock.release().await;
        }
    }
}

/// Runs the actors in virtual time, and then takes the lock once more.
fn play(actors: &[(i64, Vec<Round>)], seed: [u8; 32], trouble: u64) -> World {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let storage = Storage::new(seed, trouble);
        let scope = Scope::example();
        let aws = Aws::through(storage.client(), &scope.identity);
        let began = (Timestamp::UNIX_EPOCH, Instant::now());
        let world = Mutex::new(World::default());
        let acting = actors.iter().map(|(ahead, rounds)| {
            let ahead = SignedDuration::from_millis(*ahead);
            let watch = Watch { began, ahead };
            WATCH.scope(watch, act(&aws, &scope, watch, rounds, &world))
        });
        join_all(acting).await;
        // Whoever died is outlived.
        storage.trouble.store(0, Ordering::Relaxed);
        sleep(LIFETIME + CLOCK_SKEW * 2).await;
        let watch = Watch {
            began,
            ahead: SignedDuration::ZERO,
        };
        let holder = || Holder::new("arn:aws:iam::1:user/x", "deploy");
        let last = WATCH
            .scope(watch, async {
                Lock::acquire(Bucket::new(&aws, &scope), holder())
                    .await
                    .map(drop)
            })
            .await;
        assert!(last.is_ok(), "nobody can take the lock: {last:?}");
        world.into_inner().unwrap()
    })
}

/// As far as two clocks may differ.
const AHEAD_MS: i64 = 30_000;

#[test]
fn no_two_hold_the_lock_at_once_whatever_their_clocks_and_the_line_do() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let actors = vec((-AHEAD_MS..=AHEAD_MS, rounds()), 2..6);
    let sum = Mutex::new(World::default());
    let schedules = AtomicU64::new(0);
    runner
        .run(
            &(actors, any::<[u8; 32]>(), 0_u64..60),
            |(actors, seed, trouble)| {
                let world = play(&actors, seed, trouble);
                schedules.fetch_add(1, Ordering::Relaxed);
                let mut sum = sum.lock().unwrap();
                sum.latest += world.latest;
                sum.stolen += world.stolen;
                sum.lost += world.lost;
                sum.refused += world.refused;
                sum.changes += world.changes;
                Ok(())
            },
        )
        .unwrap_or_else(|error| panic!("{error}"));
    let sum = sum.into_inner().unwrap();
    println!(
        "{} schedules: the lock was taken {} times, {} of them from the dead; refused {} times, lost {} times; {} changes",
        schedules.into_inner(),
        sum.latest,
        sum.stolen,
        sum.refused,
        sum.lost,
        sum.changes
    );
    // It isn't a test of nothing.
    for count in [sum.stolen, sum.lost, sum.refused, sum.changes] {
        assert!(count > 0, "{sum:?}");
    }
}

#[test]
fn who_renews_is_never_robbed_on_a_good_line() {
    let long = Round {
        rest: Duration::ZERO,
        changes: 120,
        each: Duration::from_secs(10),
        dies: false,
    };
    let impatient = Round {
        rest: Duration::from_secs(15),
        changes: 0,
        each: Duration::ZERO,
        dies: false,
    };
    let world = play(
        &[(-AHEAD_MS, vec![long]), (AHEAD_MS, vec![impatient; 60])],
        [7; 32],
        0,
    );
    assert_eq!(
        (world.lost, world.stolen, world.changes),
        (0, 0, 120),
        "{world:?}"
    );
    assert_eq!(world.refused, 60);
}

#[test]
fn a_clock_that_is_wrong_by_more_robs() {
    let long = Round {
        rest: Duration::ZERO,
        changes: 30,
        each: Duration::from_secs(10),
        dies: false,
    };
    let robber = Round {
        rest: Duration::from_secs(20),
        changes: 1,
        each: Duration::from_secs(100),
        dies: false,
    };
    let actors = [(0, vec![long]), (10 * 60_000, vec![robber])];
    let robbed = std::panic::catch_unwind(|| play(&actors, [7; 32], 0));
    assert!(
        robbed.is_err(),
        "this world's rules see no robbery: {robbed:?}"
    );
}
