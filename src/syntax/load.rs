//! A file as text: UTF-8, and no larger than what people write.
//!
//! Does not know KDL. What is no text is a complaint with its place; what can't be read at all is
//! an error of the system.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Complaint, Span, Text};
use crate::syntax::{mask, problem};

/// Largest file, in bytes: what people write is far smaller, and the parser is not fast.
const LARGEST: u64 = 4 << 20;

/// How standard input is written as a path, and how it is called.
const STDIN: (&str, &str) = ("-", "<stdin>");

/// A file as text, or what is wrong with it as a text; `-` is standard input.
pub fn load(path: &Path) -> std::io::Result<Result<Arc<Text>, Complaint>> {
    let mut bytes = Vec::new();
    let path = match path == Path::new(STDIN.0) {
        true => {
            std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)?;
            Path::new(STDIN.1)
        }
        false => {
            std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
            path
        }
    };
    if bytes.len() as u64 > LARGEST {
        return Ok(Err(problem::too_large(path, LARGEST)));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(contents) => Ok(Text::new(path, contents)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = Text::new(path, String::from_utf8_lossy(error.as_bytes()));
            mask::mask(&text);
            Err(problem::not_utf8(path, &Span::new(&text, at, '\u{fffd}'.len_utf8())))
        }
    })
}
