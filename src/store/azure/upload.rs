//! A large object on its way: blocks from any thread, committed by one list.
//!
//! Does not choose part sizes. Invariants: it is committed only of blocks that were all answered and
//! cover the object without gap; nothing is replaced (`If-None-Match`); the size of what was made is
//! looked up. A lost answer is resolved by the names of the blocks: no other upload has ours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;

use crate::base::Stop;
use crate::store::azure::checksum::checksum;
use crate::store::azure::xml::{BlockList, block_list};
use crate::store::contract::{Error, ErrorKind, Limits, Result, Upload};
use crate::store::wire::ask::Wire;
use crate::store::wire::body::document;
use crate::store::wire::call::{Answer, Call, header};
use crate::store::wire::commit::{Look, commit};
use crate::store::wire::look::size;
use crate::store::wire::refusal::Refusal;

/// Blocks that one object may have.
const MOST: u32 = 50_000;

/// Bytes that a block may have.
const BLOCK: u64 = 4_000 << 20;

/// What the service keeps, and how much it takes.
pub fn declared(lanes: usize) -> Limits {
    Limits { parts: MOST, most: BLOCK, object: MOST as u64 * BLOCK, ..Limits::none(lanes) }
}

/// An upload of blocks.
pub struct BlockUpload {
    wire: Arc<Wire>,
    key: String,
    doing: String,
    /// What the names of its blocks begin with.
    name: u64,
    /// Guards the blocks that were answered, by number: where each begins, and its bytes.
    blocks: Mutex<BTreeMap<u32, (u64, u64)>>,
    /// Stops all but the parts.
    stop: Stop,
}

impl BlockUpload {
    /// Begins an upload; sends nothing.
    pub fn new(wire: &Arc<Wire>, key: &str, doing: String, name: u64, stop: &Stop) -> BlockUpload {
        BlockUpload {
            wire: wire.clone(),
            key: key.to_owned(),
            doing,
            name,
            blocks: Mutex::default(),
            stop: stop.clone(),
        }
    }

    /// The name of a block: all of an object have equal lengths.
    fn block(&self, number: u32) -> String {
        BASE64_STANDARD.encode(format!("{:016x}-{number:05}", self.name))
    }

    /// The names of the blocks in order; an error if they are not the whole.
    fn cover(&self, bytes: u64) -> Result<Vec<String>> {
        let blocks = self.blocks.lock().expect("no panic while locked");
        let (mut end, mut covered) = (0, Vec::with_capacity(blocks.len()));
        for (number, (offset, length)) in blocks.iter() {
            if *number as usize != covered.len() + 1 || *offset != end {
                break;
            }
            end += length;
            covered.push(self.block(*number));
        }
        match end == bytes && covered.len() == blocks.len() {
            true => Ok(covered),
            false => {
                let (came, of) = (covered.len(), blocks.len());
                let found = format!("{end} of {bytes} bytes came, in {came} of {of} parts");
                Err(Error::new(ErrorKind::Damaged, &self.doing, found))
            }
        }
    }

    fn commit_list(&self, body: &str) -> std::result::Result<(), Refusal> {
        let mut call = Call::new(Method::PUT, Some(&self.key));
        call.query.push(("comp", "blocklist".into()));
        call.headers.clone_from(&self.wire.labels);
        call.headers.push(("content-type", "application/xml".into()));
        call.headers.push(("x-ms-blob-content-type", "application/octet-stream".into()));
        call.checksum = Some(checksum(body.as_bytes()));
        call.fresh = true;
        call.body = body.as_bytes();
        self.wire.once(&call, &self.stop).map(drop)
    }

    fn look(&self, blocks: &[String], bytes: u64) -> Result<Look> {
        match size(&self.wire, &self.key, &self.stop)? {
            None => Ok(Look::Absent),
            Some(found) if found != bytes => Ok(Look::Foreign),
            Some(_) => {
                let mut call = Call::new(Method::GET, Some(&self.key));
                call.query =
                    vec![("blocklisttype", "committed".into()), ("comp", "blocklist".into())];
                let read = |answer: Answer| document::<BlockList>(&answer, "a list of no blocks");
                let asked = self.wire.ask_for(&call, &read, &self.stop);
                let list = asked.map_err(|refusal| refusal.error(&self.doing))?;
                Ok(if list.names() == blocks { Look::Ours } else { Look::Foreign })
            }
        }
    }
}

impl Upload for BlockUpload {
    fn part(&self, number: u32, offset: u64, bytes: &[u8], stop: &Stop) -> Result<()> {
        let doing = || format!("{} (part {number})", self.doing);
        if !(1..=MOST).contains(&number) {
            let found = format!("a blob takes blocks 1 to {MOST}");
            return Err(Error::new(ErrorKind::Full, doing(), found));
        }
        self.blocks.lock().expect("no panic while locked").remove(&number);
        if bytes.is_empty() {
            // The service takes no empty block, and an object needs none.
            stop.check().map_err(|_| Error::new(ErrorKind::Stopped, doing(), "stopped"))?;
            return Ok(());
        }
        let mut call = Call::new(Method::PUT, Some(&self.key));
        call.query = vec![("blockid", self.block(number)), ("comp", "block".into())];
        let (name, md5) = checksum(bytes);
        call.checksum = Some((name, md5.clone()));
        call.body = bytes;
        let taken = |answer: Answer| match header(&answer.headers, "content-md5") {
            Some(told) if told != md5 => {
                Err(Refusal::spoilt(format!("its MD5 is {md5}, the store says {told}")))
            }
            Some(_) | None => Ok(()),
        };
        self.wire.ask_for(&call, &taken, stop).map_err(|e| e.error(&doing()))?;
        let placed = (offset, bytes.len() as u64);
        self.blocks.lock().expect("no panic while locked").insert(number, placed);
        Ok(())
    }

    fn finish(self: Box<Self>, bytes: u64) -> Result<()> {
        let blocks = self.cover(bytes)?;
        let body = block_list(&blocks);
        let (send, look) = (|| self.commit_list(&body), || self.look(&blocks, bytes));
        commit(&self.wire, &self.doing, &send, &look, &self.stop)?;
        match size(&self.wire, &self.key, &self.stop)? {
            Some(found) if found == bytes => Ok(()),
            found => {
                let found = found.map_or("nothing is there".into(), |found| {
                    format!("it has {found} of {bytes} bytes")
                });
                Err(Error::new(ErrorKind::Damaged, &self.doing, found))
            }
        }
    }

    /// Nothing became visible; the service removes the blocks after a week.
    fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
