//! From a reference to the secret, at the latest moment.
//!
//! Invariant: what goes wrong is told without a byte of the secret. A file that others can read is
//! refused: a secret everybody can read is none.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::{Secret, SecretRef, Stop};
use crate::world::env_file::of_env_file;
use crate::world::process::{Child, ChildError};

/// Longest secret, in bytes; more is taken for the wrong file.
const LONGEST: usize = 64 * 1024;

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RevealError {
    /// The variable is not set, or empty.
    #[error("unable to read a secret from {0}: the variable is not set or empty")]
    Env(SecretRef),
    /// The file can't be read.
    #[error("unable to read a secret from {0}")]
    File(SecretRef, #[source] std::io::Error),
    /// There is no folder of credentials.
    #[error(
        "unable to read a secret from {0}: systemd gives this process no credentials \
         (CREDENTIALS_DIRECTORY is not set); write `LoadCredential=` or `LoadCredentialEncrypted=` \
         in the unit"
    )]
    NoCredentials(SecretRef),
    /// The file is open to others.
    #[error("unable to trust the secret in {0}: others can read it (mode {1:o}); make it 0600")]
    Open(SecretRef, u32),
    /// The program failed.
    #[error("unable to read a secret from {0}")]
    Command(SecretRef, #[source] ChildError),
    /// Nothing, too much, or not text.
    #[error("unable to read a secret from {0}: {1}")]
    Form(SecretRef, &'static str),
}

/// Finds the secret a reference names: of a file or a program, its first line.
pub fn reveal(reference: &SecretRef, stop: &Stop) -> Result<Secret, RevealError> {
    let whole = reveal_text(reference, stop)?;
    let line = match reference {
        SecretRef::Env(_) => whole.reveal(),
        SecretRef::File(_) | SecretRef::Command(_) | SecretRef::Credential(_) => {
            whole.reveal().split('\n').next().unwrap_or_default()
        }
    };
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line.is_empty() {
        true => Err(RevealError::Form(reference.clone(), "it is empty")),
        false => Ok(Secret::new(line.to_owned())),
    }
}

/// All of what a reference names, with its lines.
pub fn reveal_text(reference: &SecretRef, stop: &Stop) -> Result<Secret, RevealError> {
    let bytes = match reference {
        SecretRef::Env(name) => {
            let value = std::env::var_os(name).filter(|v| !v.is_empty());
            let value = value.map(std::ffi::OsString::into_encoded_bytes);
            let value = value.or_else(|| Some(of_env_file(name)?.reveal().as_bytes().to_vec()));
            value.ok_or_else(|| RevealError::Env(reference.clone()))?
        }
        SecretRef::File(path) => of_file(path, reference)?,
        SecretRef::Credential(name) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|v| !v.is_empty());
            let folder = folder.ok_or_else(|| RevealError::NoCredentials(reference.clone()))?;
            of_file(&PathBuf::from(folder).join(name), reference)?
        }
        SecretRef::Command(words) => Child::new(words)
            .stall(Duration::from_secs(60))
            .output(LONGEST, stop)
            .map_err(|e| RevealError::Command(reference.clone(), e))?,
    };
    let bytes = zeroize::Zeroizing::new(bytes);
    let form = |what| RevealError::Form(reference.clone(), what);
    if bytes.len() > LONGEST {
        return Err(form("it is longer than 64 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| form("it is not UTF-8"))?;
    Ok(Secret::new(text.to_owned()))
}

/// What a file that others can't read holds.
fn of_file(path: &Path, reference: &SecretRef) -> Result<Vec<u8>, RevealError> {
    let io = |e| RevealError::File(reference.clone(), e);
    let mode = std::fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(RevealError::Open(reference.clone(), mode));
    }
    std::fs::read(path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_commands_give_their_first_line_and_open_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pass");
        std::fs::write(&path, "CANARY-A\r\nsecond\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        let file = SecretRef::File(path.clone());
        assert_eq!(reveal(&file, &Stop::new()).expect("a secret").reveal(), "CANARY-A");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        assert!(matches!(reveal(&file, &Stop::new()), Err(RevealError::Open(_, 0o644))));
        let command = SecretRef::Command(["printf", "CANARY-B\\nx"].map(str::to_owned).to_vec());
        assert_eq!(reveal(&command, &Stop::new()).expect("a secret").reveal(), "CANARY-B");
        let failing = SecretRef::Command(vec!["false".into()]);
        assert!(matches!(reveal(&failing, &Stop::new()), Err(RevealError::Command(..))));
        assert!(matches!(
            reveal(&SecretRef::Env("VEX_TEST_UNSET".into()), &Stop::new()),
            Err(RevealError::Env(_))
        ));
    }
}
