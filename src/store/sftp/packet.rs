//! Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), written and read.
//!
//! Pure. What a server sends is never trusted for its length: a text that ends too early is an
//! error, and nothing is given memory for what did not come.

/// Largest packet that is taken, in bytes: OpenSSH sends 256 KiB at most.
pub const LARGEST: usize = 1 << 20;

/// Requests.
pub mod ask {
    /// `INIT` of the draft.
    pub const INIT: u8 = 1;
    /// `OPEN` of the draft.
    pub const OPEN: u8 = 3;
    /// `CLOSE` of the draft.
    pub const CLOSE: u8 = 4;
    /// `READ` of the draft.
    pub const READ: u8 = 5;
    /// `WRITE` of the draft.
    pub const WRITE: u8 = 6;
    /// `LSTAT` of the draft.
    pub const LSTAT: u8 = 7;
    /// `FSTAT` of the draft.
    pub const FSTAT: u8 = 8;
    /// `OPENDIR` of the draft.
    pub const OPENDIR: u8 = 11;
    /// `READDIR` of the draft.
    pub const READDIR: u8 = 12;
    /// `REMOVE` of the draft.
    pub const REMOVE: u8 = 13;
    /// `MKDIR` of the draft.
    pub const MKDIR: u8 = 14;
    /// `RENAME` of the draft.
    pub const RENAME: u8 = 18;
    /// `EXTENDED` of the draft.
    pub const EXTENDED: u8 = 200;
}

/// Answers.
pub mod tell {
    /// `VERSION` of the draft.
    pub const VERSION: u8 = 2;
    /// `STATUS` of the draft.
    pub const STATUS: u8 = 101;
    /// `HANDLE` of the draft.
    pub const HANDLE: u8 = 102;
    /// `DATA` of the draft.
    pub const DATA: u8 = 103;
    /// `NAME` of the draft.
    pub const NAME: u8 = 104;
    /// `ATTRS` of the draft.
    pub const ATTRS: u8 = 105;
}

/// Codes of a status.
pub mod code {
    /// `OK` of the draft.
    pub const OK: u32 = 0;
    /// `EOF` of the draft.
    pub const EOF: u32 = 1;
    /// `NO_SUCH_FILE` of the draft.
    pub const NO_SUCH_FILE: u32 = 2;
    /// `DENIED` of the draft.
    pub const DENIED: u32 = 3;
}

/// How a file is opened.
pub mod open {
    /// `READ` of the draft.
    pub const READ: u32 = 1;
    /// `WRITE` of the draft.
    pub const WRITE: u32 = 2;
    /// `CREATE` of the draft.
    pub const CREATE: u32 = 8;
    /// `EXCLUSIVE` of the draft.
    pub const EXCLUSIVE: u32 = 32;
}

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const MODE: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;

/// A packet that is being written, without its length.
#[derive(Debug, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    /// Adds a number.
    pub fn u32(mut self, number: u32) -> Body {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a large number.
    pub fn u64(mut self, number: u64) -> Body {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds bytes with their length.
    pub fn bytes(mut self, bytes: &[u8]) -> Body {
        self = self.u32(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds attributes that say the mode only.
    pub fn mode(self, mode: u32) -> Body {
        self.u32(MODE).u32(mode)
    }

    /// Adds attributes that say nothing.
    pub fn no_attributes(self) -> Body {
        self.u32(0)
    }
}

/// What is told of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its kind and mode.
    pub mode: Option<u32>,
    /// When it was written, in seconds.
    pub modified: Option<u32>,
}

impl Attributes {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o170_000 == 0o040_000)
    }

    /// Whether it is a file; a server that does not tell kinds is believed.
    pub fn is_file(&self) -> bool {
        self.mode.is_none_or(|mode| matches!(mode & 0o170_000, 0o100_000 | 0))
    }
}

/// An answer that is being read.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (own, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(own)
    }

    /// Reads a number.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Reads a large number.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Reads bytes with their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// Reads attributes.
    pub fn attributes(&mut self) -> Option<Attributes> {
        let (flags, mut found) = (self.u32()?, Attributes::default());
        if flags & SIZE != 0 {
            found.size = Some(self.u64()?);
        }
        if flags & OWNER != 0 {
            self.take(8)?;
        }
        if flags & MODE != 0 {
            found.mode = Some(self.u32()?);
        }
        if flags & TIMES != 0 {
            self.take(4)?;
            found.modified = Some(self.u32()?);
        }
        if flags & EXTENDED != 0 {
            for _ in 0..self.u32()? {
                self.bytes()?;
                self.bytes()?;
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_nothing() {
        let body = Body::default().u32(7).u64(1 << 40).bytes(b"name").mode(0o100_600);
        let mut reader = Reader(&body.0);
        assert_eq!((reader.u32(), reader.u64()), (Some(7), Some(1 << 40)));
        assert_eq!(reader.bytes(), Some(&b"name"[..]));
        let found = reader.attributes().expect("attributes");
        assert!(found.is_file() && !found.is_folder() && found.size.is_none());
        assert!(Attributes { mode: Some(0o040_700), ..found }.is_folder());
        assert!(!Attributes { mode: Some(0o120_777), ..found }.is_file(), "a link");
        let text = Body::default().bytes(b"name").0;
        assert_eq!(Reader(&text[..text.len() - 1]).bytes(), None);
    }

    proptest! {
        #[test]
        fn arbitrary_answers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader(&bytes);
            while reader.attributes().is_some() && !reader.0.is_empty() {
                reader.bytes();
            }
        }
    }
}
