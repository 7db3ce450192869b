//! The head of a request: where it ends, and what it says.
//!
//! Pure: bytes in, a head or a refusal out. What two servers could understand in two ways is
//! refused: any transfer coding, two lengths, a length with a sign, a folded line, a lone carriage
//! return or line feed, a control character, a target that is not a path, no host or two.

use httparse::Error as Wrong;

/// The longest head.
pub const HEAD_LIMIT: usize = 16 * 1024;

/// The longest body.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The most fields.
const FIELDS: usize = 64;

/// The longest length that is read as a number; a longer one is too large in any case.
const LENGTH_DIGITS: usize = 19;

/// The status that a refused request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub u16);

/// It can't be understood, or in two ways.
const BAD: Refusal = Refusal(400);

/// What the head of a request says.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// `GET`, `HEAD` or `POST`.
    pub method: String,
    /// The target as it was written.
    pub target: String,
    /// The host that was asked.
    pub host: String,
    /// How many bytes of body follow.
    pub length: usize,
    /// All fields; the names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// Where the head ends, once it does; `seen` bytes were looked at before.
///
/// Looks at each byte once, so that a head that comes one byte at a time costs no more.
pub fn end(bytes: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    if bytes.first().is_some_and(|first| !first.is_ascii_uppercase()) {
        return Err(BAD);
    }
    for at in seen..bytes.len() {
        let before = at.checked_sub(1).map(|at| bytes[at]);
        match (before, bytes[at]) {
            (Some(b'\r'), b'\n') if bytes[..at - 1].ends_with(b"\r\n") => return Ok(Some(at + 1)),
            (Some(b'\r'), b'\n') => {}
            (Some(b'\r'), _) | (_, b'\n') => return Err(BAD),
            (_, byte) if byte.is_ascii_control() && !matches!(byte, b'\r' | b'\t') => {
                return Err(BAD);
            }
            _ => {}
        }
        if at + 1 >= HEAD_LIMIT {
            return Err(Refusal(431));
        }
    }
    Ok(None)
}

/// Reads a head, its blank line included.
pub fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    let folded = |pair: &[u8]| pair[0] == b'\n' && matches!(pair[1], b' ' | b'\t');
    if bytes.windows(2).any(folded) {
        return Err(BAD);
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(Wrong::TooManyHeaders) => return Err(Refusal(431)),
        Err(Wrong::Version) => return Err(Refusal(505)),
        Ok(_) | Err(_) => return Err(BAD),
    }
    let (Some(method), Some(target)) = (request.method, request.path) else { return Err(BAD) };
    if !matches!(method, "GET" | "HEAD" | "POST") {
        return Err(Refusal(405));
    }
    let graphic = target.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if !target.starts_with('/') || !graphic {
        return Err(BAD);
    }
    let fields: Vec<(String, Vec<u8>)> =
        request.headers.iter().map(|f| (f.name.to_ascii_lowercase(), f.value.to_vec())).collect();
    let (host, length) = (host(&fields)?, length(&fields)?);
    match (method, length) {
        ("GET" | "HEAD", 1..) => Err(BAD),
        (_, length) if length > BODY_LIMIT => Err(Refusal(413)),
        (_, length) => {
            Ok(Head { method: method.to_owned(), target: target.to_owned(), host, length, fields })
        }
    }
}

/// The values of a field, each as it was written.
pub fn values<'a>(
    fields: &'a [(String, Vec<u8>)],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_slice())
}

/// The only value of a field.
pub fn single<'a>(
    fields: &'a [(String, Vec<u8>)],
    name: &str,
) -> Result<Option<&'a [u8]>, Refusal> {
    let mut same = fields.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_slice());
    let first = same.next();
    if same.next().is_some() { Err(BAD) } else { Ok(first) }
}

fn host(fields: &[(String, Vec<u8>)]) -> Result<String, Refusal> {
    let plain =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    match single(fields, "host")? {
        Some(host) if !host.is_empty() && host.iter().all(plain) => {
            Ok(host.iter().copied().map(char::from).collect())
        }
        Some(_) | None => Err(BAD),
    }
}

fn length(fields: &[(String, Vec<u8>)]) -> Result<usize, Refusal> {
    if values(fields, "transfer-encoding").next().is_some() {
        return Err(BAD);
    }
    let Some(length) = single(fields, "content-length")? else { return Ok(0) };
    if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    if length.len() > LENGTH_DIGITS {
        return Err(Refusal(413));
    }
    let digit = |sum: usize, digit: &u8| sum * 10 + usize::from(digit - b'0');
    Ok(length.iter().fold(0, digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Head, Refusal> {
        let bytes = text.as_bytes();
        let end = end(bytes, 0)?.expect("the head is whole");
        parse(&bytes[..end])
    }

    #[test]
    fn a_plain_head_is_read() {
        let head =
            read("POST /a?b=%20 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 003\r\nX-A:\t b \r\n\r\n");
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        assert_eq!(
            head,
            Ok(Head {
                method: "POST".to_owned(),
                target: "/a?b=%20".to_owned(),
                host: "h:1".to_owned(),
                length: 3,
                fields: vec![
                    field("host", "h:1"),
                    field("content-length", "003"),
                    field("x-a", "b")
                ],
            })
        );
        assert!(read("GET / HTTP/1.0\r\nhost: [::1]:80\r\n\r\n").is_ok());
    }

    #[test]
    fn a_head_may_come_in_any_pieces() {
        let text = b"GET / HTTP/1.1\r\nhost: h\r\n\r\nrest";
        for cut in 0..text.len() {
            let whole = text.len() - 4;
            let first = end(&text[..cut], 0).unwrap();
            assert_eq!(first, (cut >= whole).then_some(whole), "{cut}");
            assert_eq!(end(text, cut.min(whole - 1)), Ok(Some(whole)), "{cut}");
        }
    }

    #[test]
    fn a_head_has_a_limit() {
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(HEAD_LIMIT));
        assert_eq!(end(long.as_bytes(), 0), Err(Refusal(431)));
        let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "a: b\r\n".repeat(FIELDS));
        assert_eq!(read(&many), Err(Refusal(431)));
    }
}
