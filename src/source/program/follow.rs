//! What a program writes, to its standard output or into files, on its way into chunks.
//!
//! Invariant: what a program wrote is whole only if it ended well; an error of whoever takes its
//! bytes ends it, and is the one that counts.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::artifact::Proof;
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Out, Result};
use crate::world::{Child, ChildError};

/// Bytes read from a staged file at once.
const SLICE: usize = 256 << 10;

/// A program that writes nothing for this long is taken for dead: what its server computes, or a
/// checkpoint, may take hours.
const SILENCE: Duration = Duration::from_secs(6 * 3600);

/// Runs a program, hands what it writes to `take` as it comes, and every line of its log to `line`;
/// `explain` makes an error of an end that was not good.
pub fn follow(
    child: Child<'_>,
    stop: &Stop,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
    line: &mut dyn FnMut(&str),
    explain: &dyn Fn(ChildError) -> Error,
) -> Result<()> {
    let ended =
        child.stall(SILENCE).stream(stop, &mut |bytes| take(bytes).map_err(Ended::Take), line);
    ended.map_err(|ended| match ended {
        Ended::Take(error) => error,
        Ended::Child(error) => explain(error),
    })
}

/// Reads a file that a program wrote, hands it to `take` as it comes, and removes it: what was sent
/// needs no second place. `doing` is what messages say of it.
pub fn staged(path: &Path, stop: &Stop, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let doing = format!("read {}", path.file_name().unwrap_or_default().to_string_lossy());
    let io = |e: std::io::Error| Error::new(ErrorKind::Failed, &doing, e.to_string());
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = vec![0; SLICE];
    loop {
        stop.check()?;
        match file.read(&mut bytes).map_err(io)? {
            0 => break,
            n => take(&bytes[..n])?,
        }
    }
    std::fs::remove_file(path).map_err(io)
}

/// Why a program that was followed came to no good end.
enum Ended {
    Child(ChildError),
    Take(Error),
}

impl From<ChildError> for Ended {
    fn from(error: ChildError) -> Ended {
        Ended::Child(error)
    }
}

/// Bytes that may be cut anywhere, on their way into chunks of one size.
pub struct Bytes {
    chunk: usize,
    buffer: Option<Vec<u8>>,
    sent: bool,
}

impl Bytes {
    /// Cuts into chunks of so many bytes.
    pub fn new(chunk: usize) -> Bytes {
        Bytes { chunk, buffer: None, sent: false }
    }

    /// Takes what comes next.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut dyn Out) -> Result<()> {
        while !bytes.is_empty() {
            let buffer = match &mut self.buffer {
                Some(buffer) => buffer,
                None => self.buffer.insert(out.buffer()?),
            };
            let taken = bytes.len().min(self.chunk - buffer.len());
            buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if buffer.len() == self.chunk
                && let Some(full) = self.buffer.take()
            {
                out.chunk(full, Proof::default())?;
                self.sent = true;
            }
        }
        Ok(())
    }

    /// Hands over the rest; nothing at all is a chunk as well.
    pub fn finish(self, out: &mut dyn Out) -> Result<()> {
        let rest = match self.buffer {
            Some(rest) => rest,
            None if self.sent => return Ok(()),
            None => out.buffer()?,
        };
        out.chunk(rest, Proof::default())
    }
}

/// A program that came to no good end, as an error of its source.
pub fn failed(doing: &str, error: ChildError) -> Error {
    match &error {
        ChildError::Stopped(_) => Error::new(ErrorKind::Stopped, doing, "stopped"),
        ChildError::Failed { ended, tail, .. } => {
            let lines: Vec<&str> =
                tail.iter().map(String::as_str).filter(|l| !l.is_empty()).collect();
            let said =
                if lines.is_empty() { String::new() } else { format!(": {}", lines.join(" / ")) };
            Error::new(ErrorKind::Failed, doing, format!("it {ended}{said}"))
        }
        ChildError::Start(program, cause) => {
            Error::new(ErrorKind::Failed, doing, format!("{program} does not start: {cause}"))
        }
        ChildError::Stalled(..) | ChildError::Long(..) => {
            Error::new(ErrorKind::Failed, doing, error.to_string())
        }
    }
}
