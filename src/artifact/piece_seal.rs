//! A piece as it is sealed: `<piece>.zip`, one stored entry in WinZip AES-256, or `<piece>.age`, so
//! that `7z` and `age` open it without vex.
//!
//! Pure, and a stream: knows no store, and no more is in memory than passes by. Invariants: what is
//! opened has exactly the size and SHA-256 that were stated; a key that does not fit is told from
//! damage.

use std::fmt;
use std::io::{self, Read, Seek, Write};

use age::stream::StreamWriter as AgeWriter;
use sha2::{Digest, Sha256};
use zip::result::ZipError;
use zip::write::StreamWriter;
use zip::{ZipArchive, ZipWriter};

use crate::artifact::damage::Damage;
use crate::artifact::index::hex;
use crate::artifact::open::opening;
use crate::artifact::piece::{ENDINGS, PlainPiece};
use crate::artifact::press::stored_sealed;
use crate::artifact::seal::{Key, Sealing};

/// The word of a head's `needs` whose pieces are sealed.
pub const SEALED_PIECES: &str = "sealed-pieces";

/// What is added to the name of a piece.
pub fn piece_ending(seal: Option<&Sealing>) -> &'static str {
    match seal {
        None => "",
        Some(Sealing::Password(_)) => ENDINGS[0],
        Some(Sealing::Age(_)) => ENDINGS[1],
    }
}

/// Seals one piece while it is written.
pub enum PieceSeal<W: Write> {
    /// As it is.
    Plain(W),
    /// With a password.
    Zip(Box<ZipWriter<StreamWriter<W>>>),
    /// For recipients of age.
    Age(AgeWriter<W>),
}

impl<W: Write> PieceSeal<W> {
    /// Begins the piece `name`.
    pub fn begin(out: W, name: &str, seal: Option<&Sealing>) -> io::Result<PieceSeal<W>> {
        match seal {
            None => Ok(PieceSeal::Plain(out)),
            Some(Sealing::Password(password)) => {
                let mut writer = ZipWriter::new_stream(out);
                writer.start_file(name, stored_sealed(password))?;
                Ok(PieceSeal::Zip(Box::new(writer)))
            }
            Some(Sealing::Age(recipients)) => Ok(PieceSeal::Age(recipients.stream(out)?)),
        }
    }

    /// Ends the piece: what was written to.
    pub fn finish(self) -> io::Result<W> {
        match self {
            PieceSeal::Plain(out) => Ok(out),
            PieceSeal::Zip(writer) => Ok(writer.finish()?.into_inner()),
            PieceSeal::Age(writer) => writer.finish(),
        }
    }
}

