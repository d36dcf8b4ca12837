//! A stage as it is: what is deployed, whether it answers, and what its figures came to over a window.

use std::time::Duration;

use futures::future::{OptionFuture, join, join3};
use jiff::Timestamp;

use super::{
    alarms::{Alarm, alarms},
    drift,
    gateway::{Gateway, gateway},
    open::{Open, open},
    probe::{Probe, probe},
    queues::{QueueDepth, queues},
    series::{Ask, Cost, Point, read, whole},
    window::Window,
};
use crate::{
    aws::{Aws, Error},
    diagnostic::Diagnostic,
    engine::{plan::Plan, properties::Text, record::Record, scope::Scope, stack::Stack},
    manifest::Manifest,
    stack::figures::{Figure, Part, figures},
};

/// How late CloudWatch is told of AWS's own metrics: one to three minutes [aws-facts 3.6].
const LAG: Duration = Duration::from_mins(2);

/// How late values are here: an emulator has them at once.
pub fn lag(aws: &Aws) -> Duration {
    if aws.has_own_endpoint() {
        Duration::ZERO
    } else {
        LAG
    }
}

/// What a figure came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Which figure.
    pub figure: Figure,
    /// Over the whole window; nothing where there's nothing to tell of.
    pub value: Option<f64>,
    /// Period by period, if that was asked for.
    pub points: Vec<Point>,
}

/// What is so now, and what a window's figures came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pulse {
    /// The figures, in the order in which they're shown.
    pub figures: Vec<Measured>,
    /// How many connections are open.
    pub open: Option<Open>,
    /// What the queues hold now.
    pub queues: Vec<QueueDepth>,
    /// The alarms, the gravest first.
    pub alarms: Vec<Alarm>,
    /// What reading the figures costs.
    pub cost: Cost,
    /// What couldn't be read.
    pub troubles: Vec<Diagnostic>,
}

impl Pulse {
    /// A figure, by the part that it's about and its name there.
    pub fn figure(&self, part: &Part, key: &str) -> Option<&Measured> {
        self.figures
            .iter()
            .find(|measured| measured.figure.key == key && measured.figure.part == *part)
    }

    /// What a figure came to.
    pub fn value(&self, part: &Part, key: &str) -> Option<f64> {
        self.figure(part, key)?.value
    }

    /// The handlers, in their order.
    pub fn handlers(&self) -> Vec<&str> {
        self.names(|part| match part {
            Part::Handler(name) => Some(name),
            _ => None,
        })
    }

    /// The queues, in their order, without the dead-letter queues.
    pub fn queue_names(&self) -> Vec<&str> {
        self.names(|part| match part {
            Part::Queue(name) => Some(name),
            _ => None,
        })
    }

    fn names<'a>(&'a self, name: impl Fn(&'a Part) -> Option<&'a String>) -> Vec<&'a str> {
        let mut names: Vec<&str> = self
            .figures
            .iter()
            .filter_map(|measured| name(&measured.figure.part).map(String::as_str))
            .collect();
        names.dedup();
        names
    }

    /// What a queue holds now, by its name without its order's ending.
    pub fn queue(&self, name: &str) -> Option<&QueueDepth> {
        self.queues
            .iter()
            .find(|found| found.queue.strip_suffix(".fifo").unwrap_or(&found.queue) == name)
    }
}

/// A stage that is deployed, as it was found.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Whose it is.
    pub scope: Scope,
    /// Its API.
    pub gateway: Gateway,
    /// What the manifest means, with the code that runs.
    pub stack: Stack,
    /// What is read of it.
    pub figures: Vec<Figure>,
}

/// A stage's status.
#[derive(Clone, Debug)]
pub struct Status {
    /// The stage.
    pub stage: Stage,
    /// Whether its endpoint answers, if that was asked for.
    pub probe: Option<Probe>,
    /// The last deployment, as it was recorded.
    pub deployed: Option<Record>,
    /// What deploying would change beside the code; nothing if that can't be told.
    pub drift: Option<Plan>,
    /// What the figures are about.
    pub window: Window,
    /// The figures, and what is so now.
    pub pulse: Pulse,
}

/// Finds a stage; nothing if it isn't deployed.
pub async fn stage(
    aws: &Aws,
    scope: &Scope,
    manifest: &Manifest,
) -> Result<Option<Stage>, Vec<Diagnostic>> {
    let found = join(
        async {
            gateway(aws, scope)
                .await
                .map_err(|error| vec![error.diagnostic()])
        },
        drift::stack_of(aws, scope, manifest),
    );
    let (gateway, stack) = found.await;
    let Some(gateway) = gateway?.filter(|gateway| gateway.endpoint.is_some()) else {
        return Ok(None);
    };
    let api_id = Text::from(gateway.api_id.as_str());
    Ok(Some(Stage {
        scope: scope.clone(),
        figures: figures(manifest, scope, &api_id),
        gateway,
        stack: stack?,
    }))
}

