//! Which database a file is: the path as it was written, on this machine. The file itself is told
//! by device and inode, whatever path leads to it.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::artifact::Origin;
use crate::job::SqliteSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::world::absolute;

/// Looks at the file, without opening it; `machine` is this one.
pub fn origin(spec: &SqliteSpec, machine: Option<&str>) -> Result<Origin> {
    let path = absolute(&spec.path).map_err(|error| {
        let doing = format!("find {}", spec.path.display());
        Error::new(ErrorKind::Failed, doing, error.to_string())
    })?;
    let server = std::fs::metadata(&path).ok();
    Ok(Origin {
        id: spec.identity.clone().unwrap_or_else(|| shown(&path)),
        sign: machine.map(str::to_owned),
        anywhere: spec.identity.is_some(),
        server: server.map(|file| format!("sqlite {}:{}", file.dev(), file.ino())),
    })
}

/// The path as text; of two that are not UTF-8 no two look alike.
fn shown(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}
