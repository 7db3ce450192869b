//! The contents of one artifact: its members, and the lines of those entries that are wanted, read
//! by ranges of the index.
//!
//! Knows formats, not sources. Of formats 1 to 3 the whole manifest is read, since it is one
//! document. Memory: all members, and the lines of the wanted entries.

use std::ops::Range;

use crate::artifact::{
    Damage, FORMAT, FrameLine, Head, INDEX, IndexLine, LARGEST_LEGACY, MANIFEST, Manifest, Member,
    MemberSum, follows, open_frame, parse_legacy, read_entries, read_frames, read_members,
};
use crate::base::Stop;
use crate::shelf::error::ShelfError;
use crate::store::contract::Store;

/// Bytes of the index that are read in one request, unless one frame is larger.
const GROUP: u64 = 8 << 20;

/// Frames that are verified at once: about 32 000 entries.
const WINDOW: usize = 8;

/// What an artifact holds, without its entries.
pub struct Contents {
    /// Its head, with all that was cut there.
    pub head: Head,
    /// What it holds, in restore order.
    pub members: Vec<Member>,
    sums: Vec<MemberSum>,
    frames: Vec<FrameLine>,
    /// All of an artifact of formats 1 to 3.
    old: Option<Manifest>,
}

impl Contents {
    /// Reads what the head leads to.
    pub fn open(store: &dyn Store, head: &Head, stop: &Stop) -> Result<Contents, ShelfError> {
        if head.format < FORMAT {
            let key = format!("{}{MANIFEST}", head.key);
            let old = parse_legacy(&store.read_small(&key, LARGEST_LEGACY, stop)?)?;
            if old.head != *head {
                return Err(Damage::Manifest("it was replaced while it was read".into()).into());
            }
            return Ok(Contents::of(old));
        }
        let damage = |found: String| ShelfError::Damage(Damage::Manifest(found));
        let index = head.index.as_ref().ok_or_else(|| damage("it names no index".into()))?;
        check(index).map_err(damage)?;
        let (details, members, sums) =
            read_members(&frame(store, &head.key, &index.members, stop)?)?;
        let frames = read_frames(&frame(store, &head.key, &index.frames, stop)?)?;
        let head = head.completed(details)?;
        let (totals, _) = crate::artifact::sums(&members, &sums);
        let entries: u64 = frames.iter().map(|f| f.entries).sum();
        if totals != head.totals || entries != totals.entries {
            return Err(damage("its sums are not those of its index".into()));
        }
        Ok(Contents { head, members, sums, frames, old: None })
    }

    /// The contents of a manifest that has all its entries.
    pub fn of(manifest: Manifest) -> Contents {
        Contents {
            head: manifest.head.clone(),
            members: manifest.members.clone(),
            sums: manifest.sums.clone(),
            frames: Vec::new(),
            old: Some(manifest),
        }
    }

    /// The manifest without any entry.
    pub fn bare(&self) -> Manifest {
        Manifest {
            head: self.head.clone(),
            members: self.members.clone(),
            sums: self.sums.clone(),
            entries: Vec::new(),
            contents: Vec::new(),
        }
    }

    /// The manifest with the entries of the chosen members, by their index.
    pub fn load(
        &self,
        store: &dyn Store,
        chosen: &[bool],
        stop: &Stop,
    ) -> Result<Manifest, ShelfError> {
        let is_chosen = |member: usize| chosen.get(member).copied().unwrap_or(false);
        let mut manifest = self.bare();
        if let Some(old) = &self.old {
            manifest.entries = old.entries.clone();
        } else {
            let frames: Vec<&FrameLine> =
                self.frames.iter().filter(|f| f.holds(&is_chosen)).collect();
            for frame in self.read(store, &frames, stop)? {
                self.append(&mut manifest, &frame)?;
            }
            manifest.contents.clear();
        }
        manifest.entries.retain(|e| is_chosen(e.member));
        manifest.holds(chosen).map_err(Damage::Manifest)?;
        Ok(manifest)
    }

    /// How many windows there are.
    pub fn windows(&self) -> usize {
        if self.old.is_some() { 1 } else { self.frames.len().div_ceil(WINDOW) }
    }

    /// A stretch of the entries, which follow each other without gaps; memory is bounded, however
    /// many there are.
    pub fn window(
        &self,
        store: &dyn Store,
        number: usize,
        stop: &Stop,
    ) -> Result<Manifest, ShelfError> {
        if let Some(old) = &self.old {
            return Ok(old.clone());
        }
        let mut manifest = self.bare();
        let range: Range<usize> = number * WINDOW..((number + 1) * WINDOW).min(self.frames.len());
        let frames: Vec<&FrameLine> = self.frames[range].iter().collect();
        for frame in self.read(store, &frames, stop)? {
            self.append(&mut manifest, &frame)?;
        }
        let from = frames.first().map_or(0, |f| f.from);
        follows(&manifest.entries, &manifest.contents, from).map_err(Damage::Manifest)?;
        Ok(manifest)
    }

    fn append(&self, manifest: &mut Manifest, text: &[u8]) -> Result<(), ShelfError> {
        let (entries, contents) = read_entries(text)?;
        for entry in &entries {
            entry.check(self.members.len()).map_err(Damage::Manifest)?;
        }
        manifest.entries.extend(entries);
        manifest.contents.extend(contents);
        Ok(())
    }

    /// Reads frames, neighbours in one request.
    fn read(
        &self,
        store: &dyn Store,
        frames: &[&FrameLine],
        stop: &Stop,
    ) -> Result<Vec<Vec<u8>>, ShelfError> {
        let key = format!("{}{INDEX}", self.head.key);
        let mut texts = Vec::new();
        let mut rest = frames;
        while let [first, ..] = rest {
            let mut end = first.offset;
            let together = rest.iter().take_while(|frame| {
                let fits = frame.offset == end
                    && (end == first.offset || frame.offset + frame.bytes - first.offset <= GROUP);
                end = frame.offset.saturating_add(frame.bytes);
                fits
            });
            let (group, later) = rest.split_at(together.count().max(1));
            rest = later;
            let last = group.last().map_or(first.offset, |l| l.offset.saturating_add(l.bytes));
            let bytes = store.read(&key, Some(first.offset..last), stop)?;
            for frame in group {
                let from = (frame.offset - first.offset) as usize;
                let own = bytes.get(from..from + frame.bytes as usize);
                let own = own.ok_or_else(|| Damage::Manifest("its index is too short".into()))?;
                texts.push(match open_frame(own, frame) {
                    Ok(text) => text,
                    Err(_) => self::frame(store, &self.head.key, frame, stop)?,
                });
            }
        }
        Ok(texts)
    }
}

fn frame(
    store: &dyn Store,
    key: &str,
    line: &FrameLine,
    stop: &Stop,
) -> Result<Vec<u8>, ShelfError> {
    let range = line.offset..line.offset.saturating_add(line.bytes);
    let read = || store.read(&format!("{key}{INDEX}"), Some(range.clone()), stop);
    // What the way broke is right when it is read again.
    match open_frame(&read()?, line) {
        Err(_) => Ok(open_frame(&read()?, line)?),
        Ok(text) => Ok(text),
    }
}

/// Whether the frames that a head names are the end of its index.
fn check(index: &IndexLine) -> Result<(), String> {
    let end = |frame: &FrameLine| frame.offset.checked_add(frame.bytes);
    match end(&index.members) == Some(index.frames.offset)
        && end(&index.frames) == Some(index.bytes)
    {
        true => Ok(()),
        false => Err("the last frames of its index are not its end".into()),
    }
}
