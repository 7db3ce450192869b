//! An entry of rows that is being written: a prologue, INSERT statements of bounded size, an end.
//!
//! Knows no server: what stands between the quotes is the caller's.

/// An open entry.
pub struct Inserts {
    /// The bytes so far.
    pub bytes: Vec<u8>,
    /// Where the open statement began, if one is open.
    statement: Option<usize>,
    longest: usize,
}

impl Inserts {
    /// Begins an entry in `buffer`; statements end at about `longest` bytes.
    pub fn begin(mut buffer: Vec<u8>, prologue: &[u8], longest: usize) -> Inserts {
        buffer.extend_from_slice(prologue);
        buffer.extend_from_slice(b"BEGIN;\n");
        Inserts { bytes: buffer, statement: None, longest }
    }

    /// Makes room for a row: in the open statement, or in a new one that begins with `head`.
    pub fn row(&mut self, head: &[u8]) {
        match self.statement {
            Some(from) if self.bytes.len() - from < self.longest => self.bytes.extend_from_slice(b",\n"),
            open => {
                if open.is_some() {
                    self.bytes.extend_from_slice(b";\n");
                }
                self.statement = Some(self.bytes.len());
                self.bytes.extend_from_slice(head);
                self.bytes.push(b'\n');
            }
        }
    }

    /// Ends the last statement and the entry.
    pub fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(b";\nCOMMIT;\n");
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_bounded_and_every_row_has_its_place() {
        let mut inserts = Inserts::begin(Vec::new(), b"X;\n", 12);
        for row in ["(1)", "(2)", "(3)"] {
            inserts.row(b"INSERT");
            inserts.bytes.extend_from_slice(row.as_bytes());
        }
        assert_eq!(inserts.end(), b"X;\nBEGIN;\nINSERT\n(1),\n(2);\nINSERT\n(3);\nCOMMIT;\n");
    }
}
