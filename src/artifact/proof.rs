//! The content proof: how many rows, and the sum modulo 2¹²⁸ of the XXH3-128 of each row (design,
//! section 7).
//!
//! Does not know any database. A row is the concatenation of its values, each a tag, a length (u64,
//! little endian) and its bytes; NULL is a tag alone. A sum does not care for order or chunking,
//! and, unlike XOR, two equal rows do not cancel out. XXH3:
//! <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.

use std::fmt;
use std::ops::{AddAssign, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

/// The name of the algorithm, as the manifest records it.
pub const ALGORITHM: &str = "xxh3-128-sum";

/// Rows and digest of a table, a chunk, or any other set of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proof {
    /// Number of rows.
    pub rows: u64,
    /// Sum of the row digests.
    pub digest: RowSum,
}

/// A sum of row digests modulo 2¹²⁸; 32 hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowSum(pub u128);

impl AddAssign for Proof {
    fn add_assign(&mut self, other: Proof) {
        self.rows += other.rows;
        self.digest.0 = self.digest.0.wrapping_add(other.digest.0);
    }
}

/// The rows of one set that are not among those of another, which is a part of it.
impl Sub for Proof {
    type Output = Proof;

    fn sub(self, part: Proof) -> Proof {
        let digest = RowSum(self.digest.0.wrapping_sub(part.digest.0));
        Proof { rows: self.rows.wrapping_sub(part.rows), digest }
    }
}

impl fmt::Display for RowSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for RowSum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RowSum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RowSum, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let fits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| u128::from_str_radix(&text, 16).ok())
            .flatten()
            .map(RowSum)
            .ok_or_else(|| serde::de::Error::custom("a digest is 32 hexadecimal digits"))
    }
}

/// What a value is; part of its digest, so that NULL, '' and 0 differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// No value.
    Null = 0,
    /// A number, by its literal.
    Number = 1,
    /// Text, by its bytes in the character set of its column.
    Text = 2,
    /// Bytes.
    Bytes = 3,
}

/// Digests rows, one value after the other.
#[derive(Debug, Default)]
pub struct RowDigest {
    row: Vec<u8>,
    proof: Proof,
}

impl RowDigest {
    /// Starts with no row.
    pub fn new() -> RowDigest {
        RowDigest::default()
    }

    /// Adds a value to the current row; NULL has no bytes.
    pub fn value(&mut self, tag: Tag, bytes: &[u8]) {
        self.row.push(tag as u8);
        if tag != Tag::Null {
            self.row.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            self.row.extend_from_slice(bytes);
        }
    }

    /// Adds a row that is one line of `COPY`: it holds every value, and NULL, apart from each other
    /// as it is.
    pub fn line(&mut self, line: &[u8]) {
        self.proof += Proof { rows: 1, digest: RowSum(xxh3_128(line)) };
    }

    /// Ends the current row.
    pub fn end_row(&mut self) {
        let sum = RowSum(xxh3_128(&self.row));
        self.proof += Proof { rows: 1, digest: sum };
        self.row.clear();
    }

    /// Forgets the current row.
    pub fn forget_row(&mut self) {
        self.row.clear();
    }

    /// The rows ended since the last call.
    pub fn take(&mut self) -> Proof {
        std::mem::take(&mut self.proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(rows: &[&[(Tag, &str)]]) -> Proof {
        let mut digest = RowDigest::new();
        for row in rows {
            for (tag, bytes) in *row {
                digest.value(*tag, bytes.as_bytes());
            }
            digest.end_row();
        }
        digest.take()
    }

    #[test]
    fn order_does_not_matter_and_every_value_does() {
        let (a, b): (&[_], &[_]) =
            (&[(Tag::Number, "1"), (Tag::Text, "x")], &[(Tag::Number, "2"), (Tag::Null, "")]);
        assert_eq!(proof(&[a, b]), proof(&[b, a]));
        assert_ne!(proof(&[a, a]), proof(&[a]), "equal rows do not cancel out");
        assert_eq!(proof(&[a, b, a]) - proof(&[a]), proof(&[b, a]), "what is left is the rest");
        assert_ne!(proof(&[&[(Tag::Null, "")]]), proof(&[&[(Tag::Text, "")]]), "NULL is not ''");
        assert_ne!(proof(&[&[(Tag::Number, "0")]]), proof(&[&[(Tag::Number, "-0")]]));
        assert_ne!(
            proof(&[&[(Tag::Text, "ab"), (Tag::Text, "c")]]),
            proof(&[&[(Tag::Text, "a"), (Tag::Text, "bc")]]),
            "lengths are part of the row"
        );
    }

    #[test]
    fn a_sum_reads_back() {
        let sum = RowSum(u128::MAX - 5);
        let text = serde_json::to_string(&sum).expect("serialises");
        assert_eq!(serde_json::from_str::<RowSum>(&text).expect("reads back"), sum);
        assert!(serde_json::from_str::<RowSum>("\"12\"").is_err());
    }
}
