//! Cookies: how one is found in a request, and how one is set.
//!
//! Does not know sessions. Every cookie of ours is HttpOnly, SameSite=Strict and of the whole host;
//! behind TLS it is Secure and its name begins with `__Host-`, so that no other host or clear
//! connection can plant it. A name that stands twice with two values is no cookie at all: another
//! server on the same machine may have planted one of them.

use std::time::Duration;

/// What begins the name of a cookie that only this host, over TLS, can have set.
const HOST: &str = "__Host-";

/// The name that a cookie of ours has on the wire.
pub fn full_name(name: &str, secure: bool) -> String {
    format!("{}{name}", if secure { HOST } else { "" })
}

/// The value of `Set-Cookie`; without an age it ends with the browser, with none left it is gone.
pub fn cookie(name: &str, value: &str, age: Option<Duration>, secure: bool) -> String {
    let name = full_name(name, secure);
    let value = value.bytes().filter(|b| plain(*b)).map(char::from).collect::<String>();
    let age = age.map_or(String::new(), |age| format!("; Max-Age={}", age.as_secs()));
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{age}{secure}")
}

/// The value of a name on the wire in a `Cookie` field.
pub fn find<'a>(field: &'a str, name: &str) -> Option<&'a str> {
    let pairs = field.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(own, _)| *own == name).map(|(_, value)| value);
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// What may stand in the value of a cookie.
fn plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_bound_to_the_host() {
        assert_eq!(
            cookie("session", "a=b", None, false),
            "session=a=b; Path=/; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            cookie("theme", "dark; Domain=x\r\n", Some(Duration::from_secs(60)), true),
            "__Host-theme=darkDomain=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure"
        );
    }

    #[test]
    fn a_name_with_two_values_is_no_cookie() {
        let field = "a=1; session=x=y;b=2 ; a=1; c=3; c=4; d";
        assert_eq!(find(field, "session"), Some("x=y"));
        assert_eq!(find(field, "b"), Some("2"));
        assert_eq!(find(field, "a"), Some("1"));
        assert_eq!(find(field, "c"), None);
        assert_eq!(find(field, "d"), None);
    }
}
