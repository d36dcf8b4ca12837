//! `wsless demo`: the whole life of a system on this machine, played once.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::json;

use super::{Failure, exit, local::CloudArgs, signals::Signals, work};
use crate::{
    client::{Client, ClientError},
    demo::{Exchange, Script, script},
    dev::{Deployed, Target},
    diagnostic::Diagnostic,
    engine::apply::Stop,
    observe::{self, Kind, LogLine},
    project::Project,
    report::{Report, Summary, Times},
    template::{self, Template},
};

/// The stage that is played.
const STAGE: &str = "dev";
/// How long an answer may take: a first call starts a process.
const ANSWER: Duration = Duration::from_secs(30);

/// How long logs may lag.
const LOGGED: Duration = Duration::from_secs(10);

/// See a whole system live on this machine, with no account
///
/// Writes a template's project, builds it, deploys it to the embedded cloud, sends messages through it, shows logs and
/// status, changes a handler while a client stays connected, and takes it all away.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wsless demo\n  wsless demo --template chat --once")]
pub struct Demo {
    /// What to play
    #[arg(long, short, value_enum, default_value_t = Template::Echo)]
    template: Template,
    /// End when the story ends [default: keep it running for you until Ctrl-C, on a terminal]
    #[arg(long)]
    once: bool,
    /// The port of the embedded cloud; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

impl Demo {
    pub(super) async fn run(&self, report: &Report) -> Result<u8, Failure> {
        let mut signals = Signals::listen()?;
        let cloud = CloudArgs::on_port(self.port);
        let here = cloud.start(None, report).await?;
        let played = {
            let play = Box::pin(self.play(report, here.cloud.endpoint()));
            tokio::select! {
                played = play => played,
                () = signals.received() => Ok(()),
            }
        };
        let stopped = here.cloud.stop().await;
        played?;
        stopped.map_err(|error| Diagnostic::error("local::stop", error.to_string()))?;
        Ok(exit::DONE)
    }

    async fn play(&self, report: &Report, endpoint: String) -> Result<(), Failure> {
        let story = Story {
            report,
            script: script(self.template),
            began: Instant::now(),
        };
        let folder = folder(self.template)?;
        std::fs::create_dir_all(&folder)?;
        let playing = std::fs::File::create(folder.join(".playing"))?;
        if playing.try_lock().is_err() {
            return Err(Diagnostic::error(
                "demo::busy",
                format!("another demo plays in {}", folder.display()),
            )
            .help("end it first, or play another template with --template")
            .into());
        }
        story.chapter("A project");
        template::refresh(self.template, self.template.as_str(), &folder)?;
        report.say(&format!("{}", folder.display()));

        story.chapter("Build");
        let project = Story::project(&folder)?;
        let (artifacts, took) = work::build(&project, report).await?;
        story.fact(
            "build",
            took,
            &format!(
                "{} handlers, and connect, disconnect, push",
                artifacts.handlers.len()
            ),
        );

        story.chapter("Deploy");
        let target = Target::connect(&endpoint, None).await?;
        let since = Timestamp::now();
        let deployed = story.deployed(
            "deploy",
            target
                .deploy(&project, &artifacts, &Stop::default())
                .await?,
        )?;
        let address = deployed.endpoint.unwrap_or_default();
        report.say(&address);

        story.chapter("Connect");
        let began = Instant::now();
        let mut client = Client::connect(&address)
            .await
            .map_err(|error| refusal(&error))?;
        story.fact(
            "connect",
            began.elapsed(),
            "the handshake went through the function `connect`",
        );

        story.chapter("Messages");
        for exchange in story.script.exchanges {
            story.exchange(&mut client, exchange).await?;
        }

        story.chapter("Logs");
        story.logs(&target, &project, since).await?;

        story.chapter("Status");
        story.status(&target, &project, &endpoint).await?;

        story.chapter(&format!("A change: {}", story.script.edit.what));
        story.change(&folder, &target, &mut client).await?;

        if !self.once && std::io::stdout().is_terminal() && !report.is_json() {
            story.chapter("Yours");
            report.say(&format!("It runs until Ctrl-C: open {endpoint}/ in a browser, or talk to it:\n  wsless connect --url {address}"));
            return std::future::pending().await;
        }
        story.chapter("Destroy");
        let _ = client.close().await;
        let project = Story::project(&folder)?;
        let _ = story.deployed("destroy", target.destroy(&project).await?)?;
        story.fact(
            "story",
            story.began.elapsed(),
            "all of it, and nothing is left",
        );
        Ok(())
    }
}

/// What is played, and where it's shown.
struct Story<'a> {
    report: &'a Report,
    script: Script,
    began: Instant,
}

