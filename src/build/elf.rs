//! Would this executable start on Lambda? Read from its own headers, the way the loader reads them.
//!
//! What is checked is what `provided.al2023` dies of at the first call, never at the upload: the wrong processor, a
//! glibc newer than its 2.34, a loader or a library that isn't there (aws-facts.md 3.2 and its table of failures, row 36).

use std::{collections::BTreeSet, fmt, str::FromStr};

use goblin::{
    container::{Container, Ctx},
    elf::{
        Elf, ProgramHeader, SectionHeader,
        dynamic::{DT_NEEDED, DT_STRTAB, DT_SYMTAB, DT_VERNEED, DT_VERNEEDNUM, DT_VERSYM, Dynamic},
        header,
        program_header::{PT_INTERP, PT_LOAD},
        section_header::{SHT_GNU_VERNEED, SHT_GNU_VERSYM},
        symver::VerneedSection,
    },
};

use crate::manifest::Architecture;

/// The glibc of Amazon Linux 2023 (aws-facts.md 3.2).
const LAMBDA_GLIBC: &[u32] = &[2, 34];

/// The libraries that a program may count on: glibc's own, and gcc's unwinder, which Rust's std links.
const LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
];

/// A reference of this kind may be absent at run time: the loader goes on (elf.h, `VER_FLG_WEAK`).
const VER_FLG_WEAK: u16 = 0x2;

/// More than any real file has; a damaged one isn't followed further.
const MOST_VERSIONS: usize = 4096;

/// A version of glibc, such as 2.34 or 2.2.5.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlibcVersion(Vec<u32>);

impl FromStr for GlibcVersion {
    type Err = std::num::ParseIntError;

    /// Reads `2.34`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(".")?;
            }
            write!(formatter, "{part}")?;
        }
        Ok(())
    }
}

/// Why an executable isn't shipped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It isn't a Linux program at all; what it is instead.
    NotElf(&'static str),
    /// It's ELF, but no 64-bit little-endian program; what it is instead.
    NotProgram(&'static str),
    /// Its headers contradict themselves.
    Damaged(String),
    /// It's for another processor.
    Machine {
        /// The processor that it's for.
        found: String,
        /// The processor that the functions have.
        wanted: Architecture,
    },
    /// It asks for something that glibc 2.34 hasn't got.
    Glibc {
        /// The version's name, such as `GLIBC_2.38`.
        version: String,
        /// Some of the symbols of that version, if the file still names them.
        symbols: Vec<String>,
    },
    /// It's started by a loader that isn't there.
    Loader(String),
    /// It needs a shared library that isn't there.
    Library(String),
    /// The executable is too big: its size.
    Unzipped(u64),
    /// The zip is too big: its size.
    Zipped(u64),
}

/// Checks the bytes of an executable; what it asks of glibc, or all that speaks against it. Never panics.
pub(super) fn inspect(
    bytes: &[u8],
    architecture: Architecture,
) -> Result<Option<GlibcVersion>, Vec<Fault>> {
    let view = View::read(bytes).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let (machine, loader) = match architecture {
        Architecture::X86_64 => (header::EM_X86_64, "ld-linux-x86-64.so.2"),
        Architecture::Arm64 => (header::EM_AARCH64, "ld-linux-aarch64.so.1"),
    };
    if view.machine != machine {
        // Everything else would differ too, and say nothing more.
        return Err(vec![Fault::Machine {
            found: machine_name(view.machine),
            wanted: architecture,
        }]);
    }
    let libraries = view.libraries().map_err(|fault| vec![fault])?;
    match &view.interpreter {
        Some(path) if is_glibc_loader(path, architecture) => {}
        Some(path) => faults.push(Fault::Loader(path.clone())),
        None if libraries.is_empty() && view.entry != 0 => {}
        None => {
            faults.push(Fault::NotProgram("a shared library"));
            return Err(faults);
        }
    }
    for library in libraries {
        if library != loader && !LIBRARIES.contains(&library.as_str()) {
            faults.push(Fault::Library(library));
        }
    }
    let mut newest = None;
    for needed in view.versions().map_err(|fault| vec![fault])? {
        let known = needed
            .name
            .strip_prefix("GLIBC_")
            .and_then(|version| version.parse::<GlibcVersion>().ok());
        match known {
            Some(version) if version.0.as_slice() <= LAMBDA_GLIBC => {
                newest = newest.max(Some(version));
            }
            // What isn't a number (GLIBC_PRIVATE, GLIBC_ABI_DT_RELR) is a mark of one build of glibc or of a later one.
            _ => faults.push(Fault::Glibc {
                symbols: view.symbols_of(needed.index),
                version: needed.name,
            }),
        }
    }
    if faults.is_empty() {
        Ok(newest)
    } else {
        Err(faults)
    }
}

fn is_glibc_loader(path: &str, architecture: Architecture) -> bool {
    // The ABI's path, and where it leads on systems whose /lib is a link.
    match architecture {
        Architecture::X86_64 => {
            matches!(
                path,
                "/lib64/ld-linux-x86-64.so.2" | "/usr/lib64/ld-linux-x86-64.so.2"
            )
        }
        Architecture::Arm64 => {
            matches!(
                path,
                "/lib/ld-linux-aarch64.so.1" | "/usr/lib/ld-linux-aarch64.so.1"
            )
        }
    }
}

fn machine_name(machine: u16) -> String {
    match machine {
        header::EM_X86_64 => Architecture::X86_64.as_str().to_owned(),
        header::EM_AARCH64 => Architecture::Arm64.as_str().to_owned(),
        other => format!("ELF machine {other}"),
    }
}

/// One version that a program asks for, of those that begin with `GLIBC_`.
struct NeededVersion {
    name: String,
    /// How the symbols' versions refer to it.
    index: u16,
}

/// The headers of a 64-bit little-endian program.
struct View<'a> {
    bytes: &'a [u8],
    context: Ctx,
    machine: u16,
    entry: u64,
    interpreter: Option<String>,
    segments: Vec<ProgramHeader>,
    sections: Vec<SectionHeader>,
    dynamic: Option<Dynamic>,
}

