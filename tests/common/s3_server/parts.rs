//! Parts of an upload, and the object that they become.
//!
//! `s3s-fs` writes a part in small pieces and reads, digests and writes every byte once more when
//! the object is put together, which no service in use does: here a part is digested once and
//! written where the object will have it, if all before it are known by then. As strict as S3: the
//! parts that are named are the parts that came, in order, and all but the last have 5 MiB. A tag
//! is no MD5, as it is none where S3 encrypts with a key of its own.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, create_dir_all, remove_file, rename, write as write_file};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use s3s::dto::{CompletedPart, ETag, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use xxhash_rust::xxh3::Xxh3Default;

/// Smallest part that is not the last.
const SMALLEST: u64 = 5 << 20;

/// A part that came.
#[derive(Debug, Clone)]
pub struct Part {
    digest: u128,
    bytes: u64,
    file: PathBuf,
    /// Where it stands in the file.
    offset: u64,
}

impl Part {
    /// What S3 calls it.
    pub fn e_tag(&self) -> String {
        format!("{:032x}", self.digest)
    }
}

/// Lengths of parts as they were announced, by number.
pub type Announced = BTreeMap<i32, u64>;

/// Where a part stands in the whole, once all before it are announced; not if it was announced
/// before.
pub fn announce(announced: &mut Announced, number: i32, bytes: u64) -> Option<u64> {
    let again = announced.insert(number, bytes).is_some();
    let before: Vec<u64> = announced.range(..number).map(|(_, bytes)| *bytes).collect();
    (!again && before.len() as i32 == number - 1).then(|| before.iter().sum())
}

/// A file that `s3s-fs` removes when it aborts an upload.
fn file(root: &Path, upload: &str, name: &str) -> PathBuf {
    root.join(format!(".upload_id-{upload}.{name}"))
}

/// Takes a part; a body that ends early or has another hash than it was signed with is an error of
/// the stream.
pub async fn write(
    root: &Path,
    upload: &str,
    number: i32,
    (at, length): (Option<u64>, Option<i64>),
    mut body: StreamingBlob,
) -> S3Result<Part> {
    if !(1..=10_000).contains(&number) {
        return Err(s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and 10000, inclusive"
        ));
    }
    // Room for what is announced, up to the largest part that vex sends.
    let room = length.and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(64 << 20);
    let (mut bytes, mut hash) = (Vec::with_capacity(room), Xxh3Default::new());
    while let Some(next) = body.next().await {
        let next = next.map_err(|e| S3Error::with_source(S3ErrorCode::IncompleteBody, e))?;
        hash.update(&next);
        bytes.extend_from_slice(&next);
    }
    let (file, offset) = match at {
        Some(offset) => (file(root, upload, "whole"), offset),
        None => (file(root, upload, &format!("part-{number}-{}", fresh())), 0),
    };
    let part = Part { digest: hash.digest128(), bytes: bytes.len() as u64, file, offset };
    let place = part.file.clone();
    on_disk(move || {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(place)?
            .write_all_at(&bytes, offset)
    })
    .await?;
    Ok(part)
}

/// Puts the object together; returns its tag.
pub async fn complete(
    root: &Path,
    (bucket, key): (&str, &str),
    upload: &str,
    named: &[CompletedPart],
    sent: &BTreeMap<i32, Part>,
) -> S3Result<String> {
    let (mut tags, mut parts, mut last) = (Xxh3Default::new(), Vec::new(), 0);
    for (i, named_part) in named.iter().enumerate() {
        let number = named_part.part_number.ok_or_else(|| s3_error!(MalformedXML))?;
        let part = sent.get(&number).ok_or_else(|| s3_error!(InvalidPart))?;
        if named_part.e_tag.as_ref().map(ETag::value) != Some(part.e_tag().as_str()) {
            return Err(s3_error!(InvalidPart));
        }
        if number <= last {
            return Err(s3_error!(InvalidPartOrder));
        }
        if i + 1 < named.len() && part.bytes < SMALLEST {
            return Err(s3_error!(EntityTooSmall));
        }
        last = number;
        tags.update(&part.digest.to_le_bytes());
        parts.push(part.clone());
    }
    if parts.is_empty() {
        return Err(s3_error!(MalformedXML));
    }
    let tag = format!("{:032x}-{}", tags.digest128(), parts.len());
    let name = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let note = root.join(format!(".bucket-{}.object-{}.internal.json", name(bucket), name(key)));
    let told = serde_json::json!({ "e_tag": tag }).to_string();
    let object = root.join(bucket).join(key);
    let (whole, other) = (file(root, upload, "whole"), file(root, upload, "other"));
    let unused: Vec<PathBuf> =
        sent.values().map(|p| p.file.clone()).filter(|f| *f != whole).collect();
    let info = root.join(format!(".upload-{upload}.json"));
    on_disk(move || {
        let made = gather(&parts, whole, other)?;
        create_dir_all(object.parent().unwrap())?;
        write_file(note, told)?;
        rename(made, object)?;
        unused.iter().try_for_each(remove_file)?;
        remove_file(info)
    })
    .await?;
    Ok(tag)
}

/// Reads what `bytes 5-9/20` names.
pub async fn range(file: PathBuf, range: String) -> S3Result<StreamingBlob> {
    let bounds = range
        .strip_prefix("bytes ")
        .and_then(|r| r.split_once('/'))
        .and_then(|(r, _)| r.split_once('-'));
    let number = |text: &str| text.parse::<u64>().ok();
    let bounds = bounds.and_then(|(from, to)| number(from).zip(number(to)));
    let (from, to) = bounds.ok_or_else(|| s3_error!(InternalError, "a range without bounds"))?;
    let bytes = on_disk(move || {
        let mut bytes = vec![0; (to + 1 - from) as usize];
        File::open(file)?.read_exact_at(&mut bytes, from).map(|()| bytes)
    });
    Ok(StreamingBlob::from(s3s::Body::from(bytes.await?)))
}

/// Copies the parts that are not in place to where they belong; all of them to `other` if one that
/// is, stands wrong.
fn gather(parts: &[Part], whole: PathBuf, other: PathBuf) -> std::io::Result<PathBuf> {
    let offsets: Vec<u64> =
        parts.iter().scan(0, |end, p| Some(std::mem::replace(end, *end + p.bytes))).collect();
    let placed = |part: &Part| part.file == whole;
    let sound = parts.iter().zip(&offsets).all(|(p, offset)| !placed(p) || p.offset == *offset);
    let into = if sound { &whole } else { &other };
    let mut object = OpenOptions::new().create(true).truncate(false).write(true).open(into)?;
    for (part, offset) in parts.iter().zip(&offsets).filter(|(p, _)| !sound || !placed(p)) {
        let mut from = File::open(&part.file)?;
        from.seek(SeekFrom::Start(part.offset))?;
        object.seek(SeekFrom::Start(*offset))?;
        std::io::copy(&mut from.take(part.bytes), &mut object)?;
    }
    // A part that was sent and is not named may stand behind the last.
    object.set_len(parts.iter().map(|p| p.bytes).sum())?;
    Ok(into.clone())
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> S3Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| s3_error!(e, InternalError))?;
    done.map_err(|e| s3_error!(e, InternalError))
}

fn fresh() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
