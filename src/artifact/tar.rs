//! Reads the tar files of `pg_basebackup` as they come: a header, its bytes, the next header.
//!
//! POSIX ustar: <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html>, with the
//! sizes past 8 GiB in base 256 that PostgreSQL writes. Pure: does not know what becomes of the
//! files. Invariants: a name that leads out of the folder it is unpacked into is refused; a link is
//! told as such and never followed; a file without its end is an error.

use std::path::{Component, Path, PathBuf};

/// Bytes of a block.
const BLOCK: usize = 512;

/// What a tar entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; what it leads to is not told.
    Link,
}

/// One entry of a tar file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Its path, below the folder it is unpacked into.
    pub path: PathBuf,
    /// What it is.
    pub kind: TarKind,
    /// Its permission bits.
    pub mode: u32,
    /// Its length.
    pub bytes: u64,
}

/// Why bytes are no tar file that may be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// A block that should be a header is none.
    #[error("there is no header where one must be, {0} bytes into the tar file")]
    Header(u64),
    /// A path that leads elsewhere.
    #[error("the tar file holds {0:?}, which leads out of its folder")]
    Path(String),
    /// A device, a hard link or anything else that no cluster has.
    #[error("the tar file holds {0:?}, which is neither a file nor a folder")]
    Kind(String),
    /// It ends before its end.
    #[error("the tar file ends after {0} bytes, before its end")]
    Short(u64),
}

/// Takes what a tar file holds.
pub trait TakeTar {
    /// Why it can't go on.
    type Error: From<TarError>;

    /// A file, folder or link begins.
    fn begin(&mut self, entry: &TarEntry) -> Result<(), Self::Error>;

    /// More bytes of the file that began last.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// What began last is whole.
    fn end(&mut self) -> Result<(), Self::Error>;
}

/// Reads one tar file.
#[derive(Debug, Default)]
pub struct TarReader {
    /// A header that is not whole yet.
    block: Vec<u8>,
    /// Bytes of the file that are still to come.
    left: u64,
    /// Bytes that fill its last block.
    padding: u64,
    /// Whether a file is open.
    open: bool,
    /// Bytes read.
    at: u64,
    /// Whether the end was seen.
    ended: bool,
}

impl TarReader {
    /// A reader at the beginning.
    pub fn new() -> TarReader {
        TarReader::default()
    }

    /// Reads more of it.
    pub fn push<T: TakeTar>(&mut self, mut bytes: &[u8], take: &mut T) -> Result<(), T::Error> {
        while !bytes.is_empty() {
            // The bytes of a file, what fills its last block, and then the next header.
            let used = if self.open && self.left > 0 {
                let used = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                take.bytes(&bytes[..used])?;
                self.left -= used as u64;
                used
            } else if self.padding > 0 {
                let used = bytes.len().min(self.padding as usize);
                self.padding -= used as u64;
                used
            } else {
                let used = bytes.len().min(BLOCK - self.block.len());
                self.block.extend_from_slice(&bytes[..used]);
                used
            };
            self.at += used as u64;
            bytes = &bytes[used..];
            if self.open && self.left == 0 {
                self.open = false;
                take.end()?;
            }
            if self.block.len() == BLOCK {
                let block = std::mem::take(&mut self.block);
                self.header(&block, take)?;
            }
        }
        Ok(())
    }

    /// Whether the end was seen; nothing may be missing.
    pub fn finish(&self) -> Result<(), TarError> {
        if self.ended && !self.open && self.block.is_empty() {
            Ok(())
        } else {
            Err(TarError::Short(self.at))
        }
    }

    fn header<T: TakeTar>(&mut self, block: &[u8], take: &mut T) -> Result<(), T::Error> {
        if block.iter().all(|b| *b == 0) {
            self.ended = true;
            return Ok(());
        }
        let broken = TarError::Header(self.at - BLOCK as u64);
        let sum: u64 = (0..BLOCK)
            .map(|i| if (148..156).contains(&i) { 32 } else { u64::from(block[i]) })
            .sum();
        if self.ended || number(&block[148..156]) != Some(sum) {
            return Err(broken.into());
        }
        let (Some(bytes), Some(mode)) = (number(&block[124..136]), number(&block[100..108])) else {
            return Err(broken.into());
        };
        let ustar = block[257..262] == *b"ustar";
        let name = [if ustar { text(&block[345..500]) } else { "".into() }, text(&block[..100])];
        let name =
            name.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/");
        let kind = match block[156] {
            b'0' | 0 => TarKind::File,
            b'5' => TarKind::Folder,
            b'2' => TarKind::Link,
            _ => return Err(TarError::Kind(name).into()),
        };
        let bytes = if kind == TarKind::File { bytes } else { 0 };
        let path = inside(&name).ok_or(TarError::Path(name))?;
        take.begin(&TarEntry {
            path,
            kind,
            mode: u32::try_from(mode & 0o7777).unwrap_or(0),
            bytes,
        })?;
        self.left = bytes;
        self.padding = bytes.next_multiple_of(BLOCK as u64) - bytes;
        self.open = bytes > 0;
        if !self.open {
            take.end()?;
        }
        Ok(())
    }
}

