//! Which cluster calls: PostgreSQL calls in its data directory, whose control file begins with the
//! system identifier.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The control file, from the data directory.
const CONTROL: &str = "global/pg_control";

/// The identifier of the cluster whose log `path` is a file of: in the working directory, else above
/// the folder of `path`; `None` where neither is a data directory that can be read.
pub fn system_near(path: &Path) -> Option<String> {
    let above = path.parent().and_then(Path::parent).map(|data| data.join(CONTROL));
    let own = Path::new(CONTROL).to_path_buf();
    above.into_iter().chain([own]).find_map(|control| {
        let mut first = [0; 8];
        File::open(control).ok()?.read_exact(&mut first).ok()?;
        Some(u64::from_ne_bytes(first).to_string()).filter(|system| system != "0")
    })
}
