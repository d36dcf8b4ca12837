//! The projects that `wsless init` writes, as the program carries them.
//!
//! A file `X.j2` is rendered to `X`, `gitignore` becomes `.gitignore` (cargo would leave out the real one), everything
//! else is copied. Nothing is written outside the folder, and nothing is left half-written.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use include_dir::{Dir, File, include_dir};
use minijinja::{Environment, context};

use crate::{build, diagnostic::Diagnostic, manifest};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// What a project begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// One queued route and one direct: the smallest whole system
    Echo,
    /// Rooms: join, leave, say, who
    Chat,
    /// A stock simulation: symbols, a feed, prices for late joiners
    Ticker,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Echo, Self::Chat, Self::Ticker];

    /// Its name, and its folder's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Chat => "chat",
            Self::Ticker => "ticker",
        }
    }
}

/// Writes a project called `name` into `dir`, which must be empty or not there, and returns the files' names.
pub fn write(template: Template, name: &str, dir: &Path) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    manifest::check_project_name(name).map_err(|error| {
        let mend = match &error.help {
            // The form of the name that would do.
            Some(better) => format!("{better}: pass it with `--name`, or pick another folder"),
            None => "pass another with `--name`, or pick another folder".to_owned(),
        };
        vec![error.help(mend)]
    })?;
    let failed = |action: &str, path: &Path, error: &io::Error| {
        vec![Diagnostic::error(
            "init::io",
            format!("can't {action} {}: {error}", path.display()),
        )]
    };
    let was_there = match std::fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(vec![
                    Diagnostic::error("init::not-empty", format!("{} isn't empty", dir.display()))
                        .note("nothing is ever written over")
                        .help("name a new folder: `wsless init DIR`"),
                ]);
            }
            true
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed("read", dir, &error)),
    };
    let files = files(template, name)
        .map_err(|message| vec![Diagnostic::error("init::template", message)])?;
    let written = files
        .iter()
        .try_for_each(|(path, body)| {
            let path = dir.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|error| failed("make", parent, &error))?;
            }
            std::fs::write(&path, body).map_err(|error| failed("write", &path, &error))
        })
        .and_then(|()| build::write_sdk(dir).map_err(|error| error.diagnostics()));
    if let Err(error) = written {
        clean_up(dir, was_there);
        return Err(error);
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// Brings a folder that a template was written into before, or a new one, to what the template says. Files that are
/// as they should be keep their times, so that cargo builds only what differs.
pub fn refresh(template: Template, name: &str, dir: &Path) -> Result<(), Vec<Diagnostic>> {
    let failed = |path: &Path, error: &io::Error| {
        vec![Diagnostic::error(
            "init::io",
            format!("can't write {}: {error}", path.display()),
        )]
    };
    let files = files(template, name)
        .map_err(|message| vec![Diagnostic::error("init::template", message)])?;
    for (path, body) in files {
        let path = dir.join(path);
        if std::fs::read(&path).is_ok_and(|found| found == body) {
            continue;
        }
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        std::fs::write(&path, body).map_err(|error| failed(&path, &error))?;
    }
    build::write_sdk(dir).map_err(|error| error.diagnostics())?;
    Ok(())
}

/// Takes back what was written into a folder that was empty or not there.
fn clean_up(dir: &Path, keep_dir: bool) {
    if !keep_dir {
        let _ = std::fs::remove_dir_all(dir);
        return;
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
    }
}

/// A project's files: where, and what's in them.
fn files(template: Template, name: &str) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let root = TEMPLATES
        .get_dir(template.as_str())
        .ok_or_else(|| format!("this program carries no template `{}`", template.as_str()))?;
    let mut found = Vec::new();
    collect(root, &mut found);
    let mut files = found
        .into_iter()
        .map(|file| {
            let path = file
                .path()
                .strip_prefix(template.as_str())
                .unwrap_or(file.path());
            if path
                .components()
                .any(|part| !matches!(part, Component::Normal(_)))
            {
                return Err(format!(
                    "the template's file {} leads outside",
                    path.display()
                ));
            }
            render(path, file, name)
        })
        .collect::<Result<Vec<_>, _>>()?;
    files.sort();
    Ok(files)
}

fn collect<'a>(dir: &'a Dir<'a>, found: &mut Vec<&'a File<'a>>) {
    found.extend(dir.files());
    dir.dirs().for_each(|dir| collect(dir, found));
}

fn render(path: &Path, file: &File<'_>, name: &str) -> Result<(PathBuf, Vec<u8>), String> {
    if path.extension().is_some_and(|extension| extension == "j2") {
        let source = file
            .contents_utf8()
            .ok_or_else(|| format!("{} isn't text", path.display()))?;
        let mut rendered = Environment::new()
            .render_str(source, context! { name })
            .map_err(|error| format!("{}: {error}", path.display()))?;
        // Rendering drops the last line's end.
        rendered.push('\n');
        return Ok((path.with_extension(""), rendered.into_bytes()));
    }
    let path = if path.file_name().is_some_and(|name| name == "gitignore") {
        path.with_file_name(".gitignore")
    } else {
        path.to_owned()
    };
    Ok((path, file.contents().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::SourceFile;

    #[test]
    fn every_template_has_a_manifest_that_parses_without_errors_and_a_gitignore() {
        for template in Template::ALL {
            let files = files(template, "my-system").unwrap();
            let text = |name: &str| {
                let (_, body) = files
                    .iter()
                    .find(|(path, _)| path == Path::new(name))
                    .expect(name);
                String::from_utf8(body.clone()).unwrap()
            };
            let file = Arc::new(SourceFile {
                path: "wsless.toml".into(),
                text: text("wsless.toml"),
            });
            let parsed = manifest::parse(&file, "dev").expect("a good manifest");
            assert_eq!(parsed.manifest.project.name, "my-system");
            assert!(text(".gitignore").contains("/.wsless"));
            assert!(text("README.md").contains("my-system"));
            assert!(text("Cargo.toml").contains("name = \"my-system\""));
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine.txt"), "mine").unwrap();
        let error = write(Template::Echo, "my-system", dir.path()).unwrap_err();
        assert_eq!(error[0].code, "init::not-empty");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_the_manifest_would_refuse_is_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("new");
        assert!(write(Template::Echo, "Bad Name", &target).is_err());
        assert!(!target.exists());
    }
}