/// A path that stays in its folder.
fn inside(name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let plain = !name.contains('\0') && !name.is_empty();
    plain.then_some(path)
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// Octal digits, or, with the highest bit set, base 256.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (lead, rest) = (field[0] & 0x7f, &field[1..]);
        let high = rest.len().saturating_sub(8);
        let fits = lead == 0 && rest[..high].iter().all(|b| *b == 0);
        return fits.then(|| rest[high..].iter().fold(0, |sum, b| sum << 8 | u64::from(*b)));
    }
    let digits = text(field);
    u64::from_str_radix(digits.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header as PostgreSQL writes it.
    fn header(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
        let mut block = vec![0_u8; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000600");
        block[124..124 + bytes.len()].copy_from_slice(bytes);
        block[156] = kind;
        block[257..263].copy_from_slice(b"ustar\0");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    fn file(name: &str, content: &[u8]) -> Vec<u8> {
        let mut all = header(name, b'0', format!("{:011o} ", content.len()).as_bytes());
        all.extend_from_slice(content);
        all.resize(all.len().next_multiple_of(BLOCK), 0);
        all
    }

    #[derive(Default)]
    struct Heard(Vec<String>);

    impl TakeTar for Heard {
        type Error = TarError;
        fn begin(&mut self, entry: &TarEntry) -> Result<(), TarError> {
            self.0.push(format!("{:?} {} {}:", entry.kind, entry.path.display(), entry.bytes));
            Ok(())
        }
        fn bytes(&mut self, bytes: &[u8]) -> Result<(), TarError> {
            let last = self.0.last_mut().expect("a file is open");
            last.push_str(&String::from_utf8_lossy(bytes));
            Ok(())
        }
        fn end(&mut self) -> Result<(), TarError> {
            self.0.last_mut().expect("a file is open").push('.');
            Ok(())
        }
    }

    fn read(all: &[u8], step: usize) -> Result<Vec<String>, TarError> {
        let (mut reader, mut heard) = (TarReader::new(), Heard::default());
        for part in all.chunks(step) {
            reader.push(part, &mut heard)?;
        }
        reader.finish().map(|()| heard.0)
    }

    #[test]
    fn files_come_whole_however_the_bytes_are_cut() {
        let mut all = file("backup_label", b"START");
        all.extend(header("base/1/", b'5', b"00000000000 "));
        all.extend(file("base/1/empty", b""));
        all.extend(file("base/1/block", &[b'x'; BLOCK]));
        all.extend(vec![0; 2 * BLOCK]);
        let block = format!("File base/1/block 512:{}.", "x".repeat(BLOCK));
        let expected =
            ["File backup_label 5:START.", "Folder base/1 0:.", "File base/1/empty 0:.", &block];
        for step in [1, 7, 511, 512, 513, 100_000] {
            assert_eq!(read(&all, step).expect("a tar file"), expected, "{step}");
        }
        for short in [0, 100, BLOCK + 3, all.len() - 2 * BLOCK] {
            assert!(matches!(read(&all[..short], 512), Err(TarError::Short(_))), "{short}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_folder_and_damage_is_told() {
        for name in ["../etc/passwd", "/etc/passwd", "base/../../x"] {
            assert_eq!(read(&file(name, b"x"), 512), Err(TarError::Path(name.to_owned())));
        }
        assert_eq!(
            read(&header("dev", b'3', b"00000000000 "), 512),
            Err(TarError::Kind("dev".into()))
        );
        let mut link = header("pg_tblspc/16384", b'2', b"00000000000 ");
        link.extend([0; BLOCK]);
        assert_eq!(read(&link, 512).expect("a tar file"), ["Link pg_tblspc/16384 0:."]);
        let mut damaged = file("a", b"x");
        damaged[3] ^= 1;
        assert_eq!(read(&damaged, 512), Err(TarError::Header(0)));
    }

    #[test]
    fn sizes_past_eight_gibibytes_are_read() {
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x03\0\0\0\0"), Some(3 << 32));
        assert_eq!(number(b"\x80\x01\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(number(b"00000000017 "), Some(15));
        assert_eq!(number(b"nonsense    "), None);
    }
}
