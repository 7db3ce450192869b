//! Files of variables, for `(env)` where the environment of the process has no such variable.
//!
//! Does not know who asks. Invariants: a file that others can read is refused; what it holds never
//! becomes part of the environment, so that no child inherits it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::Secret;

/// The variables of all files that were read.
static VARIABLES: Mutex<BTreeMap<String, Secret>> = Mutex::new(BTreeMap::new());

/// How many secrets were kept that no file has.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Reads a file of lines `NAME=value`, as programs for `.env` files do; what an earlier file has
/// stays. The error names no value.
pub fn read_env_file(path: &Path) -> Result<(), String> {
    let doing = format!("unable to read the env-file {}", path.display());
    let mode = std::fs::metadata(path).map_err(|e| format!("{doing}: {e}"))?.permissions().mode();
    if mode & 0o007 != 0 {
        let mode = mode & 0o777;
        return Err(format!("{doing}: others can read it (mode {mode:o}); make it 0600"));
    }
    let lines =
        dotenvy::from_path_iter(path).map_err(|_| format!("{doing}: it can't be opened"))?;
    let mut read = BTreeMap::new();
    for (index, line) in lines.enumerate() {
        let (name, value) =
            line.map_err(|_| format!("{doing}: its variable {} is not `NAME=value`", index + 1))?;
        read.insert(name, Secret::new(value));
    }
    let mut variables = VARIABLES.lock().expect("no panic while locked");
    for (name, value) in read {
        variables.entry(name).or_insert(value);
    }
    Ok(())
}

/// A secret that a caller of the library gave, under a name that nothing else has; gone with this.
#[derive(Debug)]
pub struct Variable(String);

impl Variable {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Variable {
    fn drop(&mut self) {
        VARIABLES.lock().expect("no panic while locked").remove(&self.0);
    }
}

/// Keeps a secret as a variable, as if a file of variables had it.
pub fn keep_variable(secret: Secret) -> Variable {
    let mut variables = VARIABLES.lock().expect("no panic while locked");
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("VEX_LIBRARY_PASSWORD_{number}");
    variables.insert(name.clone(), secret);
    Variable(name)
}

/// The variable of a file.
pub fn of_env_file(name: &str) -> Option<Secret> {
    VARIABLES.lock().expect("no panic while locked").get(name).cloned()
}
