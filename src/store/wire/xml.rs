//! What services say in XML.
//!
//! Does not know which documents there are. A document is known by its root: any text in angle
//! brackets would pass for one whose fields may all be absent.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A document, by the names its root may have: the fields of most may all be absent, so that any
/// text in angle brackets would pass for an empty one.
pub trait Document: DeserializeOwned {
    /// The names.
    const ROOTS: &[&str];
}

/// An `<Error>`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ErrorBody {
    /// Such as `SlowDown`.
    pub code: String,
    /// For people.
    pub message: String,
    /// Where the bucket is, in answers to the wrong region.
    pub region: Option<String>,
}

impl Document for ErrorBody {
    const ROOTS: &[&str] = &["Error"];
}

/// Reads an answer; an error says what could not be read.
pub fn parse<T: Document>(body: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|e| e.to_string())?;
    let root = root(text)?;
    if !T::ROOTS.contains(&root.as_str()) {
        return Err(format!("it is <{}>", root.escape_debug()));
    }
    quick_xml::de::from_str(text).map_err(|e| e.to_string())
}

/// The name of the outermost element.
fn root(text: &str) -> Result<String, String> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(element) | Event::Empty(element) => {
                let name = element.local_name();
                return Ok(String::from_utf8_lossy(name.as_ref()).chars().take(40).collect());
            }
            Event::Eof => return Err("it holds nothing".into()),
            _ => {}
        }
    }
}

/// A moment as services write it: RFC 3339, or as in a header of HTTP; one without a zone is none.
pub fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
}

/// A key as a page has it.
pub fn decode(text: &str, encoding: Option<&str>) -> String {
    if encoding != Some("url") {
        return text.to_owned();
    }
    // Form encoding: a space may be a plus, a plus never is one.
    let pair = format!("={}", text.replace('&', "%26").replace('=', "%3D"));
    let found =
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_only_where_the_page_says_so() {
        assert_eq!(decode("a+b%2Bc%C3%BC=&d", Some("url")), "a b+cü=&d");
        assert_eq!(decode("a+b%2B", None), "a+b%2B");
        assert_eq!(decode("", Some("url")), "");
    }

    #[test]
    fn moments_are_read_as_services_write_them() {
        let expected: Timestamp = "2026-03-04T05:06:07Z".parse().expect("a moment");
        for text in [
            "2026-03-04T05:06:07.000Z",
            "2026-03-04T05:06:07Z",
            "2026-03-04T05:06:07.000000Z",
            "2026-03-04T02:06:07-03:00",
            "Wed, 04 Mar 2026 05:06:07 GMT",
            "\n 2026-03-04T05:06:07.000Z ",
        ] {
            assert_eq!(moment(text), Some(expected), "{text}");
        }
        for text in ["", "2026-03-04T05:06:07", "2026-03-04", "1772600767", "yesterday"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