impl<W: Write> Write for PieceSeal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            PieceSeal::Plain(out) => out.write(bytes),
            PieceSeal::Zip(writer) => writer.write(bytes),
            PieceSeal::Age(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a sealed piece into `out`. The outer error is one of writing it.
pub fn open_piece<R: Read + Seek>(
    sealed: R,
    (name, plain): (&str, &PlainPiece),
    key: &Key,
    out: &mut dyn Write,
) -> io::Result<Result<(), Damage>> {
    match key {
        Key::Password(password) => {
            let mut archive = match ZipArchive::new(sealed) {
                Ok(archive) => archive,
                Err(error) => return Ok(Err(damaged(name, &error))),
            };
            if archive.len() != 1
                || !matches!(archive.name_for_index(0), Some(Ok(own)) if own == name)
            {
                return Ok(Err(damaged(name, &"it is no archive of this piece")));
            }
            match archive.by_index_with_options(0, opening(Some(password))) {
                Ok(mut entry) => pass(&mut entry, (name, plain), out),
                Err(ZipError::InvalidPassword) => Ok(Err(Damage::sealed(name, true))),
                Err(other) => Ok(Err(damaged(name, &other))),
            }
        }
        Key::Age(identities) => match identities.stream(sealed, name) {
            Ok(mut reader) => pass(&mut reader, (name, plain), out),
            Err(damage) => Ok(Err(damage)),
        },
    }
}

fn damaged(name: &str, found: &dyn fmt::Display) -> Damage {
    Damage::entry(name, found.to_string())
}

/// Copies exactly what was stated.
fn pass(
    from: &mut dyn Read,
    (name, plain): (&str, &PlainPiece),
    out: &mut dyn Write,
) -> io::Result<Result<(), Damage>> {
    let (mut digest, mut bytes, mut room) = (Sha256::new(), 0_u64, vec![0; 1 << 20]);
    loop {
        let read = match from.read(&mut room) {
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(damaged(name, &error))),
        };
        bytes += read as u64;
        if bytes > plain.bytes || (read == 0 && bytes < plain.bytes) {
            let found = format!("{bytes} bytes instead of {}", plain.bytes);
            return Ok(Err(damaged(name, &found)));
        }
        if read == 0 {
            break;
        }
        digest.update(&room[..read]);
        out.write_all(&room[..read])?;
    }
    if hex(&digest.finalize()) == plain.sha256 {
        return Ok(Ok(()));
    }
    Ok(Err(damaged(name, &"it has another SHA-256 than its head says")))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::artifact::age::tests::pair;
    use crate::base::Secret;

    fn plain(bytes: &[u8]) -> PlainPiece {
        PlainPiece { bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
    }

    fn sealed(bytes: &[u8], seal: &Sealing) -> Vec<u8> {
        let mut writer = PieceSeal::begin(Vec::new(), "vex_fin_1_1", Some(seal)).expect("begun");
        // In uneven stretches, as a stream brings them.
        bytes.chunks(7001).for_each(|part| writer.write_all(part).expect("written"));
        writer.finish().expect("finished")
    }

    fn opened(sealed: &[u8], plain: &PlainPiece, key: &Key) -> Result<Vec<u8>, Damage> {
        let mut out = Vec::new();
        open_piece(Cursor::new(sealed), ("vex_fin_1_1", plain), key, &mut out)
            .expect("memory takes all")
            .map(|()| out)
    }

    fn seals() -> [(Sealing, Key, Key); 2] {
        let (recipients, identities) = pair();
        let password = |text: &str| Key::Password(Secret::new(text.to_owned()));
        let (right, wrong) = (password("CANARY-one"), password("CANARY-two"));
        [
            (Sealing::Password(Secret::new("CANARY-one".to_owned())), right, wrong),
            (Sealing::Age(recipients), Key::Age(identities), Key::Age(pair().1)),
        ]
    }

    #[test]
    fn a_sealed_piece_comes_back_whole_and_another_key_is_told_from_damage() {
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(|n| (n % 251).to_le_bytes()).collect();
        for (seal, key, other) in seals() {
            for bytes in [&bytes[..], &bytes[..5], &[]] {
                let (plain, sealed) = (plain(bytes), sealed(bytes, &seal));
                assert_eq!(opened(&sealed, &plain, &key), Ok(bytes.to_vec()));
                let found = opened(&sealed, &plain, &other);
                assert!(matches!(found, Err(Damage::Sealed { given: true, .. })), "{found:?}");
            }
        }
    }

    #[test]
    fn no_bit_of_a_sealed_piece_can_fall_over_unseen() {
        let bytes: Vec<u8> = (0..900_u32).map(|n| (n * n % 249) as u8).collect();
        for (seal, key, _) in seals() {
            let (plain, whole) = (plain(&bytes), sealed(&bytes, &seal));
            for at in (0..whole.len()).step_by(23) {
                let mut broken = whole.clone();
                broken[at] ^= 1 << (at % 8);
                // What is not part of the content, such as a date, may differ: never what comes out.
                if let Ok(out) = opened(&broken, &plain, &key) {
                    assert_eq!(out, bytes, "byte {at}");
                }
            }
            for end in [0, 1, whole.len() / 2, whole.len() - 1] {
                assert!(opened(&whole[..end], &plain, &key).is_err(), "{end} bytes");
            }
        }
    }
}
