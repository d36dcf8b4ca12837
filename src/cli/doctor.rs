//! `wsless doctor`: finds why a stage doesn't work, and says the mend. Changes nothing.

use jiff::Timestamp;
use serde_json::json;

use super::{
    Failure, Global,
    arguments::{header, parameter},
    exit, work,
};
use crate::{
    aws::Aws,
    client::{Handshake, Signature},
    diagnostic::Severity,
    engine::scope::Scope,
    observe::{
        self, Moment,
        doctor::{Diagnosis, Evidence, Probe, Probed, State, diagnose},
    },
    project::Project,
    report::{Checked, Found, Mark, Report},
};

/// Find why it doesn't work, and say the mend
///
/// Looks at all that the stage is made of, compares it with the manifest, and reads what was logged and counted. It changes
/// nothing. It exits with 1 if something is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wsless doctor
  wsless doctor --stage prod --probe
  wsless doctor --since 2h --output json")]
pub struct Doctor {
    /// Open a connection and send a message to each route; your handlers get them
    #[arg(long)]
    probe: bool,
    /// A header of the probe's handshake; may be given several times
    #[arg(long, value_name = "NAME:VALUE", value_parser = header, requires = "probe")]
    header: Vec<(String, String)>,
    /// A query parameter of the probe's handshake; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter, requires = "probe")]
    query: Vec<(String, String)>,
    /// From when on what was logged and counted matters: a time, or how long ago [default: since the last deployment, and
    /// an hour ago at most]
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
}

impl Doctor {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        let (aws, scope) = work::connect(&project, global).await?;
        let probed = if self.probe {
            self.try_out(&aws, &scope, &project, report).await?
        } else {
            None
        };
        let phase = report.phase("Looking at the stage");
        let evidence = Box::pin(Evidence::gather(
            &aws,
            &project,
            global.place(),
            self.since.map(|since| since.seen_from(Timestamp::now())),
            probed,
        ))
        .await?;
        phase.done("seen");
        let diagnosis = diagnose(&evidence);
        show(&evidence, &diagnosis, report);
        Ok(if diagnosis.is_wrong() {
            exit::FAILED
        } else {
            exit::DONE
        })
    }

    /// Sends messages. Without a stage there's nobody to send to.
    async fn try_out(
        &self,
        aws: &Aws,
        scope: &Scope,
        project: &Project,
        report: &Report,
    ) -> Result<Option<Probed>, Failure> {
        let gateway = observe::gateway(aws, scope).await?;
        let Some(address) = gateway.and_then(|gateway| gateway.endpoint) else {
            return Ok(None);
        };
        let signature = if observe::is_signed(aws, scope).await? {
            Some(Signature {
                credentials: aws.credentials().await?,
                region: aws.identity().region.clone(),
            })
        } else {
            None
        };
        // Who says an origin that may connect is let in as a page would be.
        let origins = project.manifest.api.allowed_origins.iter().flatten();
        let origin = origins
            .take(1)
            .map(|origin| ("Origin".to_owned(), origin.clone()));
        let is_given = |name: &str| {
            self.header
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
        };
        let handshake = Handshake {
            address,
            headers: origin
                .filter(|(name, _)| !is_given(name))
                .chain(self.header.iter().cloned())
                .collect(),
            query: self.query.clone(),
            subprotocols: Vec::new(),
            signature,
        };
        let phase = report.phase("Sending messages");
        let probe = Probe {
            handshake: &handshake,
            manifest: &project.manifest,
        };
        let probed = probe.run().await;
        phase.done("sent");
        Ok(Some(probed))
    }
}

fn show(evidence: &Evidence, diagnosis: &Diagnosis, report: &Report) {
    for check in &diagnosis.checks {
        report.check(&Checked {
            name: check.area.as_str(),
            mark: match check.state {
                State::Ok => Mark::Ok,
                State::Warning => Mark::Warning,
                State::Wrong => Mark::Wrong,
                State::Skipped => Mark::Skipped,
            },
            words: &check.words,
        });
    }
    for finding in &diagnosis.findings {
        report.finding(&Found {
            code: finding.code,
            severity: finding.severity,
            symptom: &finding.symptom,
            cause: &finding.cause,
            mend: &finding.mend,
            evidence: &finding.evidence,
        });
    }
    let (wrong, warnings) = (
        diagnosis.count(Severity::Error),
        diagnosis.count(Severity::Warning),
    );
    if !report.is_json() {
        if !diagnosis.consequences.is_empty() {
            report.say("\nSeen too, and likely to follow from it:");
        }
        for consequence in &diagnosis.consequences {
            report.say(&format!("  {consequence}"));
        }
        report.say(&format!("\n{}", summary(wrong, warnings)));
    }
    report.result(
        "doctor",
        json!({
            "endpoint": evidence.endpoint(),
            "wrong": wrong,
            "warnings": warnings,
            "consequences": diagnosis.consequences,
        }),
    );
}

fn summary(wrong: usize, warnings: usize) -> String {
    let things = match wrong {
        0 => "Nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        several => format!("{several} things are wrong"),
    };
    match warnings {
        0 => format!("{things}."),
        1 => format!("{things}; 1 warning."),
        several => format!("{things}; {several} warnings."),
    }
}
