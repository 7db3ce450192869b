//! What an index must keep, and what its reader refuses.

use crate::artifact::index::*;
use crate::artifact::manifest::follows;
use crate::artifact::proof::RowSum;

const KEY: &str = "CANARY-KEY@x";

fn members(count: usize) -> Vec<Member> {
    let kind = |i: usize| if i.is_multiple_of(2) { Kind::Table } else { Kind::Rows };
    let member = |i| Member::new(&format!("db{}", i / 100), &format!("t{i}"), kind(i), Phase::Data);
    (0..count).map(member).collect()
}

/// An entry of a member; where it stands is known later.
fn entry(index: usize, member: usize, number: u32) -> EntryLine {
    let rows = Proof { rows: 7, digest: RowSum(index as u128) };
    let is_rows = member % 2 == 1;
    EntryLine {
        name: format!("db{}/t{member}.{number:05}.sql", member / 100),
        member,
        number,
        offset: 0,
        stored: 100 + index as u64 % 50,
        raw: 1000,
        sha256: hex(&Sha256::digest(index.to_le_bytes())),
        rows: is_rows.then_some(rows),
        keys: is_rows.then(|| Keys { first: vec![KEY.into()], last: vec![KEY.into()] }),
    }
}

/// Writes an index as the join does, a frame at a time: its bytes, what the head says of it,
/// the lines of the entries, and the texts inside the container.
fn written(
    members: &[Member],
    entries: impl Iterator<Item = EntryLine>,
    hides_keys: bool,
) -> (Vec<u8>, IndexLine, Vec<EntryLine>, Vec<u8>) {
    let mut writer = IndexWriter::new(members, hides_keys);
    let (mut bytes, mut lines, mut inside, mut end) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut close = |writer: &mut IndexWriter, end: &mut u64| {
        let (contents, text) = writer.contents();
        let (stored, raw) = (50, text.len() as u64);
        let sha256 = hex(&Sha256::digest(&text));
        let own = ContentsLine { contents, offset: *end, stored, raw, sha256 };
        bytes.extend_from_slice(&writer.close(&own).expect("a frame"));
        inside.extend_from_slice(&text);
        *end += stored;
        assert!(writer.is_empty());
    };
    for mut line in entries {
        line.offset = end;
        end += line.stored;
        lines.push(line.clone());
        writer.add(line, None);
        assert!(writer.lines.len() <= FRAME_ENTRIES);
        if writer.is_full() {
            close(&mut writer, &mut end);
        }
    }
    if !writer.is_empty() {
        close(&mut writer, &mut end);
    }
    let (name, text) = writer.members(&Details::default());
    assert_eq!(name, MEMBERS);
    let (last, line) = writer.finish(&text).expect("an end");
    bytes.extend_from_slice(&last);
    (bytes, line, lines, inside)
}

fn opened(index: &[u8], line: &FrameLine) -> Vec<u8> {
    let from = line.offset as usize;
    open_frame(&index[from..from + line.bytes as usize], line).expect("a frame")
}

/// 100 000 entries of 10 000 members, four threads at once as it were.
fn many() -> impl Iterator<Item = EntryLine> {
    (0..100_000).map(|i| entry(i, i / 40 * 4 + i % 4, (i % 40 / 4) as u32))
}

#[test]
fn a_large_index_that_is_written_frame_by_frame_reads_back() {
    let all = members(10_000);
    let (bytes, line, lines, _) = written(&all, many(), false);
    assert_eq!(line.bytes, bytes.len() as u64);
    assert_eq!(line.sha256, hex(&Sha256::digest(&bytes)));
    let frames = read_frames(&opened(&bytes, &line.frames)).expect("frames");
    assert!(frames.len() > 25, "{} frames", frames.len());
    let (mut entries, mut contents) = (Vec::new(), Vec::new());
    for frame in &frames {
        let (own, told) = read_entries(&opened(&bytes, frame)).expect("entries");
        assert_eq!((own[0].offset, own.len() as u64), (frame.from, frame.entries));
        entries.extend(own);
        contents.extend(told);
    }
    assert_eq!(contents.len(), frames.len());
    let names: Vec<String> = contents.iter().map(|c| c.contents.clone()).collect();
    assert_eq!(names[..2], ["index.00000.ndjson", "index.00001.ndjson"]);
    assert!(entries == lines, "not the lines that were written");
    follows(&entries, &contents, 0).expect("no gap");
    let (_, read, sums) = read_members(&opened(&bytes, &line.members)).expect("members");
    assert!(read == all, "not the members that were written");
    let (totals, units) = crate::artifact::index::sums(&read, &sums);
    let told = (totals.entries, totals.rows, totals.members, totals.tables, units.len());
    assert_eq!(told, (100_000, 50_000 * 7, 10_000, 5_000, 100));
    let odd = (0..100_000_u128).filter(|i| (i / 40 * 4 + i % 4) % 2 == 1);
    let digest = units.iter().fold(Proof::default(), |mut sum, unit| {
        sum += unit.proof;
        sum
    });
    assert_eq!(digest.digest.0, odd.sum::<u128>());
}

