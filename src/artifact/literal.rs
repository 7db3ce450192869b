//! How values and names are written in SQL entries.
//!
//! Knows two dialects of literals, no server. Invariant: what is written here is read back by `sql.rs` to the same tag
//! and bytes, and by the client program of its dialect to the same value.

/// Whose literals an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MySQL and MariaDB: backslash escapes, `_charset x'…'`.
    Mysql,
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

/// Writes text as a literal of the dialect. Text that a plain literal can't hold must be given to [`write_bytes`].
pub fn write_text(dialect: Dialect, text: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    let special = match dialect {
        Dialect::Mysql => &MYSQL_SPECIAL,
        Dialect::Sqlite => &SQLITE_SPECIAL,
    };
    let mut from = 0;
    for (at, byte) in text.iter().enumerate() {
        let escape = special[usize::from(*byte)];
        if escape != 0 {
            out.extend_from_slice(&text[from..at]);
            out.push(if escape == b'\'' && dialect == Dialect::Sqlite { b'\'' } else { b'\\' });
            out.push(escape);
            from = at + 1;
        }
    }
    out.extend_from_slice(&text[from..]);
    out.push(b'\'');
}

/// Writes bytes as `x'…'`.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len() * 2 + 3);
    out.extend_from_slice(b"x'");
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    out.push(b'\'');
}

/// Writes a name between the quotes of the dialect.
pub fn write_name(dialect: Dialect, name: &str, out: &mut Vec<u8>) {
    let quote = match dialect {
        Dialect::Mysql => b'`',
        Dialect::Sqlite => b'"',
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
