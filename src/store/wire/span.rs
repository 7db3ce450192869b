//! Which bytes of an object an answer brings, by its status and headers.
//!
//! Does not read them. A head that contradicts itself, or does not answer the question, was made or
//! changed on the way.

use http::{HeaderMap, StatusCode};

use crate::store::wire::call::header;
use crate::store::wire::refusal::Refusal;

/// Bytes `start..end` of an object of `total` bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub start: u64,
    /// One past the last; `None` if only the end of the body tells.
    pub end: Option<u64>,
    /// How long the answer says that the object is.
    pub total: Option<u64>,
    /// Whether it is all of the object.
    pub is_whole: bool,
}

impl Span {
    /// What an answer brings; `ranged` if a range was asked for.
    pub fn of(status: StatusCode, headers: &HeaderMap, ranged: bool) -> Result<Span, Refusal> {
        let length = header(headers, "content-length").and_then(|v| v.trim().parse().ok());
        match status {
            StatusCode::OK => Ok(Span { start: 0, end: length, total: length, is_whole: true }),
            StatusCode::PARTIAL_CONTENT if ranged => {
                let range = header(headers, "content-range").and_then(|v| content_range(&v));
                let unsaid = "something on the way sent a part of the object without saying which";
                let (start, end, total) = range.ok_or_else(|| Refusal::garbled(unsaid))?;
                if length.is_some_and(|length| length != end - start) {
                    return Err(Refusal::garbled(format!(
                        "something on the way sent {} bytes as bytes {start}-{}",
                        length.unwrap_or_default(),
                        end - 1
                    )));
                }
                Ok(Span { start, end: Some(end), total, is_whole: false })
            }
            other => Err(Refusal::garbled(format!(
                "something on the way answered with status {}",
                other.as_u16()
            ))),
        }
    }

    /// Checks that it brings something of `at..end`, from `at` on.
    pub fn covers(&self, at: u64, end: u64) -> Result<(), Refusal> {
        match self.end {
            None if self.start <= at => Ok(()),
            Some(last) if self.start <= at && (last > at || at == end) => Ok(()),
            other => Err(Refusal::garbled(format!(
                "something on the way sent bytes {}-{} instead of {at}-{}",
                self.start,
                other.unwrap_or(end).saturating_sub(1),
                end.saturating_sub(1)
            ))),
        }
    }
}

/// Start, end and total of `bytes 5-9/20`, whose total may be `*`.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u64>().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    let end = last.checked_add(1)?;
    let sound = unit.eq_ignore_ascii_case("bytes")
        && first < end
        && total.is_none_or(|total: u64| end <= total);
    sound.then_some((first, end, total))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn span(status: u16, headers: &[(&'static str, &str)], ranged: bool) -> Result<Span, String> {
        let headers = headers
            .iter()
            .map(|(n, v)| (n.parse().expect("a name"), HeaderValue::from_str(v).expect("a value")));
        let status = StatusCode::from_u16(status).expect("a status");
        Span::of(status, &headers.collect(), ranged).map_err(|refusal| refusal.found)
    }

    #[test]
    fn a_head_says_what_comes() {
        let whole = |length| Span { start: 0, end: length, total: length, is_whole: true };
        assert_eq!(span(200, &[("content-length", "9")], false), Ok(whole(Some(9))));
        assert_eq!(span(200, &[("content-length", "9")], true), Ok(whole(Some(9))));
        assert_eq!(span(200, &[], true), Ok(whole(None)));
        let part = |total| Span { start: 5, end: Some(10), total, is_whole: false };
        for (range, total) in
            [("bytes 5-9/20", Some(20)), ("bytes 5-9/*", None), ("Bytes 5-9/10", Some(10))]
        {
            let headers = [("content-range", range), ("content-length", "5")];
            assert_eq!(span(206, &headers, true), Ok(part(total)), "{range}");
            assert_eq!(span(206, &headers[..1], true), Ok(part(total)), "{range}");
        }
    }

    #[test]
    fn a_head_that_makes_no_sense_is_of_the_way() {
        let unsaid = "something on the way sent a part of the object without saying which";
        for range in ["", "bytes 5-9", "bytes */20", "bytes 9-5/20", "bytes 5-9/9", "lines 5-9/20"]
        {
            assert_eq!(span(206, &[("content-range", range)], true), Err(unsaid.into()), "{range}");
        }
        let other = "bytes 0-18446744073709551615/*";
        assert_eq!(span(206, &[("content-range", other)], true), Err(unsaid.into()));
        assert_eq!(span(206, &[], true), Err(unsaid.into()));
        let lied = [("content-range", "bytes 5-9/20"), ("content-length", "4")];
        let found = "something on the way sent 4 bytes as bytes 5-9";
        assert_eq!(span(206, &lied, true), Err(found.into()));
        for (status, ranged) in [(206, false), (203, true), (204, false)] {
            let found = format!("something on the way answered with status {status}");
            assert_eq!(span(status, &[], ranged), Err(found));
        }
    }

    #[test]
    fn what_is_before_the_wanted_bytes_is_no_harm_and_what_is_after_is() {
        let span = |start, end| Span { start, end, total: None, is_whole: false };
        for good in [span(5, Some(10)), span(0, Some(6)), span(0, None), span(5, Some(6))] {
            assert!(good.covers(5, 10).is_ok(), "{good:?}");
        }
        for bad in [span(6, Some(10)), span(0, Some(5)), span(10, Some(20)), span(6, None)] {
            let found = bad.covers(5, 10).expect_err("another range").found;
            assert!(found.ends_with(" instead of 5-9"), "{found}");
        }
        assert!(span(0, Some(0)).covers(0, 0).is_ok());
    }
}
