//! `wsless completions`: what a shell needs to complete our arguments.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure, exit};

/// Print a shell's completion script
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless completions bash > /etc/bash_completion.d/wsless\n  \
                        wsless completions zsh > ~/.zfunc/_wsless"
)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "wsless", &mut script);
        std::io::Write::write_all(&mut std::io::stdout(), &script)?;
        Ok(exit::DONE)
    }
}
