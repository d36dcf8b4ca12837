//! The command line: one file a command, each with its arguments, the calls it makes and the report it prints.
//!
//! Holds no logic that another command could want: that has another home.

mod arguments;
mod build;
mod ci;
mod completions;
mod connect;
mod demo;
mod deploy;
mod destroy;
mod dev;
mod dlq;
mod doctor;
mod failure;
mod history;
mod init;
mod local;
mod logs;
mod man;
mod metrics;
mod plan;
mod policy;
mod schema;
mod signals;
mod status;
mod unlock;
mod watch;
mod work;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::failure::Failure;
use crate::{
    diagnostic::Diagnostic,
    report::{ColorChoice, Options, Output, Report},
};

/// How a command ends: the numbers that scripts rely on.
pub mod exit {
    /// It's done.
    pub const DONE: u8 = 0;
    /// It failed.
    pub const FAILED: u8 = 1;
    /// `plan --detailed-exitcode` found changes.
    pub const CHANGES: u8 = 2;
    /// The arguments are wrong, or a question needs an argument to answer it.
    pub const USAGE: u8 = 64;
    /// The stage is locked.
    pub const LOCKED: u8 = 75;
}

/// Deploys serverless WebSocket systems on AWS from one manifest.
#[derive(Debug, Parser)]
#[command(name = "wsless", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  wsless init my-chat --template chat   write a project that builds and runs at once
  wsless plan                           show what deploying would change
  wsless deploy --stage prod            build and deploy to the stage prod
  wsless destroy --stage prod           take all of the stage away

Exit codes: 0 done, 1 failed, 2 changes found (plan --detailed-exitcode), 64 wrong usage, 75 stage locked.";

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options for every command")]
pub struct Global {
    /// The manifest [default: wsless.toml here or in the nearest folder above]
    #[arg(long, global = true, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The stage, such as dev, test, prod
    #[arg(
        long,
        short,
        global = true,
        default_value = "dev",
        env = "WSLESS_STAGE"
    )]
    stage: String,
    /// The AWS region [default: the manifest's, else the AWS configuration's]
    #[arg(long, global = true)]
    region: Option<String>,
    /// The AWS profile [default: the AWS configuration's]
    #[arg(long, global = true)]
    profile: Option<String>,
    /// The address of all AWS services, for an emulator
    #[arg(long, global = true, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The embedded cloud that runs on this machine (`wsless local`, `wsless dev`)
    #[arg(long, global = true, conflicts_with_all = ["endpoint_url", "profile"])]
    local: bool,
    /// Who reads standard output
    #[arg(long, global = true, value_enum, default_value_t = OutputArg::Human)]
    output: OutputArg,
    /// Answer yes to every question
    #[arg(long, short, global = true)]
    yes: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = ColorArg::Auto)]
    color: ColorArg,
    /// Show more; twice, each call to AWS
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Global {
    /// The arguments by which another command finds the same stage.
    fn place(&self) -> String {
        let named = [
            ("--region", &self.region),
            ("--profile", &self.profile),
            ("--endpoint-url", &self.endpoint_url),
        ];
        let given = named
            .into_iter()
            .filter_map(|(flag, value)| value.as_ref().map(|value| format!(" {flag} {value}")));
        let local = self.local.then(|| " --local".to_owned());
        let more: String = given.chain(local).collect();
        format!("--stage {}{more}", self.stage)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OutputArg {
    /// People
    Human,
    /// Machines: one JSON object a line
    Json,
    /// A pull request's comment; only `plan` has it
    Markdown,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ColorArg {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Demo(demo::Demo),
    Dev(dev::Dev),
    Local(local::Local),
    Build(build::Build),
    Plan(plan::Plan),
    Deploy(deploy::Deploy),
    Destroy(destroy::Destroy),
    Connect(connect::Connect),
    Doctor(doctor::Doctor),
    History(history::History),
    Status(status::Status),
    Metrics(metrics::Metrics),
    Logs(logs::Logs),
    Dlq(dlq::Dlq),
    Unlock(unlock::Unlock),
    Policy(policy::Policy),
    Ci(ci::Ci),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Parses the arguments, runs the command and says how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // What clap says about wrong usage, or the help or version that was asked for.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::DONE
            });
        }
    };
    let report = Report::new(Options {
        output: match cli.global.output {
            OutputArg::Human => Output::Human,
            OutputArg::Json => Output::Json,
            OutputArg::Markdown => Output::Markdown,
        },
        color: match cli.global.color {
            ColorArg::Auto => ColorChoice::Auto,
            ColorArg::Always => ColorChoice::Always,
            ColorArg::Never => ColorChoice::Never,
        },
        verbose: cli.global.verbose,
    });
    if cli.global.verbose >= 2 {
        trace();
    }
    ExitCode::from(match run(&cli, &report) {
        Ok(code) => code,
        Err(failure) => {
            report.diagnostics(&failure.diagnostics);
            failure.code
        }
    })
}

fn run(cli: &Cli, report: &Report) -> Result<u8, Failure> {
    let global = &cli.global;
    if matches!(global.output, OutputArg::Markdown) && !matches!(cli.command, Command::Plan(_)) {
        return Err(Failure::usage(
            Diagnostic::error(
                "cli::markdown",
                "only `wsless plan` has `--output markdown`",
            )
            .help("pass `--output human` or `--output json`"),
        ));
    }
    match &cli.command {
        Command::Init(command) => command.run(report),
        Command::Schema(_) => schema::run(),
        Command::Completions(command) => command.run(),
        Command::Demo(command) => block_on(command.run(report)),
        Command::Dev(command) => block_on(command.run(global, report)),
        Command::Local(command) => block_on(command.run(report)),
        Command::Build(command) => block_on(command.run(global, report)),
        Command::Plan(command) => block_on(command.run(global, report)),
        Command::Deploy(command) => block_on(command.run(global, report)),
        Command::Destroy(command) => block_on(command.run(global, report)),
        Command::Connect(command) => block_on(command.run(global, report)),
        Command::Doctor(command) => block_on(command.run(global, report)),
        Command::History(command) => block_on(command.run(global, report)),
        Command::Status(command) => block_on(command.run(global, report)),
        Command::Metrics(command) => block_on(command.run(global, report)),
        Command::Logs(command) => block_on(command.run(global, report)),
        Command::Dlq(command) => block_on(command.run(global, report)),
        Command::Unlock(command) => block_on(command.run(global, report)),
        Command::Policy(command) => block_on(command.run(global, report)),
        Command::Ci(command) => command.run(global, report),
        Command::Man(command) => command.run(report),
    }
}

/// Commands that need no network start no runtime.
fn block_on(command: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(command);
    // A name being looked up, or a prompt, must not hold the exit back.
    runtime.shutdown_background();
    result
}

/// Our own steps on standard error; the SDK's too with `RUST_LOG`.
fn trace() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("wsless=debug"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .try_init();
}
