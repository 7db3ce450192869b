//! The few words in which services that speak S3's protocol differ when they write.
//!
//! Does not send.

use http::HeaderMap;

use crate::store::contract::{Ability, Limits};
use crate::store::wire::call::header;
use crate::store::wire::read::crc32c;

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// Amazon's, and of all who copied them.
    Amazon,
    /// Google's, whose uploads of parts know no conditions: a key is claimed before.
    Google {
        /// Whether it is; not where the bucket has a retention policy, under which nothing is
        /// written over.
        claims: bool,
    },
}

/// Parts that one upload may have.
const PARTS: u32 = 10_000;

/// Least bytes of a part that is not the last, and most of any.
const PART: (u64, u64) = (5 << 20, 5 << 30);

/// Bytes that an object may have with every service that speaks the protocol.
const OBJECT: u64 = 5 << 40;

impl Flavor {
    /// What the service keeps, and how much it takes, as long as it says nothing else.
    pub fn limits(self, lanes: usize) -> Limits {
        let base = Limits {
            parts: PARTS,
            least: PART.0,
            most: PART.1,
            object: OBJECT,
            ..Limits::none(lanes)
        };
        match self {
            Flavor::Amazon => Limits { locks: Ability::Unknown, ..base },
            Flavor::Google { claims } => Limits { conditional: Ability::of(claims), ..base },
        }
    }

    /// The header that says the CRC32C of a body.
    pub fn checksum(self, bytes: &[u8]) -> (&'static str, String) {
        match self {
            Flavor::Amazon => ("x-amz-checksum-crc32c", crc32c(bytes)),
            Flavor::Google { .. } => ("x-goog-hash", format!("crc32c={}", crc32c(bytes))),
        }
    }

    /// The header that says which checksum parts will have.
    pub fn announced(self) -> Option<(&'static str, String)> {
        match self {
            Flavor::Amazon => Some(("x-amz-checksum-algorithm", "CRC32C".into())),
            Flavor::Google { .. } => None,
        }
    }

    /// The CRC32C that an answer says what was sent has.
    pub fn told(self, headers: &HeaderMap) -> Option<String> {
        match self {
            Flavor::Amazon => header(headers, "x-amz-checksum-crc32c"),
            Flavor::Google { .. } => google_crc32c(headers),
        }
    }

    /// Whether parts are put together with their checksums named.
    pub fn names_checksums(self) -> bool {
        self == Flavor::Amazon
    }

    /// Whether putting an object together knows conditions.
    pub fn guards_parts(self) -> bool {
        self == Flavor::Amazon
    }
}

/// The CRC32C among Google's hashes: `crc32c=…,md5=…`, in one header or several.
pub fn google_crc32c(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
    let mut each = all.flat_map(|text| text.split(',').map(str::trim));
    each.find_map(|hash| hash.strip_prefix("crc32c=").map(str::to_owned))
}
