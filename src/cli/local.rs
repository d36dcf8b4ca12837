//! `wsless local`: the embedded cloud alone.

use std::path::PathBuf;

use serde_json::json;
use wsless_local::{Fidelity, Rule};

use super::{Failure, exit, signals::Signals};
use crate::{
    diagnostic::Diagnostic,
    local::{self, Nearby, Note},
    report::Report,
};

/// Run the embedded cloud on this machine
///
/// It serves AWS's own protocols on one loopback port, for wsless and for any other AWS client. It keeps nothing unless
/// told where.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless local\n  wsless local --keep .cloud --port 4600\n  wsless local --fidelity aws --time-scale 0.1\n  wsless local --fault 'sqs:SendMessage=throttle@30%'"
)]
pub struct Local {
    #[command(flatten)]
    cloud: CloudArgs,
}

/// How the embedded cloud is to be.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options for the embedded cloud")]
pub struct CloudArgs {
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value_t = local::PORT)]
    pub port: u16,
    /// Keep what it holds in this folder [default: forget it]
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// How much of AWS's slowness it has
    #[arg(long, value_enum, default_value_t = FidelityArg::Instant)]
    fidelity: FidelityArg,
    /// What each of AWS's waits and time limits is multiplied by
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = time_scale)]
    time_scale: f64,
    /// Make calls fail: SERVICE:OPERATION=EFFECT[@WHEN]; may be given several times
    #[arg(long = "fault", value_name = "RULE")]
    faults: Vec<Rule>,
    /// Refuse requests whose signature is wrong (the secret is `test`)
    #[arg(long)]
    verify_signatures: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FidelityArg {
    /// Everything is so at once
    Instant,
    /// Roles, functions, queues and deployments take as long as on AWS, and calls are throttled
    Aws,
}

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale > 0.0 && scale <= 1000.0 => Ok(scale),
        _ => Err("a factor above 0 and at most 1000, such as 0.1".to_owned()),
    }
}

/// A cloud that runs in this process, and its note for other commands.
pub struct Here {
    pub cloud: wsless_local::Running,
    _note: Option<Note>,
}

impl CloudArgs {
    /// The default cloud on another port.
    pub fn on_port(port: u16) -> Self {
        Self {
            port,
            keep: None,
            fidelity: FidelityArg::Instant,
            time_scale: 1.0,
            faults: Vec::new(),
            verify_signatures: false,
        }
    }

    /// Starts it. `project` is the folder of the project that it's for.
    pub async fn start(&self, project: Option<PathBuf>, report: &Report) -> Result<Here, Failure> {
        let options = wsless_local::Options {
            port: self.port,
            keep: self.keep.clone(),
            fidelity: match self.fidelity {
                FidelityArg::Instant => Fidelity::Instant,
                FidelityArg::Aws => Fidelity::Aws,
            },
            time_scale: self.time_scale,
            faults: self.faults.clone(),
            verify_signatures: self.verify_signatures,
            ..wsless_local::Options::default()
        };
        let cloud = wsless_local::start(options)
            .await
            .map_err(|error| refusal(&error))?;
        let note = local::announce(&Nearby {
            endpoint: cloud.endpoint(),
            id: cloud.cloud().id.clone(),
            pid: std::process::id(),
            project,
        });
        if let Err(error) = &note {
            report.note(&format!(
                "`--local` won't find this cloud: its note can't be written ({error})"
            ));
        }
        Ok(Here {
            cloud,
            _note: note.ok(),
        })
    }
}

/// Why it didn't start.
fn refusal(error: &wsless_local::StartError) -> Diagnostic {
    let mut told = Diagnostic::error("local::start", error.to_string());
    if let Some(cause) = std::error::Error::source(error) {
        told = told.note(cause.to_string());
    }
    match error {
        wsless_local::StartError::Listen { .. } => told.help(
            "end what listens there (another `wsless local` or `wsless dev`?), or pass another port with --port",
        ),
        wsless_local::StartError::Kept { .. } => {
            told.help("name another folder with --keep, or move this one away to begin anew")
        }
        _ => told,
    }
}

impl Local {
    pub(super) async fn run(&self, report: &Report) -> Result<u8, Failure> {
        let mut signals = Signals::listen()?;
        let here = self.cloud.start(None, report).await?;
        let endpoint = here.cloud.endpoint();
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", wsless_local::DEFAULT_REGION),
            // Live tail would be looked for at `streaming-logs.127.0.0.1`.
            ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"),
        ];
        if report.is_json() {
            let environment: serde_json::Map<_, _> = environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            report.result(
                "local",
                json!({ "endpoint": endpoint, "environment": environment }),
            );
        } else {
            report.say(&format!(
                "The embedded cloud runs at {endpoint}, its console at {endpoint}/\n"
            ));
            report.say("wsless finds it:\n  wsless deploy --local\n\nOther AWS clients need:");
            for (name, value) in environment {
                report.say(&format!("  export {name}={value}"));
            }
            report.say("\nCtrl-C ends it.");
        }
        signals.received().await;
        here.cloud.stop().await.map_err(|error| refusal(&error))?;
        report.note("Ended.");
        Ok(exit::DONE)
    }
}