impl Story<'_> {
    fn chapter(&self, title: &str) {
        self.report.say(&format!("\n# {title}"));
    }

    /// Something that took a while.
    fn fact(&self, what: &str, took: Duration, words: &str) {
        let elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.report
            .say(&format!("{}: {words}", crate::report::text::precise(took)));
        self.report
            .result("demo", json!({ "step": what, "elapsed_ms": elapsed_ms }));
    }

    fn project(folder: &Path) -> Result<Project, Failure> {
        let mut project = Project::open(Some(folder), STAGE)?.here();
        "dev".clone_into(&mut project.manifest.build.profile);
        Ok(project)
    }

    fn deployed(&self, command: &str, deployed: Deployed) -> Result<Deployed, Failure> {
        if !deployed.is_complete() {
            self.report.summary(&Summary {
                command,
                done: "",
                applied: &deployed.applied,
                elapsed: deployed.elapsed,
                timings: Vec::new(),
                endpoint: None,
                next: Vec::new(),
            });
            return Err(deployed.troubles.into());
        }
        let steps = deployed.applied.steps.len();
        self.fact(command, deployed.elapsed, &format!("{steps} steps"));
        Ok(deployed)
    }

    async fn exchange(&self, client: &mut Client, exchange: &Exchange) -> Result<(), Failure> {
        self.report.say(&format!("> {}", exchange.send));
        let began = Instant::now();
        client
            .send(exchange.send)
            .await
            .map_err(|error| refusal(&error))?;
        for expected in exchange.expect {
            let answer = client
                .receive(ANSWER)
                .await
                .map_err(|error| refusal(&error))?;
            self.report.say(&format!("< {answer}"));
            if !answer.contains(expected) {
                return Err(Diagnostic::error(
                    "demo::answer",
                    format!("the answer doesn't hold {expected}"),
                )
                .note("this is a mistake in wsless, not yours")
                .into());
            }
        }
        self.fact("message", began.elapsed(), exchange.way);
        Ok(())
    }

    async fn logs(
        &self,
        target: &Target,
        project: &Project,
        since: Timestamp,
    ) -> Result<(), Failure> {
        let scope = project.scope(target.aws().identity());
        let functions: Vec<&str> = project
            .manifest
            .handlers
            .keys()
            .map(crate::manifest::HandlerName::as_str)
            .chain(crate::stack::builtins(&project.manifest))
            .collect();
        // A function's lines are there a moment after it answered.
        let began = Instant::now();
        let lines = loop {
            let lines =
                observe::recent(target.aws(), &scope, functions.iter().copied(), since).await?;
            let told = |line: &LogLine| line.content.kind == Kind::Own;
            if lines.iter().any(told) || began.elapsed() > LOGGED {
                break lines;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let told: Vec<_> = lines
            .iter()
            .filter(|line| matches!(line.content.kind, Kind::Own | Kind::Report))
            .collect();
        let last = &told[told.len().saturating_sub(12)..];
        self.report
            .log(functions, Times::None)
            .show(last.iter().copied());
        Ok(())
    }

    async fn status(
        &self,
        target: &Target,
        project: &Project,
        endpoint: &str,
    ) -> Result<(), Failure> {
        let scope = project.scope(target.aws().identity());
        let queues = observe::queues(target.aws(), &scope).await?;
        let rows: Vec<_> = queues
            .iter()
            .map(|queue| {
                [
                    queue.queue.clone(),
                    queue.waiting.to_string(),
                    queue.in_flight.to_string(),
                ]
                .to_vec()
            })
            .collect();
        self.report.table(&["queue", "waiting", "in flight"], &rows);
        self.report.say(&format!("more of it: {endpoint}/"));
        Ok(())
    }

    async fn change(
        &self,
        folder: &Path,
        target: &Target,
        client: &mut Client,
    ) -> Result<(), Failure> {
        let edit = self.script.edit;
        let file = folder.join(edit.file);
        let text = std::fs::read_to_string(&file)?;
        if text.matches(edit.from).count() != 1 {
            return Err(Diagnostic::error(
                "demo::edit",
                format!("{} isn't what it was", file.display()),
            )
            .into());
        }
        std::fs::write(&file, text.replace(edit.from, edit.to))?;
        let began = Instant::now();
        let project = Self::project(folder)?;
        let (artifacts, _) = work::build(&project, self.report).await?;
        let _ = self.deployed(
            "redeploy",
            target
                .deploy(&project, &artifacts, &Stop::default())
                .await?,
        )?;
        self.fact(
            "change",
            began.elapsed(),
            "rebuilt and swapped; the client is still connected",
        );
        self.exchange(client, &edit.then).await
    }
}

/// Where the project is kept from one demo to the next, so that the second builds in no time.
fn folder(template: Template) -> Result<PathBuf, Failure> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".cache")))
        .ok_or_else(|| {
            Diagnostic::error("demo::folder", "there is no home folder").help("set XDG_CACHE_HOME")
        })?;
    Ok(cache.join("wsless/demo").join(template.as_str()))
}

fn refusal(error: &ClientError) -> Failure {
    Diagnostic::error("demo::client", error.to_string())
        .note("the functions' logs say more: run it again, or look at the console while it runs")
        .into()
}
