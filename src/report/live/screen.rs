//! The terminal while a live view is on it: drawn on, its keys read, and given back as it was, whatever happens.

use std::io;

use crossterm::event::{Event, EventStream, KeyEvent};
use futures::StreamExt;
use jiff::Timestamp;
use ratatui::DefaultTerminal;

use super::{Live, view};

/// The terminal. Dropped, it's as it was; a panic anywhere gives it back before it's told.
pub struct Screen {
    terminal: DefaultTerminal,
    events: EventStream,
}

/// What came from the terminal.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// A key.
    Key(KeyEvent),
    /// It has another size now.
    Resized,
    /// It's gone: nobody is there any more.
    Closed,
}

impl Screen {
    /// Takes the terminal.
    pub fn open(color: bool) -> io::Result<Self> {
        crossterm::style::force_color_output(color);
        Ok(Self {
            terminal: ratatui::try_init()?,
            events: EventStream::new(),
        })
    }

    /// Shows a view.
    pub fn draw(&mut self, live: &Live) -> io::Result<()> {
        let now = Timestamp::now();
        self.terminal
            .draw(|frame| view::draw(frame, live, now))
            .map(|_| ())
    }

    /// The next key, or another size.
    pub async fn input(&mut self) -> Input {
        loop {
            match self.events.next().await {
                Some(Ok(Event::Key(key))) => return Input::Key(key),
                Some(Ok(Event::Resize(..))) => return Input::Resized,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Input::Closed,
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
