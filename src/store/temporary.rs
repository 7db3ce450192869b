//! The names of files that are being written.
//!
//! Pure. No key may look like one.

/// What they begin with.
const HEAD: &str = ".vex-";

/// What they end with.
const TAIL: &str = ".part";

/// Longest name that stands in that of its temporary file: file systems take 255 bytes.
const LONGEST: usize = 200;

/// Whether a file name is that of an unfinished upload.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(HEAD) && name.ends_with(TAIL)
}

/// Whether it is that of something whose name begins with `own`.
pub fn is_temporary_of(name: &str, own: &str) -> bool {
    let rest = name.strip_prefix(HEAD).filter(|_| is_temporary(name) && !own.is_empty());
    rest.is_some_and(|rest| rest.starts_with(own))
}

/// The name of a temporary file that is to be called `name`.
pub fn temporary(name: &str, bits: u32) -> String {
    let name = if name.len() > LONGEST { "" } else { name };
    format!("{HEAD}{name}-{bits:08x}{TAIL}")
}
