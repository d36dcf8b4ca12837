//! The stage's dashboard: the same figures that `wsless status` shows.

use serde_json::{Value, json};

use super::{
    Draft,
    figures::{Figure, Metric, Part, Unit},
};
use crate::{
    engine::properties::Text,
    resource::{
        alarm,
        dashboard::{self, Dashboard},
    },
};

/// The columns of a dashboard [CWG, Dashboard Body Structure].
const COLUMNS: usize = 24;
/// Three beside each other.
const WIDTH: usize = 8;
const HEIGHT: usize = 6;
/// Rows of the words at the top.
const HEAD: usize = 2;
/// The alarms that one widget takes [CWG, Dashboard Body Structure].
const MOST_ALARMS: usize = 100;
const ALARMS_HEIGHT: usize = 4;

impl Draft<'_> {
    /// The dashboard, if the manifest wants one. After the alarms, whose states it shows.
    pub(super) fn dashboard(&mut self) {
        if !self.manifest.dashboard.enabled {
            return;
        }
        let dashboard = Dashboard {
            name: dashboard::name(self.scope),
            body: self.body(),
            tags: self.tags.clone(),
        };
        self.builder
            .add(dashboard::KIND, dashboard::NAME, &dashboard);
    }

    fn body(&self) -> Value {
        let region = &self.scope.identity.region;
        let (project, stage) = (&self.scope.project, &self.scope.stage);
        let mut widgets = vec![json!({
            "type": "text", "x": 0, "y": 0, "width": COLUMNS, "height": HEAD,
            "properties": {
                "markdown": format!(
                    "# {project} {stage}\nMade by wsless from wsless.toml: what is changed here is overwritten."
                ),
            },
        })];
        let mut top = HEAD;
        let alarms = self.alarm_arns();
        if !alarms.is_empty() {
            widgets.push(json!({
                "type": "alarm", "x": 0, "y": top, "width": COLUMNS, "height": ALARMS_HEIGHT,
                "properties": { "title": "Alarms", "alarms": alarms },
            }));
            top += ALARMS_HEIGHT;
        }
        let figures = self.figures(&Self::api_id());
        for (index, (title, chosen)) in plots(&figures).into_iter().enumerate() {
            let (column, row) = (index % (COLUMNS / WIDTH), index / (COLUMNS / WIDTH));
            widgets.push(json!({
                "type": "metric",
                "x": column * WIDTH, "y": top + row * HEIGHT, "width": WIDTH, "height": HEIGHT,
                "properties": {
                    "title": title,
                    "region": region,
                    "view": "timeSeries",
                    "stacked": false,
                    "period": 60,
                    "yAxis": { "left": { "min": 0, "showUnits": false } },
                    "metrics": chosen.iter().flat_map(|figure| lines(figure)).collect::<Vec<_>>(),
                },
            }));
        }
        json!({ "widgets": widgets })
    }

    fn alarm_arns(&self) -> Vec<String> {
        self.builder
            .resources()
            .iter()
            .filter(|desired| desired.address.kind() == alarm::KIND)
            .filter_map(|desired| desired.properties["name"].as_str())
            .map(|name| self.scope.arn("cloudwatch", &format!("alarm:{name}")))
            .take(MOST_ALARMS)
            .collect()
    }
}

/// What is plotted together: titles, and the figures of each. Every figure is in one of them.
fn plots(figures: &[Figure]) -> Vec<(String, Vec<&Figure>)> {
    let mut plots: Vec<(String, Vec<&Figure>)> = Vec::new();
    for figure in figures {
        let what = match figure.unit {
            Unit::Count => "",
            Unit::Milliseconds => ", ms",
            Unit::Seconds => ", s",
        };
        let title = match &figure.part {
            Part::Connections if figure.unit == Unit::Count => "Connections".to_owned(),
            Part::Connections => format!("How long connections lasted{what}"),
            Part::Messages if figure.key.starts_with("pushes-") => {
                "Messages that didn't arrive".to_owned()
            }
            Part::Messages if figure.unit == Unit::Count => "Messages".to_owned(),
            Part::Messages => format!("From a frame to what comes of it{what}"),
            Part::Errors => "Errors of API Gateway".to_owned(),
            // One line a handler or queue.
            Part::Handler(_) => format!("Handlers: {}{what}", figure.label),
            Part::Queue(_) => format!("Queues: {}{what}", figure.label),
        };
        match plots.iter_mut().find(|(known, _)| *known == title) {
            Some((_, chosen)) => chosen.push(figure),
            None => plots.push((title, vec![figure])),
        }
    }
    plots
}

/// A figure's lines in a plot: one for each metric that it's made from.
fn lines(figure: &Figure) -> Vec<Value> {
    let label = match &figure.part {
        Part::Handler(of) | Part::Queue(of) => of.clone(),
        Part::Connections | Part::Messages | Part::Errors => figure.label.to_owned(),
    };
    figure
        .metrics
        .iter()
        .map(|metric| {
            let label = if figure.metrics.len() > 1 {
                format!("{label}: {}", source(metric))
            } else {
                label.clone()
            };
            let mut line = vec![json!(metric.namespace), json!(metric.name)];
            for (name, value) in &metric.dimensions {
                line.push(json!(name));
                line.push(json!(value));
            }
            line.push(json!({ "stat": figure.statistic, "label": label }));
            Value::Array(line)
        })
        .collect()
}

/// What tells a metric from the others that are added to it.
fn source(metric: &Metric) -> String {
    metric
        .dimensions
        .get("QueueName")
        .and_then(Text::as_literal)
        .unwrap_or_else(|| metric.name.to_owned())
}
