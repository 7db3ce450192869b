//! `fetch → open → write`: chosen entries one after another into one stream, in the order of the
//! container.
//!
//! Does not know what the entries are. Each is written only after its hash was checked; one thread
//! reads ahead while another writes, a few entries at most.

use std::io::{self, Write};

use crossbeam_channel::bounded;

use crate::artifact::EntryLine;
use crate::base::Stop;
use crate::pipeline::fetch::{Fetch, Opened};
use crate::pipeline::stage::Error;

/// Entries that wait to be written.
const AHEAD: usize = 4;

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The artifact could not be read.
    #[error("{0}")]
    Read(#[source] Error),
    /// The stream could not be written.
    #[error("{0}")]
    Write(#[source] io::Error),
}

/// Writes the entries of the chosen members, given by their index; returns the bytes written.
pub fn export(
    fetch: &Fetch<'_>,
    chosen: &[bool],
    out: &mut dyn Write,
    stop: &Stop,
) -> Result<u64, ExportError> {
    let inner = stop.child();
    let (give, take) = bounded(AHEAD);
    let (read, written) = std::thread::scope(|scope| {
        let inner = &inner;
        let reader = scope.spawn(move || read(fetch, chosen, &give, inner));
        let written = write(take, out).inspect_err(|_| inner.stop());
        (reader.join().expect("BUG: a reader that panicked"), written)
    });
    let bytes = written.map_err(ExportError::Write)?;
    read.map_err(ExportError::Read)?;
    Ok(bytes)
}

fn read(
    fetch: &Fetch<'_>,
    chosen: &[bool],
    give: &crossbeam_channel::Sender<Opened>,
    stop: &Stop,
) -> Result<(), Error> {
    fetch.manifest.holds(chosen).map_err(Error::Panic)?;
    let entries: Vec<&EntryLine> =
        fetch.manifest.entries.iter().filter(|e| chosen[e.member]).collect();
    for group in fetch.groups(&entries) {
        // A writer that failed takes nothing any more, and says why itself.
        fetch
            .group(&group, stop, &mut |_, opened| give.send(opened).map_err(|_| Error::Stopped))?;
    }
    match fetch.tail(stop)? {
        Some(damage) => Err(Error::Damage(damage)),
        None => Ok(()),
    }
}

fn write(take: crossbeam_channel::Receiver<Opened>, out: &mut dyn Write) -> io::Result<u64> {
    let mut written = 0;
    for opened in take {
        out.write_all(&opened.bytes)?;
        written += opened.bytes.len() as u64;
    }
    out.flush()?;
    Ok(written)
}
