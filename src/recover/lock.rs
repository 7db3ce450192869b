//! One restore at a time into one target: a lock of this machine, by which database the target is.
//!
//! Invariant: a lock that can't be made stops no restore; one that another process holds does.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;

use sha2::{Digest, Sha256};

use crate::artifact::hex;
use crate::recover::fault::Fault;
use crate::recover::operator::Work;
use crate::source::{self, contract::Source};

/// Held until it is dropped; free when its process is gone.
pub struct TargetLock {
    _file: Option<File>,
}

impl TargetLock {
    /// Takes it; the error is that another process holds it.
    pub fn take(work: Work<'_>, target: &dyn Source, kind: &str) -> Result<TargetLock, Fault> {
        // A file that is replaced is another one afterwards, at the same path. A target that can't
        // say which it is goes by its address.
        let origin = target.origin(work.stop).ok();
        let identity =
            origin.and_then(|o| if source::is_one_file(kind) { Some(o.id) } else { o.server });
        let identity = identity.unwrap_or_else(|| target.place().to_owned());
        let name = format!("restore-{}.lock", hex(&Sha256::digest(&identity)[..8]));
        let folder = work.world.state.join("locks");
        let opened = fs::create_dir_all(&folder).and_then(|()| {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true).mode(0o600).open(folder.join(name))
        });
        let taken = opened.map_err(TryLockError::Error).and_then(|file| {
            file.try_lock()?;
            Ok(file)
        });
        match taken {
            Ok(file) => Ok(TargetLock { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(Fault::Busy(format!(
                "another restore writes into {}; nothing was written",
                target.place()
            ))),
            Err(TryLockError::Error(error)) => {
                work.warn(format_args!(
                    "unable to lock {} in {}: {error}; nothing keeps another restore out",
                    target.place(),
                    folder.display()
                ));
                Ok(TargetLock { _file: None })
            }
        }
    }
}
