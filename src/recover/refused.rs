//! What a target refused, kept as SQL: each with its reason, ready to be changed and run by hand.
//!
//! Readable by its owner only, since rows may be among it. A file that is there already is left
//! alone.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::recover::operator::Work;
use crate::source::contract::Refused;

/// Keeps what was refused, and says where.
pub fn keep(path: Option<&Path>, refused: &[Refused], work: Work<'_>) {
    let (Some(path), false) = (path, refused.is_empty()) else { return };
    match write(path, refused) {
        Ok(()) => work.tell(format_args!("what was refused is kept as SQL in {}", path.display())),
        Err(error) => work.warn(format_args!(
            "what was refused could not be kept as SQL in {}: {error}",
            path.display()
        )),
    }
}

fn write(path: &Path, refused: &[Refused]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&script(refused))?;
    file.sync_all()
}

/// Every refused thing as a comment, and the statements that would make it.
fn script(refused: &[Refused]) -> Vec<u8> {
    let mut text = Vec::new();
    for one in refused {
        for line in [one.what.as_str(), one.why.as_str()] {
            // A comment ends at the end of its line.
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            text.extend_from_slice(format!("-- {line}\n").as_bytes());
        }
        if one.rows > 0 {
            text.extend_from_slice(
                format!("-- rows that did not come back: {}\n", one.rows).as_bytes(),
            );
        }
        match &one.sql {
            Some(sql) => text.extend_from_slice(sql),
            None => text.extend_from_slice(b"-- its statements stand in the backup only\n"),
        }
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_never_leaves_its_comment() {
        let refused = Refused {
            what: "view a\nDROP DATABASE b;".into(),
            why: "no\rsuch".into(),
            sql: Some(b"CREATE VIEW a AS SELECT 1;\n".to_vec()),
            ..Refused::default()
        };
        let text = String::from_utf8(script(&[refused])).expect("UTF-8");
        assert_eq!(text, "-- view a DROP DATABASE b;\n-- no such\nCREATE VIEW a AS SELECT 1;\n\n");
    }
}
