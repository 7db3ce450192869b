//! What a dump program writes, cut into entries where a statement ends.
//!
//! Knows no program and no server. Invariants: the entries hold every byte, in order, after what
//! stands before the first or each of them; the last one ends with a whole statement or comment;
//! memory is a chunk and the longest statement.

use crate::artifact::{Dialect, Proof, Splitter, whole_statements};
use crate::source::contract::{Error, ErrorKind, Out, Result};
use crate::source::mysql::utf8::as_text;

/// What stands before the bytes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Only of the first: the others follow it in one session.
    First,
    /// Of each: they may be read in any order.
    Each,
}

/// Cuts a stream of SQL.
pub struct Cutter<'a> {
    head: &'a [u8],
    before: Before,
    /// Size of an entry at which the next begins.
    chunk: usize,
    /// Longest statement the server takes.
    packet: usize,
    /// What messages call the stream.
    title: String,
    buffer: Vec<u8>,
    /// Where the stream begins in the buffer.
    from: usize,
    /// Size of the buffer at which it is looked at.
    look: usize,
    entries: usize,
}

impl<'a> Cutter<'a> {
    /// A cutter whose entries begin with `head`.
    pub fn new(
        head: &'a [u8],
        before: Before,
        chunk: usize,
        packet: usize,
        title: String,
    ) -> Cutter<'a> {
        Cutter {
            head,
            before,
            chunk,
            packet,
            title,
            buffer: Vec::new(),
            from: 0,
            look: chunk,
            entries: 0,
        }
    }

    /// Takes some bytes.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn Out) -> Result<()> {
        if self.buffer.is_empty() && self.from == 0 {
            self.begin(out)?;
        }
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() - self.from >= self.look {
            let whole = whole_statements(Dialect::Mysql, &self.buffer[self.from..]);
            if whole.bytes == 0 {
                // A long statement is looked at again when it has doubled, not with every piece of
                // it.
                self.look *= 2;
                break;
            }
            if whole.longest * 2 >= self.packet {
                let whole = &self.buffer[self.from..self.from + whole.bytes];
                Splitter::new(Dialect::Mysql, whole)
                    .flatten()
                    .try_for_each(|s| self.fits(s.text))?;
            }
            let rest = self.buffer.split_off(self.from + whole.bytes);
            out.chunk(std::mem::take(&mut self.buffer), Proof::default())?;
            self.entries += 1;
            self.begin(out)?;
            self.buffer.extend_from_slice(&rest);
        }
        Ok(())
    }

    /// Ends the stream: what is left must be whole.
    pub fn finish(mut self, out: &mut dyn Out) -> Result<()> {
        for statement in Splitter::new(Dialect::Mysql, &self.buffer[self.from..]) {
            let statement = statement.map_err(|e| {
                Error::new(ErrorKind::Damaged, format!("read {}", self.title), e.to_string())
            })?;
            self.fits(statement.text)?;
        }
        if self.buffer.len() > self.from || (self.entries == 0 && self.from > 0) {
            out.chunk(std::mem::take(&mut self.buffer), Proof::default())?;
        }
        Ok(())
    }

    fn begin(&mut self, out: &mut dyn Out) -> Result<()> {
        self.buffer = out.buffer()?;
        if self.before == Before::Each || self.entries == 0 {
            self.buffer.extend_from_slice(self.head);
        }
        (self.from, self.look) = (self.buffer.len(), self.chunk);
        Ok(())
    }

    /// Bytes that are no text are sent in hexadecimal, and take twice the room.
    fn fits(&self, statement: &[u8]) -> Result<()> {
        let longest = match statement.len() * 2 < self.packet {
            true => return Ok(()),
            false => as_text(statement, &format!("read {}", self.title))?.len(),
        };
        if longest < self.packet {
            return Ok(());
        }
        let found = format!(
            "a statement takes {longest} bytes, and the server takes statements of {} at most",
            self.packet
        );
        let error = Error::new(ErrorKind::Refused, format!("read {}", self.title), found);
        Err(error.hint(
            "It could not be restored. Raise `max_allowed_packet` of the server, here and where it will be restored.",
        ))
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
            Ok(Vec::new())
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

    fn cut(text: &str, step: usize, before: Before, packet: usize) -> Result<Vec<String>> {
        let mut kept = Kept::default();
        let mut cutter = Cutter::new(b"U;\n", before, 12, packet, "x".into());
        for part in text.as_bytes().chunks(step) {
            cutter.push(part, &mut kept)?;
        }
        cutter.finish(&mut kept)?;
        Ok(kept.0.into_iter().map(|b| String::from_utf8(b).expect("text")).collect())
    }

    #[test]
    fn entries_hold_every_byte_however_it_comes() {
        let text = "SET a=1;\nINSERT INTO t VALUES ('a;\n'),('bbbbbbbbbbbbbbbbbbbbbbbbb');\nDO 1;\n-- done\n";
        for step in 1..text.len() {
            let first = cut(text, step, Before::First, 1000).expect("cut");
            assert_eq!(first.concat(), format!("U;\n{text}"), "{step}");
            assert!(first.len() >= 2 || step > 60, "{step} {first:?}");
            let each = cut(text, step, Before::Each, 1000).expect("cut");
            let bare: String =
                each.iter().map(|e| e.strip_prefix("U;\n").expect("a head")).collect();
            assert_eq!(bare, text);
        }
    }

    #[test]
    fn what_is_sent_in_hexadecimal_must_fit_as_such() {
        let mut kept = Kept::default();
        for (bytes, fits) in
            [(&b"DO '\xFF\xFF\xFF';\n"[..], true), (b"DO '\xFF\xFF\xFF\xFF\xFF\xFF\xFF';\n", false)]
        {
            let mut cutter = Cutter::new(b"", Before::Each, 4, 20, "x".into());
            let pushed = cutter.push(bytes, &mut kept).and_then(|()| cutter.finish(&mut kept));
            assert_eq!(pushed.is_ok(), fits, "{bytes:?}");
        }
    }

    #[test]
    fn what_ends_in_the_middle_or_is_too_long_is_an_error() {
        assert_eq!(
            cut("DO 1;\nINSERT INTO t VALUES ('a", 7, Before::First, 99).expect_err("cut").kind,
            ErrorKind::Damaged
        );
        let long = cut("DO 1;\nINSERT INTO t VALUES ('aaaaaaaaa');\n", 7, Before::First, 20)
            .expect_err("too long");
        assert!(long.hint.is_some_and(|h| h.contains("max_allowed_packet")));
        assert_eq!(cut("-- nothing\n", 4, Before::First, 99).expect("cut"), ["U;\n-- nothing\n"]);
    }
}