/// The figures of a stage that is deployed; nothing if it isn't.
pub async fn figures_of(
    aws: &Aws,
    scope: &Scope,
    manifest: &Manifest,
) -> Result<Option<Vec<Figure>>, Error> {
    let found = gateway(aws, scope).await?;
    let found = found.filter(|gateway| gateway.endpoint.is_some());
    Ok(found.map(|gateway| figures(manifest, scope, &Text::from(gateway.api_id.as_str()))))
}

/// What is read of a stage.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Over which window.
    pub window: Window,
    /// In periods of so many seconds too; nothing if only the whole window counts.
    pub period_s: Option<u32>,
    /// Whether the endpoint is asked.
    pub probes: bool,
}

/// A stage's status. What can't be read is told in [`Pulse::troubles`].
pub async fn status(aws: &Aws, manifest: &Manifest, stage: Stage, reading: &Reading) -> Status {
    let (looked, mut pulse) = join(
        Box::pin(drift::look(aws, &stage.scope, &stage.stack)),
        Box::pin(pulse(aws, manifest, &stage, reading)),
    )
    .await;
    // Only now: the probe's own connection isn't among those that are counted.
    let endpoint = stage.gateway.endpoint.as_deref();
    let probed = endpoint.filter(|_| reading.probes).map(probe);
    let probe = OptionFuture::from(probed).await;
    let (deployed, drift) = match looked {
        Ok(look) => (look.last, Some(look.plan)),
        Err(troubles) => {
            pulse.troubles.extend(troubles);
            (None, None)
        }
    };
    Status {
        stage,
        probe,
        deployed,
        drift,
        window: reading.window,
        pulse,
    }
}

/// The figures, and what is so now.
pub async fn pulse(aws: &Aws, manifest: &Manifest, stage: &Stage, reading: &Reading) -> Pulse {
    let (figures, now) = join(
        measured(aws, &stage.figures, reading),
        Box::pin(now(aws, manifest, stage)),
    )
    .await;
    let mut pulse = now;
    match figures {
        Ok((figures, cost)) => {
            pulse.figures = figures;
            pulse.cost.metrics += cost.metrics;
        }
        Err(error) => {
            pulse.figures = nothing(&stage.figures);
            pulse.troubles.push(error.diagnostic());
        }
    }
    pulse
}

/// What is so now, without figures: it costs next to nothing.
pub async fn now(aws: &Aws, manifest: &Manifest, stage: &Stage) -> Pulse {
    let scope = &stage.scope;
    let (open, queues, alarms) = join3(
        Box::pin(open(aws, scope, manifest, Timestamp::now())),
        queues(aws, scope),
        alarms(aws, scope, &stage.stack),
    )
    .await;
    let mut pulse = Pulse::default();
    let mut told = |error: Error| pulse.troubles.push(error.diagnostic());
    let open = open.map_err(&mut told).ok();
    pulse.queues = queues.map_err(&mut told).unwrap_or_default();
    pulse.alarms = alarms.map_err(&mut told).unwrap_or_default();
    if let Some((open, cost)) = open {
        pulse.open = Some(open);
        pulse.cost = cost;
    }
    pulse
}

/// The figures' values over the window, and period by period if that's asked for.
pub async fn measured(
    aws: &Aws,
    figures: &[Figure],
    reading: &Reading,
) -> Result<(Vec<Measured>, Cost), Error> {
    let window = &reading.window;
    let whole_s = window.whole(Timestamp::now());
    let asks: Vec<Ask<'_>> = figures
        .iter()
        .map(|figure| {
            // What adds up, and the most of a window, can be told from its periods: a percentile can't.
            let fine = reading.period_s.filter(|_| !is_percentile(figure));
            Ask::figure(figure, fine.unwrap_or(whole_s))
        })
        .collect();
    // Those of latencies are asked for a second time, by period: they are plotted.
    let plotted = |figure: &Figure| is_percentile(figure) && figure.part == Part::Messages;
    let again: Vec<usize> = match reading.period_s {
        Some(_) => (0..figures.len())
            .filter(|index| plotted(&figures[*index]))
            .collect(),
        None => Vec::new(),
    };
    let fine = again
        .iter()
        .map(|index| Ask::figure(&figures[*index], reading.period_s.unwrap_or(whole_s)));
    let all: Vec<Ask<'_>> = asks.iter().copied().chain(fine).collect();
    let (mut points, cost) = read(aws, &all, window).await?;
    let by_period = points.split_off(figures.len());
    let mut measured: Vec<Measured> = figures
        .iter()
        .zip(points)
        .map(|(figure, points)| Measured {
            value: whole(figure, &points),
            figure: figure.clone(),
            points: if reading.period_s.is_some() && !is_percentile(figure) {
                points
            } else {
                Vec::new()
            },
        })
        .collect();
    for (index, points) in again.into_iter().zip(by_period) {
        measured[index].points = points;
    }
    Ok((measured, cost))
}

fn is_percentile(figure: &Figure) -> bool {
    figure.statistic.starts_with('p')
}

/// Figures of which nothing could be read.
fn nothing(figures: &[Figure]) -> Vec<Measured> {
    figures
        .iter()
        .map(|figure| Measured {
            figure: figure.clone(),
            value: None,
            points: Vec::new(),
        })
        .collect()
}
