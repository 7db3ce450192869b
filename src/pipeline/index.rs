//! The index on its way: frames become parts of an object beside each copy's container.
//!
//! A small index, which nearly every one is, stays in memory and is written in one call when the
//! copy is committed; a large one is sent part by part while the backup runs. One copy that fails
//! keeps no other from its index. Knows no store but the contract.

use std::sync::Arc;

use crate::base::Stop;
use crate::pipeline::shape::{PART, part_size};
use crate::store::contract::{Error, Upload};

/// Begins the index object of a copy.
pub type BeginIndex = Box<dyn Fn() -> Result<Box<dyn Upload>, Error> + Send + Sync>;

/// The index of one copy, whole but not yet visible.
pub enum IndexMade {
    /// Its bytes, to be written in one call.
    Small(Arc<Vec<u8>>),
    /// An upload that got all of it, and how many bytes that is.
    Sent(Box<dyn Upload>, u64),
}

/// The index of all copies while it is written.
pub struct IndexOut {
    copies: Vec<OneIndex>,
    current: Vec<u8>,
    parts: u32,
    sent: u64,
}

struct OneIndex {
    begin: BeginIndex,
    upload: Option<Box<dyn Upload>>,
    failed: Option<Error>,
}

impl IndexOut {
    /// An index that nothing was written of; `begins` are those of the copies, in their order.
    pub fn new(begins: Vec<BeginIndex>) -> IndexOut {
        let copies = begins.into_iter().map(|begin| OneIndex { begin, upload: None, failed: None });
        IndexOut { copies: copies.collect(), current: Vec::new(), parts: 0, sent: 0 }
    }

    /// Adds the bytes of a frame.
    pub fn write(&mut self, bytes: &[u8], stop: &Stop) {
        self.current.extend_from_slice(bytes);
        loop {
            let size = part_size(PART, self.parts + 1) as usize;
            if self.current.len() <= size {
                return;
            }
            let rest = self.current.split_off(size);
            let part = std::mem::replace(&mut self.current, rest);
            self.send(&part, stop);
        }
    }

    fn send(&mut self, part: &[u8], stop: &Stop) {
        self.parts += 1;
        for copy in self.copies.iter_mut().filter(|c| c.failed.is_none()) {
            let sent = match &copy.upload {
                Some(upload) => upload.part(self.parts, self.sent, part, stop),
                None => (copy.begin)().and_then(|upload| {
                    copy.upload.insert(upload).part(self.parts, self.sent, part, stop)
                }),
            };
            copy.failed = sent.err();
        }
        self.sent += part.len() as u64;
    }

    /// Ends the index of every copy, in their order.
    pub fn finish(mut self, stop: &Stop) -> Vec<Result<IndexMade, Error>> {
        if self.parts == 0 {
            let whole = Arc::new(std::mem::take(&mut self.current));
            return self.copies.iter().map(|_| Ok(IndexMade::Small(whole.clone()))).collect();
        }
        let last = std::mem::take(&mut self.current);
        self.send(&last, stop);
        let bytes = self.sent;
        let end = |copy: OneIndex| match (copy.failed, copy.upload) {
            (None, Some(upload)) => Ok(IndexMade::Sent(upload, bytes)),
            (None, None) => panic!("BUG: an index that was sent without an upload"),
            (Some(error), Some(upload)) => Err(also(error, upload.abort())),
            (Some(error), None) => Err(error),
        };
        self.copies.into_iter().map(end).collect()
    }
}

/// An error, and what may be left behind besides.
pub fn also(error: Error, taken_back: Result<(), Error>) -> Error {
    match taken_back {
        Ok(()) => error,
        Err(left) => Error { found: format!("{}; and then {left}", error.found), ..error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Memory, contract::Store};

    #[test]
    fn a_large_index_is_sent_in_parts_and_a_small_one_is_kept() {
        let store = Arc::new(Memory::new());
        let begin = |key: &'static str| -> BeginIndex {
            let store = store.clone();
            Box::new(move || store.create(key, &Stop::new()))
        };
        let mut small = IndexOut::new(vec![begin("a"), begin("b")]);
        small.write(b"frame", &Stop::new());
        for made in small.finish(&Stop::new()) {
            assert!(matches!(made, Ok(IndexMade::Small(bytes)) if *bytes == b"frame"));
        }
        let mut large = IndexOut::new(vec![begin("c")]);
        let frame = vec![7; 3 << 20];
        for _ in 0..7 {
            large.write(&frame, &Stop::new());
        }
        let Ok(IndexMade::Sent(upload, bytes)) = large.finish(&Stop::new()).remove(0) else {
            panic!("sent")
        };
        assert_eq!(bytes, 21 << 20);
        upload.finish(bytes).expect("whole");
        assert_eq!(store.size("c", &Stop::new()).expect("looked up"), Some(bytes));
    }
}
