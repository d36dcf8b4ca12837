//! Lines that a person types, with editing and a history; or a pipe's lines, where nobody is there to type.

use std::{
    io::{self, BufRead, IsTerminal},
    path::{Path, PathBuf},
};

use rustyline::{
    Config, Context, Editor, ExternalPrinter, Helper,
    completion::Completer,
    config::Configurer,
    error::ReadlineError,
    highlight::{CmdKind, Highlighter},
    hint::Hinter,
    history::DefaultHistory,
    validate::Validator,
};
use tokio::sync::mpsc;

use super::{Report, highlight, progress::lock};

/// Lines that are remembered.
const REMEMBERED: usize = 1000;
/// Lines that may wait for whoever takes them.
const WAITING: usize = 16;

/// Writes above the line that is being typed.
pub(super) type Above = Box<dyn FnMut(String) + Send>;

/// Lines as they come.
pub struct TypedLines {
    input: mpsc::Receiver<String>,
    report: Report,
    is_typed: bool,
}

impl Report {
    /// Begins to read lines from standard input. On a terminal they're edited, and remembered in the file `history`:
    /// all but those that begin with a space.
    pub fn lines(&self, history: Option<PathBuf>) -> TypedLines {
        let (sender, input) = mpsc::channel(WAITING);
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_typed =
            io::stdin().is_terminal() && io::stdout().is_terminal() && !self.is_json() && !dumb;
        // Without the editor there's still a terminal that gives whole lines.
        let editor = is_typed.then(|| edited(self, history.as_deref())).flatten();
        std::thread::spawn(move || match editor {
            Some(editor) => type_in(editor, history.as_deref(), &sender),
            None => pass_on(&sender),
        });
        TypedLines {
            input,
            report: self.clone(),
            is_typed,
        }
    }
}

impl TypedLines {
    /// The next line; nothing at the end of input, at Ctrl-D and Ctrl-C.
    pub async fn next(&mut self) -> Option<String> {
        self.input.recv().await
    }

    /// Whether a person types them.
    pub fn is_typed(&self) -> bool {
        self.is_typed
    }
}

impl Drop for TypedLines {
    fn drop(&mut self) {
        *lock(&self.report.0.above) = None;
    }
}

type Typing = Editor<Colours, DefaultHistory>;

fn edited(report: &Report, history: Option<&Path>) -> Option<Typing> {
    let config = Config::builder()
        .history_ignore_space(true)
        .auto_add_history(false)
        .build();
    let mut editor = Typing::with_config(config).ok()?;
    editor.set_max_history_size(REMEMBERED).ok()?;
    editor.set_helper(Some(Colours(report.0.out_color)));
    if let Some(path) = history {
        // A first time has none.
        let _ = editor.load_history(path);
    }
    let mut printer = editor.create_external_printer().ok()?;
    let print: Above = Box::new(move |text| {
        let _ = printer.print(text);
    });
    *lock(&report.0.above) = Some(print);
    Some(editor)
}

fn type_in(mut editor: Typing, history: Option<&Path>, sender: &mpsc::Sender<String>) {
    loop {
        let line = match editor.readline("> ") {
            Ok(line) => line,
            // The window's size changed.
            Err(ReadlineError::Signal(_)) => continue,
            Err(_) => return,
        };
        if !line.trim().is_empty()
            && editor.add_history_entry(line.as_str()).unwrap_or(false)
            && let Some(path) = history
        {
            // A history that can't be kept is no reason to stop.
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = editor.append_history(path);
        }
        if sender.blocking_send(line).is_err() {
            return;
        }
    }
}

fn pass_on(sender: &mpsc::Sender<String>) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if sender.blocking_send(line).is_err() {
            return;
        }
    }
}

/// What is typed, in JSON's colours.
struct Colours(bool);

impl Helper for Colours {}
impl Completer for Colours {
    type Candidate = String;
}
impl Hinter for Colours {
    type Hint = String;

    fn hint(&self, _line: &str, _pos: usize, _context: &Context<'_>) -> Option<String> {
        None
    }
}
impl Validator for Colours {}
impl Highlighter for Colours {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> std::borrow::Cow<'l, str> {
        if self.0 {
            highlight::typed(line).into()
        } else {
            line.into()
        }
    }

    fn highlight_char(&self, _line: &str, _pos: usize, _kind: CmdKind) -> bool {
        self.0
    }
}
