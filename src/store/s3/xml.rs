//! What S3 says, in XML, and the one thing we say.
//!
//! Does not know the wire. Keys in listings are asked for in URL encoding, because XML cannot hold
//! every character.

use serde::Deserialize;

use crate::store::wire::xml::{Document, ErrorBody};

/// The answer about versions of objects.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Versioning {
    /// `Enabled`, `Suspended`, or nothing.
    pub status: String,
}

/// The answer about locks on objects.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ObjectLock {
    object_lock_enabled: String,
    rule: Option<LockRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LockRule {
    default_retention: Retention,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Retention {
    mode: String,
    days: Option<u32>,
    years: Option<u32>,
}

impl ObjectLock {
    /// The lock in words; `None` if there is none.
    pub fn shown(&self) -> Option<String> {
        if self.object_lock_enabled != "Enabled" {
            return None;
        }
        let Some(LockRule { default_retention: rule }) = &self.rule else {
            return Some("without a rule: objects are locked only one by one".into());
        };
        let time =
            rule.days.map(|d| format!("{d} days")).or(rule.years.map(|y| format!("{y} years")));
        Some(format!(
            "{} for {}: retention can't remove anything younger",
            rule.mode,
            time.unwrap_or_default()
        ))
    }
}

/// The answer to CompleteMultipartUpload: either may come with status 200.
#[derive(Debug, Deserialize)]
pub enum Completed {
    /// It was put together.
    CompleteMultipartUploadResult {
        /// Without it nothing was put together.
        #[serde(rename = "ETag")]
        etag: Option<String>,
    },
    /// It was not.
    Error(ErrorBody),
}

/// The answer to CreateMultipartUpload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Initiated {
    /// The upload's name.
    pub upload_id: String,
}

/// A page of ListObjectsV2.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ObjectPage {
    /// Whether another page follows.
    pub is_truncated: bool,
    /// How to ask for it.
    pub next_continuation_token: Option<String>,
    /// `url` if keys are encoded.
    pub encoding_type: Option<String>,
    /// The objects.
    pub contents: Vec<Entry>,
}

/// An object of a page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry {
    /// Its key, as the page encodes it.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub last_modified: Option<String>,
}

/// A page of ListMultipartUploads.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UploadPage {
    /// Whether another page follows.
    pub is_truncated: bool,
    /// Half of how to ask for it.
    pub next_key_marker: Option<String>,
    /// The other half.
    pub next_upload_id_marker: Option<String>,
    /// `url` if keys are encoded.
    pub encoding_type: Option<String>,
    /// The uploads.
    pub upload: Vec<Pending>,
}

/// An upload of a page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Pending {
    /// Its key, as the page encodes it.
    pub key: String,
    /// Its name.
    pub upload_id: String,
}

/// A part as CompleteMultipartUpload names it.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its number.
    pub number: u32,
    /// The tag its upload was answered with, quotes included.
    pub etag: String,
    /// Its CRC32C, where the service takes one.
    pub checksum: Option<String>,
}

impl Document for Versioning {
    const ROOTS: &[&str] = &["VersioningConfiguration"];
}

impl Document for ObjectLock {
    const ROOTS: &[&str] = &["ObjectLockConfiguration"];
}

impl Document for Completed {
    const ROOTS: &[&str] = &["CompleteMultipartUploadResult", "Error"];
}

impl Document for Initiated {
    const ROOTS: &[&str] = &["InitiateMultipartUploadResult"];
}

impl Document for ObjectPage {
    const ROOTS: &[&str] = &["ListBucketResult"];
}

impl Document for UploadPage {
    const ROOTS: &[&str] = &["ListMultipartUploadsResult"];
}

/// The body of CompleteMultipartUpload.
pub fn complete(parts: &[Part]) -> String {
    let mut text = String::from(
        r#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#,
    );
    for Part { number, etag, checksum } in parts {
        let etag = quick_xml::escape::escape(etag.as_str());
        text.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"));
        if let Some(checksum) = checksum {
            text.push_str(&format!("<ChecksumCRC32C>{checksum}</ChecksumCRC32C>"));
        }
        text.push_str("</Part>");
    }
    text + "</CompleteMultipartUpload>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::wire::xml::parse;

    #[test]
    fn an_error_in_a_completed_answer_is_seen_and_so_is_a_missing_etag() {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n  ";
        let read = |text: &str| parse::<Completed>(format!("{head}{text}").as_bytes());
        let good = r#"<CompleteMultipartUploadResult xmlns="x"><ETag>"a-1"</ETag></CompleteMultipartUploadResult>"#;
        assert!(
            matches!(read(good), Ok(Completed::CompleteMultipartUploadResult { etag: Some(e) }) if e == "\"a-1\"")
        );
        let bare = "<CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>";
        assert!(matches!(read(bare), Ok(Completed::CompleteMultipartUploadResult { etag: None })));
        let bad =
            "<Error><Code>InternalError</Code><Message>again</Message><HostId>x</HostId></Error>";
        assert!(matches!(read(bad), Ok(Completed::Error(e)) if e.code == "InternalError"));
        assert!(read("<html><body>hello</body></html>").is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn a_page_without_objects_is_empty() {
        let page: ObjectPage =
            parse(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
                .expect("a page");
        assert!(page.contents.is_empty() && !page.is_truncated);
        for other in ["<html><body/></html>", "<ListAllMyBucketsResult/>", "", "nothing", "<"] {
            assert!(parse::<ObjectPage>(other.as_bytes()).is_err(), "{other} is no empty page");
        }
        let bare = b"<?xml version=\"1.0\"?><!-- x --><s:ListBucketResult xmlns:s=\"x\"/>";
        assert!(parse::<ObjectPage>(bare).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_its_reader_panic(
            at in 0_usize..200, cut in 0_usize..200, put in "[<>&;/=\"a-z%!\\[\\]]{0,12}",
        ) {
            let seed = "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a&amp;b</Key><Size>7</Size></Contents></ListBucketResult>";
            let at = at.min(seed.len());
            let end = (at + cut).min(seed.len());
            let bytes = [&seed.as_bytes()[..at], put.as_bytes(), &seed.as_bytes()[end..]].concat();
            drop(parse::<ObjectPage>(&bytes));
            drop(parse::<UploadPage>(&bytes));
            drop(parse::<Completed>(&bytes));
        }
    }
}
