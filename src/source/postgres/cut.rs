//! What `pg_dump` writes as plain SQL, cut into entries where a statement or a row ends.
//!
//! Invariants: each entry is a script of whole statements; one that is cut inside of rows ends them
//! with `\.`, and the next begins with the same `COPY`; so all entries, one after another, are a
//! script again. Memory is a chunk and the longest statement.

use crate::artifact::{Plain, Proof, SqlError, plain_rows, plain_statement};
use crate::source::contract::{Error, ErrorKind, Out, Result};

/// What rows end with.
const END: &[u8] = b"\\.\n";

/// Cuts a stream of SQL.
pub struct Cutter {
    /// Size of an entry at which the next begins.
    chunk: usize,
    /// What messages call the stream.
    title: String,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are whole statements and rows.
    whole: usize,
    /// Bytes of the buffer that stand in the entry before this one as well.
    head: usize,
    /// The statement whose rows stand at `whole`.
    copy: Option<Vec<u8>>,
    /// Size of the buffer at which it is looked at.
    look: usize,
}

impl Cutter {
    /// A cutter for entries of about so many bytes.
    pub fn new(chunk: usize, title: String) -> Cutter {
        Cutter { chunk, title, buffer: Vec::new(), whole: 0, head: 0, copy: None, look: chunk }
    }

    /// Takes some bytes.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn Out) -> Result<()> {
        if self.buffer.capacity() == 0 {
            self.buffer = out.buffer()?;
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < self.look {
            return Ok(());
        }
        self.advance()?;
        if self.whole == self.head {
            // A long statement is looked at again when it has doubled, not with every piece of it.
            self.look *= 2;
            return Ok(());
        }
        let rest = self.buffer.split_off(self.whole);
        let mut next = Vec::new();
        if let Some(statement) = &self.copy {
            self.buffer.extend_from_slice(END);
            next.extend_from_slice(statement);
            next.extend_from_slice(b";\n");
        }
        out.chunk(std::mem::take(&mut self.buffer), Proof::default())?;
        self.buffer = out.buffer()?;
        self.buffer.extend_from_slice(&next);
        self.buffer.extend_from_slice(&rest);
        (self.whole, self.head) = (next.len(), next.len());
        self.look = self.chunk.max(2 * self.buffer.len());
        Ok(())
    }

    /// Ends the stream: what is left must be whole.
    pub fn finish(mut self, out: &mut dyn Out) -> Result<()> {
        self.advance()?;
        let blank = plain_statement(&self.buffer[self.whole..]).map_err(|e| self.damaged(e))?
            == Plain::Blank;
        if self.copy.is_some() || !blank {
            return Err(Error::new(
                ErrorKind::Damaged,
                format!("read {}", self.title),
                "it ends inside of a statement",
            ));
        }
        if self.buffer.is_empty() { Ok(()) } else { out.chunk(self.buffer, Proof::default()) }
    }

    fn damaged(&self, error: SqlError) -> Error {
        Error::new(ErrorKind::Damaged, format!("read {}", self.title), error.to_string())
    }

    /// Passes over all that is whole.
    fn advance(&mut self) -> Result<()> {
        loop {
            let rest = &self.buffer[self.whole..];
            if self.copy.is_some() {
                match plain_rows(rest) {
                    Some(rows) => {
                        self.whole += rows;
                        self.copy = None;
                    }
                    None => {
                        // Its last line may be the beginning of the end.
                        self.whole += memchr::memrchr(b'\n', rest).map_or(0, |n| n + 1);
                        return Ok(());
                    }
                }
                continue;
            }
            match plain_statement(rest).map_err(|e| self.damaged(e))? {
                Plain::Statement { text, bytes } => {
                    self.copy = Plain::copies(text).then(|| text.to_vec());
                    // The rows begin on a line of their own, which may not have come yet.
                    if self.copy.is_some() && !rest[..bytes].ends_with(b"\n") {
                        self.copy = None;
                        return Ok(());
                    }
                    self.whole += bytes;
                }
                Plain::Open | Plain::Blank => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::contract::Piece;

    #[derive(Default)]
    struct Kept(Vec<Vec<u8>>);

    impl Out for Kept {
        fn buffer(&mut self) -> Result<Vec<u8>> {
            Ok(Vec::with_capacity(8))
        }

        fn chunk(&mut self, bytes: Vec<u8>, _: Proof) -> Result<()> {
            self.0.push(bytes);
            Ok(())
        }

        fn waiting(&mut self, _: &str) {}

        fn more(&mut self, _: Piece) {
            panic!("nothing is cut off here");
        }
    }

    fn cut(text: &str, step: usize) -> Result<Vec<String>> {
        let mut kept = Kept::default();
        let mut cutter = Cutter::new(24, "x".into());
        for part in text.as_bytes().chunks(step) {
            cutter.push(part, &mut kept)?;
        }
        cutter.finish(&mut kept)?;
        Ok(kept.0.into_iter().map(|b| String::from_utf8(b).expect("text")).collect())
    }

    #[test]
    fn entries_are_scripts_and_together_the_same_script() {
        let rows: String = (0..40).map(|n| format!("{n}\tx;'\\\\.\n")).collect();
        let text = format!(
            "\\restrict a\nSET a=1;\nCOPY t (a) FROM stdin;\n{rows}\\.\nSELECT $$ ;\n$$;\n-- done\n\\unrestrict a\n"
        );
        for step in (1..90).chain([10_000]) {
            let entries = cut(&text, step).expect("cut");
            for entry in &entries {
                let mut rest = entry.as_bytes();
                while let Plain::Statement { text, bytes } = plain_statement(rest).expect("SQL") {
                    rest = &rest[bytes..];
                    if Plain::copies(text) {
                        rest = &rest[plain_rows(rest).expect("rows have an end")..];
                    }
                }
                assert_eq!(plain_statement(rest), Ok(Plain::Blank), "{step}: {entry}");
            }
            let joined = entries.concat().replace("\\.\nCOPY t (a) FROM stdin;\n", "");
            assert_eq!(joined, text, "{step}");
            assert!(step > 300 || entries.len() > 3, "{step}");
        }
    }

    #[test]
    fn what_ends_in_the_middle_is_an_error() {
        for text in
            ["SELECT 1;\nCOPY t (a) FROM stdin;\n1\n", "SELECT 'a", "SELECT 1", "\\! touch pwned\n"]
        {
            assert_eq!(cut(text, 7).expect_err("cut").kind, ErrorKind::Damaged, "{text}");
        }
        assert_eq!(cut("-- nothing\n", 4).expect("cut"), ["-- nothing\n"]);
    }
}
