//! The lines that Lambda itself writes to a function's log. Pure.

use std::{fmt::Write as _, time::Duration};

use super::outcome::{Failure, Outcome};
use crate::clock::Millis;

/// A process starts.
pub(super) fn init_start(runtime: &str, region: &str) -> String {
    // `provided.al2023` is written `provided:al2023.v75` on AWS: the number is that of the runtime's patch.
    let name = runtime.replacen('.', ":", 1);
    format!(
        "INIT_START Runtime Version: {name}.v1\tRuntime Version ARN: arn:aws:lambda:{region}::runtime:{}\n",
        "0".repeat(64)
    )
}

/// A process failed before it asked for work.
pub(super) fn init_report(took: Duration, again: bool, status: &str, kind: Option<&str>) -> String {
    let phase = if again { "invoke" } else { "init" };
    let mut line = format!(
        "INIT_REPORT Init Duration: {:.2} ms\tPhase: {phase}\tStatus: {status}",
        milliseconds(took)
    );
    if let Some(kind) = kind {
        let _ = write!(line, "\tError Type: {kind}");
    }
    line.push('\n');
    line
}

/// An invocation starts.
pub(super) fn start(request: &str, version: &str) -> String {
    format!("START RequestId: {request} Version: {version}\n")
}

/// An invocation's end in figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub took: Duration,
    /// Of the process's first invocation.
    pub init: Option<Duration>,
    pub memory_mib: u32,
    pub used_mib: u64,
}

/// An invocation ended.
pub(super) fn end(request: &str, outcome: &Outcome, figures: &Figures) -> Vec<String> {
    let mut lines = Vec::with_capacity(3);
    match outcome {
        Outcome::Failed(failure @ Failure::TimedOut(_)) => {
            lines.push(format!(
                "{} {request} {}\n\n",
                Millis::now().iso(),
                failure.words()
            ));
        }
        Outcome::Failed(failure @ (Failure::Exited(_) | Failure::Entrypoint(_))) => {
            lines.push(format!("RequestId: {request} Error: {}\n", failure.words()));
            lines.push(format!("{}\n", failure.kind()));
        }
        _ => {}
    }
    lines.push(format!("END RequestId: {request}\n"));
    lines.push(report(request, outcome, figures));
    lines
}

fn report(request: &str, outcome: &Outcome, figures: &Figures) -> String {
    let took = milliseconds(figures.took);
    // Custom runtimes always paid for their start; since 2025-08 all do.
    let billed = (took + figures.init.map_or(0.0, milliseconds))
        .ceil()
        .max(1.0);
    let mut line = format!(
        "REPORT RequestId: {request}\tDuration: {took:.2} ms\tBilled Duration: {billed:.0} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
        figures.memory_mib, figures.used_mib
    );
    if let Some(init) = figures.init {
        let _ = write!(line, "Init Duration: {:.2} ms\t", milliseconds(init));
    }
    match outcome {
        Outcome::Failed(Failure::TimedOut(_)) => line.push_str("Status: timeout"),
        Outcome::Failed(failure @ (Failure::Exited(_) | Failure::Entrypoint(_))) => {
            let _ = write!(line, "Status: error\tError Type: {}", failure.kind());
        }
        _ => {}
    }
    line.push('\n');
    line
}

/// As CloudWatch has durations.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARM: Figures = Figures {
        took: Duration::from_micros(1230),
        init: None,
        memory_mib: 128,
        used_mib: 20,
    };

    #[test]
    fn an_invocation_is_reported_as_aws_reports_it() {
        let returned = Outcome::Returned(bytes::Bytes::new());
        assert_eq!(
            start("1-2", "$LATEST"),
            "START RequestId: 1-2 Version: $LATEST\n"
        );
        assert_eq!(
            end("1-2", &returned, &WARM),
            [
                "END RequestId: 1-2\n",
                "REPORT RequestId: 1-2\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 20 MB\t\n",
            ]
        );
        let cold = Figures {
            init: Some(Duration::from_micros(20_500)),
            ..WARM
        };
        assert_eq!(
            end("1-2", &returned, &cold)[1],
            "REPORT RequestId: 1-2\tDuration: 1.23 ms\tBilled Duration: 22 ms\tMemory Size: 128 MB\tMax Memory Used: 20 MB\tInit Duration: 20.50 ms\t\n"
        );
    }

    #[test]
    fn a_crash_and_a_timeout_say_so() {
        let crash = Failure::Exited("Runtime exited with error: exit status 1".to_owned());
        let lines = end("1-2", &Outcome::Failed(crash), &WARM);
        assert_eq!(
            lines[0],
            "RequestId: 1-2 Error: Runtime exited with error: exit status 1\n"
        );
        assert_eq!(lines[1], "Runtime.ExitError\n");
        assert!(lines[3].ends_with("\tStatus: error\tError Type: Runtime.ExitError\n"));
        let late = Failure::TimedOut(Duration::from_secs(3));
        let lines = end("1-2", &Outcome::Failed(late), &WARM);
        assert!(lines[0].ends_with("Z 1-2 Task timed out after 3.00 seconds\n\n"));
        assert!(lines[2].ends_with("\tStatus: timeout\n"));
        assert_eq!(
            init_report(
                Duration::from_micros(206_720),
                false,
                "error",
                Some("Runtime.ExitError")
            ),
            "INIT_REPORT Init Duration: 206.72 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n"
        );
    }
}
