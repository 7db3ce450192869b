//! The mark of a restore that has begun and not ended, in the state folder: what it wrote so far
//! may be replaced.
//!
//! Says nothing about how far it came: that is proven from the target. No mark, no `--resume`,
//! since what the target holds may then be anybody's.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::base::Id;
use crate::world::{World, failpoint};

/// The mark of one backup, target and choice.
pub struct Marker {
    path: PathBuf,
    text: String,
}

impl Marker {
    /// The mark of a restore of `id` into `place`.
    pub fn new(
        world: &World,
        id: &Id,
        place: &str,
        only: &[String],
        rename: Option<&str>,
    ) -> Marker {
        let text = format!("{id}\ninto {place:?}\nonly {only:?}\nas {rename:?}\n");
        let name: String =
            Sha256::digest(&text).iter().take(8).map(|b| format!("{b:02x}")).collect();
        Marker { path: world.state.join("restores").join(name), text }
    }

    /// Whether such a restore began here and did not end.
    pub fn is_open(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    /// Notes that it begins. One that is there stays as it is: a mark that was cut short would say
    /// that nothing was interrupted.
    pub fn begin(&self) -> io::Result<()> {
        if self.is_open() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&self.path)?;
        failpoint("mark made");
        file.write_all(self.text.as_bytes())?;
        file.sync_all()
    }

    /// Notes that it ended.
    pub fn end(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
