//! The checksum of a body, as Azure wants it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};

/// The header that says the MD5 of a body; what does not fit is refused.
pub fn checksum(bytes: &[u8]) -> (&'static str, String) {
    ("content-md5", BASE64_STANDARD.encode(Md5::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_md5_in_base64() {
        assert_eq!(checksum(b""), ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==".into()));
    }
}