impl<'a> View<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        if !bytes.starts_with(header::ELFMAG) {
            return Err(Fault::NotElf(what_else(bytes)));
        }
        let damaged = |error: goblin::error::Error| Fault::Damaged(error.to_string());
        let header = Elf::parse_header(bytes).map_err(damaged)?;
        let context = Ctx::new(
            header.container().map_err(damaged)?,
            header.endianness().map_err(damaged)?,
        );
        if context.container != Container::Big {
            return Err(Fault::NotProgram("a 32-bit file"));
        }
        if !context.is_little_endian() {
            return Err(Fault::NotProgram("a big-endian file"));
        }
        match header.e_type {
            header::ET_EXEC | header::ET_DYN => {}
            header::ET_REL => return Err(Fault::NotProgram("an object file, not linked yet")),
            header::ET_CORE => return Err(Fault::NotProgram("a core dump")),
            _ => return Err(Fault::NotProgram("an ELF file of an unknown type")),
        }
        let segments = ProgramHeader::parse(
            bytes,
            offset(header.e_phoff)?,
            header.e_phnum.into(),
            context,
        )
        .map_err(damaged)?;
        // Sections are for tools, not for the loader: without them, symbols have no names here, nothing more.
        let sections = offset(header.e_shoff)
            .ok()
            .and_then(|start| {
                SectionHeader::parse(bytes, start, header.e_shnum.into(), context).ok()
            })
            .unwrap_or_default();
        let interpreter = segments
            .iter()
            .find(|segment| segment.p_type == PT_INTERP)
            .map(|segment| text_at(bytes, segment.p_offset))
            .transpose()?;
        let dynamic = Dynamic::parse(bytes, &segments, context).map_err(damaged)?;
        Ok(Self {
            bytes,
            context,
            machine: header.e_machine,
            entry: header.e_entry,
            interpreter,
            segments,
            sections,
            dynamic,
        })
    }

    /// The value of the first dynamic entry with this tag.
    fn tag(&self, tag: u64) -> Option<u64> {
        let entries = &self.dynamic.as_ref()?.dyns;
        Some(entries.iter().find(|entry| entry.d_tag == tag)?.d_val)
    }

    /// Where in the file the loader finds what `tag` points at in memory.
    fn place(&self, tag: u64) -> Option<u64> {
        let address = self.tag(tag)?;
        self.segments
            .iter()
            .filter(|segment| segment.p_type == PT_LOAD)
            .find_map(|segment| {
                let within = address.checked_sub(segment.p_vaddr)?;
                (within < segment.p_filesz).then(|| segment.p_offset.checked_add(within))?
            })
    }

    fn string(&self, index: u64) -> Result<String, Fault> {
        let start = self
            .place(DT_STRTAB)
            .and_then(|table| table.checked_add(index))
            .ok_or_else(|| Fault::Damaged("its string table lies outside the file".to_owned()))?;
        text_at(self.bytes, start)
    }

    /// The shared libraries that it needs itself.
    fn libraries(&self) -> Result<Vec<String>, Fault> {
        let entries = self
            .dynamic
            .as_ref()
            .map_or(&[][..], |dynamic| &dynamic.dyns);
        entries
            .iter()
            .filter(|entry| entry.d_tag == DT_NEEDED)
            .map(|entry| self.string(entry.d_val))
            .collect()
    }

    /// The versions of glibc's symbols without which the loader refuses to start it, each once.
    fn versions(&self) -> Result<Vec<NeededVersion>, Fault> {
        if self.tag(DT_VERNEED).is_none() {
            return Ok(Vec::new());
        }
        let damaged = || Fault::Damaged("its version table lies outside the file".to_owned());
        let start = self.place(DT_VERNEED).ok_or_else(damaged)?;
        let rest = (self.bytes.len() as u64)
            .checked_sub(start)
            .ok_or_else(damaged)?;
        // goblin finds the table by its section header; the loader goes by the dynamic segment, so that is what we
        // trust, and describe the table to goblin in its own terms.
        let table = SectionHeader {
            sh_type: SHT_GNU_VERNEED,
            sh_offset: start,
            sh_size: rest,
            sh_info: self
                .tag(DT_VERNEEDNUM)
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(u32::MAX),
            ..SectionHeader::default()
        };
        let table = VerneedSection::parse(self.bytes, &[table], self.context)
            .ok()
            .flatten()
            .ok_or_else(damaged)?;
        let mut seen = BTreeSet::new();
        let mut versions = Vec::new();
        let mut read = 0;
        for file in &table {
            for needed in &file {
                read += 1;
                if read > MOST_VERSIONS {
                    return Err(Fault::Damaged("its version table has no end".to_owned()));
                }
                let name = self.string(needed.vna_name as u64)?;
                let weak = needed.vna_flags & VER_FLG_WEAK != 0;
                if name.starts_with("GLIBC_") && !weak && seen.insert(name.clone()) {
                    versions.push(NeededVersion {
                        name,
                        index: needed.vna_other,
                    });
                }
            }
        }
        Ok(versions)
    }

    /// Up to five symbols that have the version `index`; none if the file doesn't say how many symbols it has.
    fn symbols_of(&self, index: u16) -> Vec<String> {
        let names = || {
            let count = self
                .sections
                .iter()
                .find(|section| section.sh_type == SHT_GNU_VERSYM)?
                .sh_size
                / 2;
            let (versions, symbols) = (self.place(DT_VERSYM)?, self.place(DT_SYMTAB)?);
            let mut names = Vec::new();
            for symbol in 0..count {
                let version = self.bytes_at::<2>(versions.checked_add(symbol.checked_mul(2)?)?)?;
                // The highest bit means hidden.
                if u16::from_le_bytes(version) & 0x7fff == index {
                    let name = self.bytes_at::<4>(symbols.checked_add(symbol.checked_mul(24)?)?)?;
                    names.push(self.string(u32::from_le_bytes(name).into()).ok()?);
                    if names.len() == 5 {
                        break;
                    }
                }
            }
            Some(names)
        };
        names().unwrap_or_default()
    }

    fn bytes_at<const N: usize>(&self, start: u64) -> Option<[u8; N]> {
        let start = usize::try_from(start).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(N)?)?;
        bytes.try_into().ok()
    }
}

fn offset(value: u64) -> Result<usize, Fault> {
    usize::try_from(value).map_err(|_| Fault::Damaged("a header lies outside the file".to_owned()))
}

/// The text from `start` to the next zero byte.
fn text_at(bytes: &[u8], start: u64) -> Result<String, Fault> {
    let damaged = || Fault::Damaged("a name lies outside the file".to_owned());
    let rest = bytes.get(offset(start)?..).ok_or_else(damaged)?;
    // No path or symbol is longer, and a damaged file may have no zero byte for a long way.
    let end = rest
        .iter()
        .take(64 * 1024)
        .position(|byte| *byte == 0)
        .ok_or_else(damaged)?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

fn what_else(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a macOS program",
        [b'M', b'Z', ..] => "a Windows program",
        [b'#', b'!', ..] => "a script",
        [0, b'a', b's', b'm', ..] => "WebAssembly",
        _ => "some other file",
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
