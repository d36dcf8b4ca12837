//! S3's XML, read and written. Pure.
//!
//! What is read is a small tree; entities other than XML's own, and documents that nest deeply, are refused.

use std::fmt::Write as _;

use hyper::header::{CONTENT_TYPE, HeaderValue};
use quick_xml::{Reader, events::Event};

use super::errors;
use crate::{
    call::Answer,
    error::{AwsError, Result},
};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// Nothing that S3 takes nests deeper.
const DEPTH: usize = 8;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The text of a child.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of a name.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// A truth in a child; absent, it's false.
    pub fn truth(&self, name: &str) -> Result<bool> {
        match self.text(name).map(str::trim) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(errors::malformed_xml()),
        }
    }
}

/// Reads a document whose root has this name.
pub fn read(body: &[u8], root: &str) -> Result<Element> {
    let text = std::str::from_utf8(body).map_err(|_| errors::malformed_xml())?;
    let found = parse(text).ok_or_else(errors::malformed_xml)?;
    if found.name == root {
        Ok(found)
    } else {
        Err(errors::malformed_xml())
    }
}

fn parse(text: &str) -> Option<Element> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let closed = match reader.read_event().ok()? {
            Event::Start(start) => {
                if open.len() >= DEPTH || root.is_some() {
                    return None;
                }
                open.push(named(start.local_name().as_ref()));
                None
            }
            Event::Empty(start) => Some(named(start.local_name().as_ref())),
            Event::End(_) => Some(open.pop()?),
            Event::Text(text) => {
                match open.last_mut() {
                    Some(element) => element.text.push_str(&text),
                    None if text.trim().is_empty() => {}
                    None => return None,
                }
                None
            }
            Event::CData(text) => {
                open.last_mut()?.text.push_str(&text);
                None
            }
            Event::GeneralRef(name) => {
                let char = match name.resolve_char_ref().ok()? {
                    Some(char) => char,
                    None => match &*name {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => return None,
                    },
                };
                open.last_mut()?.text.push(char);
                None
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => None,
            Event::DocType(_) => return None,
            Event::Eof => return root.filter(|_| open.is_empty()),
        };
        if let Some(element) = closed {
            match open.last_mut() {
                Some(parent) => parent.children.push(element),
                None if root.is_none() => root = Some(element),
                None => return None,
            }
        }
    }
}

fn named(name: &str) -> Element {
    Element {
        name: name.to_owned(),
        ..Element::default()
    }
}

/// A document that is being written.
#[derive(Debug, Default)]
pub struct Xml {
    out: String,
}

impl Xml {
    /// An element with others in it.
    pub fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.tag(name, "");
        inside(self);
        self.tag(name, "/");
    }

    /// An element with text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.element(name, |xml| escape(text, &mut xml.out));
    }

    /// An element with a number, or a truth.
    pub fn value(&mut self, name: &str, value: impl std::fmt::Display) {
        self.text(name, &value.to_string());
    }

    /// Text that is the root's own.
    pub fn raw_text(&mut self, text: &str) {
        escape(text, &mut self.out);
    }

    /// An element's start with all its attributes, to be closed by its name.
    pub fn open(&mut self, start: &str) {
        self.tag(start, "");
    }

    /// The end of what was opened.
    pub fn close(&mut self, name: &str) {
        self.tag(name, "/");
    }

    fn tag(&mut self, name: &str, slash: &str) {
        self.out.push('<');
        self.out.push_str(slash);
        self.out.push_str(name);
        self.out.push('>');
    }
}

/// A whole document.
pub fn document(root: &str, in_namespace: bool, inside: impl FnOnce(&mut Xml)) -> String {
    let mut xml = Xml {
        out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
    };
    if in_namespace {
        let _ = write!(xml.out, "<{root} xmlns=\"{NAMESPACE}\">");
    } else {
        xml.tag(root, "");
    }
    inside(&mut xml);
    xml.tag(root, "/");
    xml.out
}

/// A document as an answer.
pub fn answer(document: String) -> Answer {
    let mut answer = Answer::blob(200, document.into());
    answer
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

/// An error within a document.
pub fn error(xml: &mut Xml, error: &AwsError) {
    xml.text("Code", &error.code);
    xml.text("Message", &error.message);
}

/// Control characters are written as references, as S3 does: a key may have them.
fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            control if control.is_control() => {
                let _ = write!(out, "&#x{:x};", u32::from(control));
            }
            other => out.push(other),
        }
    }
}
