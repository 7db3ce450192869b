//! The clock that dates the files of a folder: of a share it is the server's, not this machine's.
//!
//! Asks it by a file without a name, or by a temporary one where there are no such files. A folder
//! that is not there, or takes no file, has this machine's clock: nobody dates anything in it then.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use jiff::Timestamp;

use crate::store::dir::upload::{open_temporary, unnamed};
use crate::world::{Clock, Entropy};

/// Now, by the clock of `folder`, else by that of this machine.
pub fn now(folder: &Path, machine: &Clock, entropy: &Entropy) -> io::Result<Timestamp> {
    match asked(folder, entropy) {
        Ok(moment) => Ok(moment),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(machine.now())
        }
        Err(e) => Err(e),
    }
}

fn asked(folder: &Path, entropy: &Entropy) -> io::Result<Timestamp> {
    let (file, path) = match unnamed(folder) {
        Some(file) => (file, None),
        None => {
            let (file, path) = open_temporary(folder, "clock", entropy)?;
            (file, Some(path))
        }
    };
    let modified = match file.write_all_at(b"now", 0).and_then(|()| file.sync_all()) {
        // A full disk dates a file when it is made.
        Err(e)
            if !matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
        {
            Err(e)
        }
        Ok(()) | Err(_) => file.metadata().and_then(|m| m.modified()),
    };
    let removed = path.map_or(Ok(()), std::fs::remove_file);
    let moment = Timestamp::try_from(modified?).map_err(io::Error::other)?;
    removed.map(|()| moment)
}