#[test]
fn the_frames_of_one_member_are_found_without_the_others() {
    let (bytes, line, ..) = written(&members(10_000), many().take(20_000), false);
    let frames = read_frames(&opened(&bytes, &line.frames)).expect("frames");
    let entries = |f: &FrameLine| read_entries(&opened(&bytes, f)).expect("entries").0;
    let entries: Vec<Vec<EntryLine>> = frames.iter().map(entries).collect();
    for member in [0, 1, 409, 410, 1023, 1024, 1999] {
        let chosen = |own: usize| own == member;
        let held: Vec<bool> = frames.iter().map(|frame| frame.holds(&chosen)).collect();
        let has = |own: &Vec<EntryLine>| own.iter().any(|e| e.member == member);
        assert_eq!(held, entries.iter().map(has).collect::<Vec<_>>(), "{member}");
        assert!((1..=2).contains(&held.iter().filter(|h| **h).count()), "{member}");
    }
    // Members far from each other are no run.
    let few = [0, 9, 9, 3, 4].into_iter().enumerate().map(|(i, m)| entry(i, m, 0));
    let (bytes, line, ..) = written(&members(10), few, false);
    let frames = read_frames(&opened(&bytes, &line.frames)).expect("frames");
    assert_eq!(frames[0].members, [(0, 0), (3, 4), (9, 9)]);
}

#[test]
fn with_a_seal_no_key_of_a_row_stands_beside_the_container() {
    for hides in [false, true] {
        let (bytes, line, _, inside) = written(&members(100), many().take(1000), hides);
        let plain = opened(&bytes, &line.members);
        let frames = read_frames(&opened(&bytes, &line.frames)).expect("frames");
        let all: Vec<u8> = frames.iter().flat_map(|f| opened(&bytes, f)).chain(plain).collect();
        let holds = |text: &[u8]| memchr::memmem::find(text, KEY.as_bytes()).is_some();
        assert_eq!((holds(&all), holds(&inside)), (!hides, true));
        let told = read_entries(&inside).expect("entries").0;
        assert_eq!(told.iter().filter(|line| line.keys.is_some()).count(), 500);
    }
}

#[test]
fn a_frame_that_is_not_as_the_head_says_is_refused_before_memory_is_taken() {
    let text = b"{}\n".repeat(1000);
    let bytes = zstd::bulk::compress(&text, LEVEL).expect("pressed");
    let line = FrameLine {
        bytes: bytes.len() as u64,
        raw: text.len() as u64,
        sha256: hex(&Sha256::digest(&bytes)),
        ..FrameLine::default()
    };
    assert_eq!(open_frame(&bytes, &line).expect("a frame"), text);
    let mut spoilt = bytes.clone();
    spoilt[bytes.len() / 2] ^= 1;
    let not_zstd = b"not pressed at all".to_vec();
    let hash = hex(&Sha256::digest(&not_zstd));
    for (bytes, line, said) in [
        (&spoilt, line.clone(), "has SHA-256"),
        (&bytes[..bytes.len() - 1].to_vec(), line.clone(), "has SHA-256"),
        (&bytes, FrameLine { raw: line.raw + 1, ..line.clone() }, "3000 bytes instead of 3001"),
        // What unpacks to more than it says stops there.
        (&bytes, FrameLine { raw: line.raw - 1, ..line.clone() }, "its index: "),
        (&bytes, FrameLine { raw: 0, ..line.clone() }, "its index: "),
        (&bytes, FrameLine { raw: 1 << 40, ..line.clone() }, "claims 1099511627776 bytes"),
        (&bytes, FrameLine { raw: u64::MAX, ..line.clone() }, "claims"),
        (&not_zstd, FrameLine { sha256: hash, ..line.clone() }, "its index: "),
    ] {
        let found = open_frame(bytes, &line).expect_err(said).to_string();
        assert!(found.contains(said), "{said}: {found}");
    }
}
