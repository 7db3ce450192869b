//! `--format json`: every event as one line of JSON.

use std::io::Write;

use crate::record::{LogLevel, Stamped};
use crate::run::Listener;

/// Writes events to a stream.
pub struct Json<W: Write>(pub W);

impl<W: Write> Listener for Json<W> {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        let mut line = serde_json::to_vec(event).expect("BUG: an event that is not JSON");
        line.push(b'\n');
        // A reader that went away must not end the backup.
        drop(self.0.write_all(&line).and_then(|()| self.0.flush()));
        Vec::new()
    }
}
