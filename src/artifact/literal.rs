//! How values and names are written in SQL entries.
//!
//! Knows two dialects of literals, no server. Invariant: what is written here is read back by
//! `sql.rs` to the same tag and bytes, and by the client program of its dialect to the same value.

/// Whose literals an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MySQL and MariaDB: backslash escapes, `_charset x'…'`.
    Mysql,
    /// PostgreSQL: rows as `COPY` writes them (`copy.rs`); literals elsewhere have doubled quotes
    /// only.
    Postgres,
    /// SQLite: doubled quotes only, `CAST(x'…' AS TEXT)`.
    Sqlite,
}

/// What an entry must not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct SqlError {
    /// Offset in the entry.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Writes text as a literal of the dialect. Text that a plain literal can't hold must be given to
/// [`write_bytes`].
pub fn write_text(dialect: Dialect, text: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    let special = match dialect {
        Dialect::Mysql => &MYSQL_SPECIAL,
        Dialect::Postgres | Dialect::Sqlite => &SQLITE_SPECIAL,
    };
    let (mut from, mut at) = (0, 0);
    loop {
        let found = match text[at..].first_chunk() {
            Some(word) => match suspects(u64::from_le_bytes(*word)) {
                0 => {
                    at += 8;
                    continue;
                }
                marks => at + marks.trailing_zeros() as usize / 8,
            },
            None if at < text.len() => at,
            None => break,
        };
        let escape = special[usize::from(text[found])];
        if escape != 0 {
            out.extend_from_slice(&text[from..found]);
            out.push(if escape == b'\'' && dialect != Dialect::Mysql { b'\'' } else { b'\\' });
            out.push(escape);
            from = found + 1;
        }
        at = found + 1;
    }
    out.extend_from_slice(&text[from..]);
    out.push(b'\'');
}

/// Marks the high bit of the bytes of a word that a dialect may have to escape: a quote, a
/// backslash, anything below a space. Most words of text have none. The lowest mark is exact, those
/// above it may be false. Method: "Bit Twiddling Hacks" of S. E. Anderson, *determine if a word has
/// a byte less than n*.
fn suspects(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let below = |word: u64, n: u8| word.wrapping_sub(EACH * u64::from(n)) & !word;
    let equals = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (below(word, b' ') | equals(b'\'') | equals(b'\\')) & (EACH * 0x80)
}

/// Writes bytes as `x'…'`.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"x'");
    let from = out.len();
    out.resize(from + bytes.len() * 2, 0);
    // A digit by arithmetic, not by a table: so the loop becomes vectors.
    let digit = |half: u8| half + if half < 10 { b'0' } else { b'A' - 10 };
    for (pair, byte) in out[from..].chunks_exact_mut(2).zip(bytes) {
        (pair[0], pair[1]) = (digit(byte >> 4), digit(byte & 15));
    }
    out.push(b'\'');
}

/// Writes a name between the quotes of the dialect.
pub fn write_name(dialect: Dialect, name: &str, out: &mut Vec<u8>) {
    let quote = match dialect {
        Dialect::Mysql => b'`',
        Dialect::Postgres | Dialect::Sqlite => b'"',
    };
    out.push(quote);
    for byte in name.bytes() {
        if byte == quote {
            out.push(quote);
        }
        out.push(byte);
    }
    out.push(quote);
}

/// The letter after the backslash, or 0 for a byte that stands for itself.
const MYSQL_SPECIAL: [u8; 256] = {
    let mut table = [0; 256];
    table[0] = b'0';
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[0x1a] = b'Z';
    table[b'\'' as usize] = b'\'';
    table[b'\\' as usize] = b'\\';
    table
};

const SQLITE_SPECIAL: [u8; 256] = {
    let mut table = [0; 256];
    table[b'\'' as usize] = b'\'';
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_special_byte_is_escaped_and_no_other(text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\''), Just(b'\\'), 0_u8..40], 0..80)) {
            for (dialect, special) in [(Dialect::Mysql, &MYSQL_SPECIAL), (Dialect::Sqlite, &SQLITE_SPECIAL)] {
                let mut out = Vec::new();
                write_text(dialect, &text, &mut out);
                let mut expected = vec![b'\''];
                for byte in &text {
                    match (special[usize::from(*byte)], dialect) {
                        (0, _) => expected.push(*byte),
                        (letter, Dialect::Mysql) => expected.extend_from_slice(&[b'\\', letter]),
                        (letter, Dialect::Sqlite | Dialect::Postgres) => expected.extend_from_slice(&[letter, letter]),
                    }
                }
                expected.push(b'\'');
                prop_assert_eq!(out, expected);
            }
        }
    }
}
