//! `wsless connect`: talks to a stage, by hand or by a script.

mod steps;
mod talk;

use std::time::{Duration, Instant};

use self::steps::Steps;
use super::{
    Failure, Global,
    arguments::{duration, header, parameter},
    work,
};
use crate::{
    aws::{self, Aws},
    client::{Handshake, Script, Selection, Signature},
    diagnostic::Diagnostic,
    observe,
    project::Project,
    report::Report,
};

/// What messages are routed by where no manifest says it.
const USUAL_SELECTION: &str = "$request.body.action";

/// Talk to a stage over WebSocket, by hand or by a script
///
/// On a terminal what you type is sent, with a history; Ctrl-D ends. From a pipe each line is sent. With --send or
/// --expect it's a script, for smoke tests: it exits with 1, and tells what came instead, if something doesn't come.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wsless connect --stage prod
  wsless connect --route ping --send '{\"id\":7}' --expect '{\"pong\":7}'
  wsless connect --send hello --expect hello --count 100 --output json
  wsless connect --url wss://abc.execute-api.eu-west-1.amazonaws.com/dev --sign")]
pub struct Connect {
    /// Send what is typed to this route: as the fields of the JSON object that selects it
    #[arg(long, short)]
    route: Option<String>,
    /// Connect to this address instead of a project's stage
    #[arg(long)]
    url: Option<String>,
    /// A header of the handshake; may be given several times
    #[arg(long, value_name = "NAME:VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// A query parameter of the handshake; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    query: Vec<(String, String)>,
    /// A subprotocol to offer; may be given several times
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
    /// The origin to claim, as a browser does
    #[arg(long)]
    origin: Option<String>,
    /// Sign the handshake (SigV4) [default: if $connect's authorization is AWS_IAM]
    #[arg(long)]
    sign: bool,
    #[command(flatten)]
    steps: Steps,
    /// Do all that is sent and expected so often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How long to wait for each message that's expected; with none, how long to listen at the end
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,
}

/// What is done with a text before it's sent.
type Wrap = Box<dyn Fn(&str) -> String + Send + Sync>;

/// Where to connect, and what is known of it.
struct Target {
    address: String,
    selection: String,
    signature: Option<Signature>,
}

impl Connect {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let target = match &self.url {
            Some(url) => self.named(url, global).await?,
            None => self.found(global, report).await?,
        };
        let wrap = self.wrap(&target.selection)?;
        let origin = self
            .origin
            .iter()
            .map(|origin| ("Origin".to_owned(), origin.clone()));
        let handshake = Handshake {
            address: target.address,
            headers: self.header.iter().cloned().chain(origin).collect(),
            query: self.query.clone(),
            subprotocols: self.subprotocol.clone(),
            signature: target.signature,
        };
        let talk = talk::Talk {
            report,
            handshake: &handshake,
            wrap: &*wrap,
            patience: self.timeout,
        };
        let client = talk.open(Instant::now()).await?;
        if self.steps.is_empty() {
            return talk.converse(client).await;
        }
        let script = Script {
            steps: self.steps.wrapped(&*wrap),
            times: self.count,
            patience: self.timeout,
        };
        talk.play(client, &script).await
    }

    /// The stage's own address.
    async fn found(&self, global: &Global, report: &Report) -> Result<Target, Failure> {
        let project = Project::open(global.manifest.as_deref(), &global.stage)?;
        let (aws, scope) = work::connect(&project, global).await?;
        let phase = report.phase("Looking for the stage");
        let gateway = observe::gateway(&aws, &scope).await?;
        let Some(address) = gateway
            .as_ref()
            .and_then(|gateway| gateway.endpoint.clone())
        else {
            let what = if gateway.is_none() {
                "isn't deployed"
            } else {
                "has an API, and no stage"
            };
            return Err(Diagnostic::error(
                "connect::not-deployed",
                format!(
                    "`{}` {what} as {} in {}",
                    scope.project, scope.stage, scope.identity.region
                ),
            )
            .help(format!("run `wsless deploy {}`", global.place()))
            .into());
        };
        let signature = if self.sign || observe::is_signed(&aws, &scope).await? {
            Some(signature(&aws).await?)
        } else {
            None
        };
        phase.done("found");
        Ok(Target {
            address,
            selection: project.manifest.api.route_selection.clone(),
            signature,
        })
    }

    /// An address that was given.
    async fn named(&self, url: &str, global: &Global) -> Result<Target, Failure> {
        let signature = if self.sign {
            let aws = Aws::connect(&aws::Options {
                region: global.region.clone().or_else(|| region_in(url)),
                profile: global.profile.clone(),
                endpoint_url: global.endpoint_url.clone(),
                local: global.local,
            })
            .await?;
            Some(signature(&aws).await?)
        } else {
            None
        };
        // A manifest that's named says how its messages are routed; one that merely lies here needn't be this API's.
        let selection = match &global.manifest {
            Some(path) => {
                Project::open(Some(path), &global.stage)?
                    .manifest
                    .api
                    .route_selection
            }
            None => USUAL_SELECTION.to_owned(),
        };
        Ok(Target {
            address: url.to_owned(),
            selection,
            signature,
        })
    }

    /// What is done with a text before it's sent.
    fn wrap(&self, expression: &str) -> Result<Wrap, Failure> {
        let Some(route) = self.route.clone() else {
            return Ok(Box::new(str::to_owned));
        };
        if ["$connect", "$disconnect"].contains(&route.as_str()) {
            return Err(Diagnostic::error(
                "connect::route",
                format!("no message goes to {route}: connecting and disconnecting do"),
            )
            .into());
        }
        let selection = Selection::of(expression).map_err(|error| {
            Diagnostic::error("connect::route", error.to_string())
                .help("write the whole message, and leave out --route")
        })?;
        Ok(Box::new(move |text| selection.wrap(&route, text)))
    }
}

async fn signature(aws: &Aws) -> Result<Signature, Failure> {
    Ok(Signature {
        credentials: aws.credentials().await?,
        region: aws.identity().region.clone(),
    })
}

/// The region of `wss://{api}.execute-api.{region}.amazonaws.com`.
fn region_in(url: &str) -> Option<String> {
    let (_, rest) = url.split_once(".execute-api.")?;
    let (region, rest) = rest.split_once('.')?;
    rest.starts_with("amazonaws.com").then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_awss_names_its_region() {
        assert_eq!(
            region_in("wss://abc.execute-api.eu-west-1.amazonaws.com/dev").as_deref(),
            Some("eu-west-1")
        );
        assert_eq!(region_in("wss://abc.execute-api.localhost:4566/dev"), None);
    }
}
