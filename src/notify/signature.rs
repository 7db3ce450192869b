//! The signature of what a webhook is sent: HMAC-SHA-256 (RFC 2104) of the body, in hexadecimal.

use hmac::Mac;
use s3::signing::HmacSha256;

use crate::artifact::hex;

/// The value of `X-Vex-Signature`.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut hmac =
        HmacSha256::new_from_slice(secret.as_bytes()).expect("BUG: HMAC takes a key of any length");
    hmac.update(body);
    format!("sha256={}", hex(&hmac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_rfc_4231() {
        let signed = signature("Jefe", b"what do ya want for nothing?");
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signed, expected);
    }
}
