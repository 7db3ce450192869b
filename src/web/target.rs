//! What a request asks for: its path and its pairs, percent-decoded once.
//!
//! Does not know the routes. Whatever could be read in two ways is refused, not mended: a path
//! that is not UTF-8, that holds a control character, a backslash or an encoded slash, an empty or
//! a dot segment, and a percent sign without two digits.

/// What stands between the segments of a path.
const SLASH: char = '/';

/// Why a target or a form can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It does not begin with a slash.
    #[error("the target is not a path")]
    NotAPath,
    /// A percent sign without two hexadecimal digits after it.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Percent,
    /// The decoded bytes are not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// NUL or another control character, where none may stand.
    #[error("the text holds a control character")]
    Control,
    /// An empty segment, `.` or `..`, a backslash or an encoded slash.
    #[error("the path has a segment that is not a name")]
    Segment,
}

/// Names and values in the order they came in; a name may stand twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `a=1&b=2`, as a query or the body of a form has it.
    pub fn parse(text: &[u8]) -> Result<Pairs, BadTarget> {
        let pair = |part: &[u8]| -> Result<(String, String), BadTarget> {
            let end = part.iter().position(|b| *b == b'=').unwrap_or(part.len());
            let value = part.get(end + 1..).unwrap_or_default();
            Ok((value_text(&part[..end])?, value_text(value)?))
        };
        let parts = text.split(|b| *b == b'&').filter(|part| !part.is_empty());
        parts.map(pair).collect::<Result<_, _>>().map(Pairs)
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Every value of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The path and the query of a request's target.
pub fn parse(target: &str) -> Result<(String, Pairs), BadTarget> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok((path_text(path)?, Pairs::parse(query.as_bytes())?))
}

fn path_text(raw: &str) -> Result<String, BadTarget> {
    if !raw.starts_with('/') {
        return Err(BadTarget::NotAPath);
    }
    let path = decode(raw.as_bytes(), Plus::Kept)?;
    if path.chars().any(char::is_control) {
        return Err(BadTarget::Control);
    }
    let slashes = |text: &str| text.bytes().filter(|b| *b == b'/').count();
    let segments: Vec<&str> = path.split(SLASH).skip(1).collect();
    let last = segments.len() - 1;
    // The last segment may be empty: a path may end in a slash.
    let name = |(at, s): (usize, &&str)| (at == last || !s.is_empty()) && *s != "." && *s != "..";
    let named = segments.iter().enumerate().all(name);
    if !named || path.contains('\\') || slashes(&path) != slashes(raw) {
        return Err(BadTarget::Segment);
    }
    Ok(path)
}

/// The text of a name or a value; lines and tabs may stand in it.
fn value_text(raw: &[u8]) -> Result<String, BadTarget> {
    let text = decode(raw, Plus::Space)?;
    let allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    if text.chars().all(allowed) { Ok(text) } else { Err(BadTarget::Control) }
}

/// What a plus sign stands for.
enum Plus {
    Kept,
    Space,
}

fn decode(raw: &[u8], plus: Plus) -> Result<String, BadTarget> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, &plus) {
            (b'%', _) => {
                let mut digit = || {
                    let digit = char::from(rest.next()?).to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                match (digit(), digit()) {
                    (Some(high), Some(low)) => high * 16 + low,
                    (None, _) | (_, None) => return Err(BadTarget::Percent),
                }
            }
            (b'+', Plus::Space) => b' ',
            (byte, Plus::Kept | Plus::Space) => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| BadTarget::Utf8)
}

/// Writes what is not a plain character of an address as `%` and two digits.
pub fn encode(text: &str, plain: impl Fn(u8) -> bool) -> String {
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Decodes what [`encode`] wrote.
pub fn decoded(text: &str) -> Result<String, BadTarget> {
    decode(text.as_bytes(), Plus::Kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_decoded_once() {
        let (path, query) =
            parse("/c%C3%B3pias/a%252e/b%20c+d/?q=a+b%26c&q=2&empty&=x&&r=%0A").unwrap();
        assert_eq!(path, "/cópias/a%2e/b c+d/");
        assert_eq!(
            query.iter().collect::<Vec<_>>(),
            [("q", "a b&c"), ("q", "2"), ("empty", ""), ("", "x"), ("r", "\n")]
        );
        assert_eq!((query.get("q"), query.get("none")), (Some("a b&c"), None));
        assert_eq!(query.all("q").collect::<Vec<_>>(), ["a b&c", "2"]);
        assert_eq!(parse("/").unwrap().0, "/");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        use BadTarget::{Control, NotAPath, Percent, Segment, Utf8};
        const WRONG: [(&str, BadTarget); 22] = [
            ("", NotAPath),
            ("*", NotAPath),
            ("a/b", NotAPath),
            ("http://h/", NotAPath),
            ("/%", Percent),
            ("/%4", Percent),
            ("/%+1", Percent),
            ("/%zz", Percent),
            ("/?q=%", Percent),
            ("/%ff", Utf8),
            ("/%c0%ae%c0%ae/", Utf8),
            ("/?%e0=1", Utf8),
            ("/a%00", Control),
            ("/a%0d%0ab", Control),
            ("/?q=%00", Control),
            ("/..", Segment),
            ("/a/%2e%2E/b", Segment),
            ("/./a", Segment),
            ("//a", Segment),
            ("/a//", Segment),
            ("/a%2fb", Segment),
            ("/a%5Cb", Segment),
        ];
        for (target, wrong) in WRONG {
            assert_eq!(parse(target), Err(wrong), "{target}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let text = "João/%\r\n\"";
        let shown = encode(text, |b| b.is_ascii_alphanumeric());
        assert_eq!(shown, "Jo%C3%A3o%2F%25%0D%0A%22");
        assert_eq!(decoded(&shown).as_deref(), Ok(text));
    }
}
