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

/// A place in an entry between two rows.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    bytes: usize,
    statement: Option<usize>,
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
            Some(from) if self.bytes.len() - from < self.longest => {
                self.bytes.extend_from_slice(b",\n")
            }
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

    /// Where it stands now, for [`Inserts::back`].
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), statement: self.statement }
    }

    /// Takes back all that was written since a mark.
    pub fn back(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.statement = mark.statement;
    }

    /// Bytes of the open statement.
    pub fn statement_bytes(&self) -> usize {
        self.statement.map_or(0, |from| self.bytes.len() - from)
    }

    /// Ends the open statement before the row that begins at `row`, and begins a new one with it.
    pub fn split(&mut self, row: usize, head: &[u8]) {
        if self.statement.is_none_or(|from| from + head.len() + 1 >= row) {
            return; // The row is the first of its statement.
        }
        let last = self.bytes.split_off(row);
        self.bytes.truncate(row - 2); // The comma and the line end before it.
        self.bytes.extend_from_slice(b";\n");
        self.statement = Some(self.bytes.len());
        self.bytes.extend_from_slice(head);
        self.bytes.push(b'\n');
        self.bytes.extend_from_slice(&last);
    }

    /// Ends the last statement and the entry.
    pub fn end(mut self) -> Vec<u8> {
        if self.statement.is_some() {
            self.bytes.extend_from_slice(b";\n");
        }
        self.bytes.extend_from_slice(b"COMMIT;\n");
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

    #[test]
    fn a_row_is_taken_back_with_the_statement_it_began() {
        let mut inserts = Inserts::begin(Vec::new(), b"", 1000);
        for (row, kept) in [("(1)", false), ("(2)", true), ("(3)", false), ("(4)", true)] {
            let mark = inserts.mark();
            inserts.row(b"INSERT");
            inserts.bytes.extend_from_slice(row.as_bytes());
            if !kept {
                inserts.back(mark);
            }
        }
        assert_eq!(inserts.end(), b"BEGIN;\nINSERT\n(2),\n(4);\nCOMMIT;\n");
        assert_eq!(Inserts::begin(Vec::new(), b"", 9).end(), b"BEGIN;\nCOMMIT;\n");
    }

    #[test]
    fn a_row_that_would_make_a_statement_too_long_gets_one_of_its_own() {
        let mut inserts = Inserts::begin(Vec::new(), b"", 1000);
        for row in ["(1)", "(2)"] {
            inserts.row(b"INSERT");
            let from = inserts.bytes.len();
            inserts.bytes.extend_from_slice(row.as_bytes());
            inserts.split(from, b"INSERT");
        }
        assert_eq!(inserts.statement_bytes(), 10);
        assert_eq!(inserts.end(), b"BEGIN;\nINSERT\n(1);\nINSERT\n(2);\nCOMMIT;\n");
    }
}
