//! `--send` and `--expect`, in the order in which they were given.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::client::{Expectation, Step};

const SEND: &str = "send";
const EXPECT: &str = "expect";

/// The steps of a script; none if it's a conversation.
#[derive(Clone, Debug, Default)]
pub struct Steps(Vec<Step>);

impl Steps {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The steps with each text as it's sent.
    pub fn wrapped(&self, wrap: &(dyn Fn(&str) -> String + Send + Sync)) -> Vec<Step> {
        self.0
            .iter()
            .map(|step| match step {
                Step::Send(text) => Step::Send(wrap(text)),
                Step::Expect(expectation) => Step::Expect(expectation.clone()),
            })
            .collect()
    }
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut steps = Self::default();
        steps.update_from_arg_matches(matches)?;
        Ok(steps)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let at = |name| matches.indices_of(name).into_iter().flatten();
        let sent = matches.get_many::<String>(SEND).into_iter().flatten();
        let expected = matches
            .get_many::<Expectation>(EXPECT)
            .into_iter()
            .flatten();
        let mut steps: Vec<(usize, Step)> = at(SEND)
            .zip(sent.map(|text| Step::Send(text.clone())))
            .chain(at(EXPECT).zip(expected.map(|expected| Step::Expect(expected.clone()))))
            .collect();
        steps.sort_by_key(|(at, _)| *at);
        self.0 = steps.into_iter().map(|(_, step)| step).collect();
        Ok(())
    }
}

impl Args for Steps {
    fn augment_args(command: Command) -> Command {
        let several = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Append);
        command
            .arg(
                several(SEND)
                    .value_name("TEXT")
                    .help("Send this message; several, and --expect between them, in the order given"),
            )
            .arg(
                several(EXPECT)
                    .value_name("WHAT")
                    .value_parser(Expectation::parse)
                    .help("Wait for a message that has this text, or these fields (JSON), or matches this /regex/"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
