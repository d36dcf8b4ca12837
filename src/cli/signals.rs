//! Being asked to end.

use crate::{engine::apply::Stop, report::Report};

/// Ctrl-C, and the request to end that CI services send when a job is cancelled.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    terminate: tokio::signal::windows::CtrlClose,
}

impl Signals {
    /// From now on they don't end the process by themselves.
    pub fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        }
        #[cfg(windows)]
        {
            Ok(Self {
                interrupt: tokio::signal::windows::ctrl_c()?,
                terminate: tokio::signal::windows::ctrl_close()?,
            })
        }
    }

    /// Waits for one.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Lets the first one stop new steps, and a second Ctrl-C end the process.
    pub async fn heed<T>(
        &mut self,
        mut work: std::pin::Pin<&mut impl Future<Output = T>>,
        stop: &Stop,
        report: &Report,
    ) -> T {
        loop {
            let at_once = tokio::select! {
                ended = &mut work => return ended,
                Some(()) = self.interrupt.recv() => true,
                Some(()) = self.terminate.recv() => false,
            };
            if !stop.is_requested() {
                stop.request();
                report.note(
                    "Stopping: what is under way is finished first. Ctrl-C again ends at once.",
                );
            } else if at_once {
                std::process::exit(130);
            }
        }
    }
}
