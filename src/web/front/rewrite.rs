//! The request that is written anew for the server behind: only what was understood, and who asks.
//!
//! Pure. A field that is not in the list is left out, so no name that we use ourselves can come
//! from the network. Fields of a proxy count only where the other end is one that was named.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use crate::web::front::head::{Head, Refusal, single, values};
use crate::web::target;

/// Our field of the address that asks.
pub const PEER: &str = "x-vex-peer";

/// Our field that says the request came over TLS.
pub const SECURE: &str = "x-vex-secure";

/// Our field of the connection's number.
pub const CONNECTION: &str = "x-vex-connection";

/// Our field of the user whom a proxy signed in, percent-encoded.
pub const USER: &str = "x-vex-user";

/// Fields that may stand once.
const SINGLE: [&str; 8] = [
    "content-type",
    "origin",
    "user-agent",
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
    "last-event-id",
    "if-none-match",
];

/// Fields that are lists, and what stands between two values.
const LISTS: [(&str, &str); 3] = [("accept", ", "), ("accept-language", ", "), ("cookie", "; ")];

/// Proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct Proxy {
    /// Their addresses.
    pub addresses: Vec<IpAddr>,
    /// The field that names the user whom the proxy has signed in.
    pub user_field: Option<String>,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// Its address.
    pub peer: IpAddr,
    /// Whether it speaks TLS to us.
    pub secure: bool,
    /// The number of the connection.
    pub connection: u64,
}

/// The head for the server behind.
pub fn rewrite(head: &Head, end: &End, proxy: &Proxy) -> Result<String, Refusal> {
    let asked = asked(head, end, proxy)?;
    let mut text = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", head.method, head.target, head.host);
    let mut put = |name: &str, value: &str| {
        write!(text, "{name}: {value}\r\n").expect("a text can be written to");
    };
    for name in SINGLE {
        if let Some(value) = single(&head.fields, name)?.and_then(ascii) {
            put(name, value);
        }
    }
    for (name, between) in LISTS {
        // One cookie of another server that is not ASCII takes none of ours away.
        let parts = values(&head.fields, name).flat_map(|v| v.split(|b| *b == b';'));
        let parts: Vec<&str> = match name {
            "cookie" => parts.filter_map(ascii).collect(),
            _ => values(&head.fields, name).filter_map(ascii).collect(),
        };
        if !parts.is_empty() {
            put(name, &parts.join(between));
        }
    }
    put(PEER, &asked.peer.to_string());
    put(CONNECTION, &end.connection.to_string());
    if asked.secure {
        put(SECURE, "1");
    }
    if let Some(user) = asked.user {
        put(USER, &target::encode(&user, |b| b.is_ascii_alphanumeric()));
    }
    put("content-length", &head.length.to_string());
    text.push_str("connection: close\r\n\r\n");
    Ok(text)
}

/// Who asks, and how.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    peer: IpAddr,
    secure: bool,
    user: Option<String>,
}

fn asked(head: &Head, end: &End, proxy: &Proxy) -> Result<Asked, Refusal> {
    let trusted = |address: &IpAddr| proxy.addresses.iter().any(|a| a.to_canonical() == *address);
    let mut asked = Asked { peer: end.peer.to_canonical(), secure: end.secure, user: None };
    if !trusted(&asked.peer) {
        return Ok(asked);
    }
    // Read from the right: what stands left of an address that is no proxy is anyone's word.
    let all: Vec<&[u8]> = values(&head.fields, "x-forwarded-for").collect();
    for hop in all.join(&b","[..]).rsplit(|b| *b == b',') {
        let Some(address) = ascii(hop).and_then(address) else { break };
        asked.peer = address.to_canonical();
        if !trusted(&asked.peer) {
            break;
        }
    }
    if let Some(scheme) = values(&head.fields, "x-forwarded-proto").last() {
        let nearest = scheme.rsplit(|b| *b == b',').next().and_then(ascii);
        asked.secure |= nearest.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    }
    if let Some(field) = &proxy.user_field {
        let user = single(&head.fields, &field.to_ascii_lowercase())?;
        let user = user.map(|user| String::from_utf8(user.to_vec()).map_err(|_| Refusal(400)));
        asked.user = user.transpose()?.filter(|user| !user.is_empty());
    }
    Ok(asked)
}

/// The address of a hop; some proxies write its port too.
fn address(hop: &str) -> Option<IpAddr> {
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// A value without the spaces around it, if it is ASCII.
fn ascii(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::web::front::head;

    fn written(fields: &str, peer: &str, proxy: &Proxy) -> Result<String, Refusal> {
        let text = format!("GET /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let head = head::parse(text.as_bytes()).unwrap();
        let end = End { peer: peer.parse().unwrap(), secure: false, connection: 7 };
        rewrite(&head, &end, proxy)
    }

    #[test]
    fn only_what_is_known_is_passed_on() {
        let fields = "Cookie: a=1; b=\u{e9}; c=3\r\nX-Vex-Peer: 9.9.9.9\r\nX-Vex-Secure: 1\r\n\
            X-Vex-User: root\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\
            X-Forwarded-User: root\r\nConnection: keep-alive\r\nUpgrade: h2c\r\nAccept: a\r\n\
            Accept: b\r\nUser-Agent: \u{e9}\r\nCookie: d=4\r\nOrigin: http://h\r\n";
        let proxy = Proxy { user_field: Some("X-Forwarded-User".into()), ..Proxy::default() };
        assert_eq!(
            written(fields, "::ffff:127.0.0.1", &proxy).unwrap(),
            "GET /a HTTP/1.1\r\nhost: h\r\norigin: http://h\r\naccept: a, b\r\n\
             cookie: a=1; c=3; d=4\r\nx-vex-peer: 127.0.0.1\r\nx-vex-connection: 7\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(written("Origin: a\r\nOrigin: b\r\n", "127.0.0.1", &proxy), Err(Refusal(400)));
    }

    #[test]
    fn a_proxy_that_was_named_says_who_asks() {
        let addresses = vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        let proxy = Proxy { addresses, user_field: Some("Remote-User".to_owned()) };
        let shown = |fields: &str, peer: &str| match written(fields, peer, &proxy) {
            Ok(text) => {
                let own = text.split("\r\n").filter(|line| line.contains("x-vex-"));
                own.filter(|line| !line.contains(CONNECTION)).collect::<Vec<_>>().join(" ")
            }
            Err(Refusal(status)) => status.to_string(),
        };
        let both = "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-For: 10.0.0.2\r\n";
        for (fields, peer, asked) in [
            ("", "10.0.0.1", "x-vex-peer: 10.0.0.1"),
            (both, "10.0.0.1", "x-vex-peer: 2.2.2.2"),
            (both, "::ffff:10.0.0.1", "x-vex-peer: 2.2.2.2"),
            (both, "10.0.0.3", "x-vex-peer: 10.0.0.3"),
            ("X-Forwarded-For: 1.1.1.1:99, 10.0.0.2\r\n", "10.0.0.1", "x-vex-peer: 1.1.1.1"),
            ("X-Forwarded-For: [::9]:99\r\n", "10.0.0.1", "x-vex-peer: ::9"),
            ("X-Forwarded-For: 1.1.1.1, word\r\n", "10.0.0.1", "x-vex-peer: 10.0.0.1"),
            ("X-Forwarded-Proto: HTTPS\r\n", "10.0.0.1", "x-vex-peer: 10.0.0.1 x-vex-secure: 1"),
            ("X-Forwarded-Proto: https, http\r\n", "10.0.0.1", "x-vex-peer: 10.0.0.1"),
            (
                "Remote-User: Jo\u{e3}o\r\n",
                "10.0.0.1",
                "x-vex-peer: 10.0.0.1 x-vex-user: Jo%C3%A3o",
            ),
            ("Remote-User:\r\n", "10.0.0.1", "x-vex-peer: 10.0.0.1"),
            ("Remote-User: a\r\nremote-user: a\r\n", "10.0.0.1", "400"),
            ("Remote-User: a\r\n", "10.0.0.3", "x-vex-peer: 10.0.0.3"),
        ] {
            assert_eq!(shown(fields, peer), asked, "{fields:?} from {peer}");
        }
    }

    /// Bytes that a parser may stumble over, in the middle of a request that is whole.
    fn disturbed() -> impl Strategy<Value = Vec<u8>> {
        const PIECES: [&str; 16] = [
            "\r\n",
            "\n",
            "\r",
            " ",
            "\t",
            ":",
            "\0",
            ",",
            "Host: b\r\n",
            "/",
            "?",
            "%",
            "\r\n ",
            "Content-Length: 2\r\n",
            "Transfer-Encoding: chunked\r\n",
            "\u{e9}",
        ];
        const WHOLE: &[u8] = b"POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\
            Cookie: a=1; b=2\r\nX-Forwarded-For: 1.1.1.1\r\nAccept: a\r\n\r\n";
        let piece = (0..WHOLE.len(), proptest::sample::select(&PIECES[..]), 0..3_usize);
        proptest::collection::vec(piece, 0..4).prop_map(|pieces| {
            let mut bytes = WHOLE.to_vec();
            for (at, piece, taken) in pieces {
                let end = (at + taken).min(bytes.len());
                bytes.splice(at.min(end)..end, piece.bytes());
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn what_is_written_anew_says_the_same_in_one_way_only(bytes in disturbed()) {
            let Ok(Some(whole)) = head::end(&bytes, 0) else { return Ok(()) };
            let Ok(read) = head::parse(&bytes[..whole]) else { return Ok(()) };
            let end = End { peer: "127.0.0.1".parse().unwrap(), secure: true, connection: 7 };
            let addresses = vec![end.peer];
            let proxy = Proxy { addresses, user_field: Some("accept".to_owned()) };
            let Ok(text) = rewrite(&read, &end, &proxy) else { return Ok(()) };
            prop_assert!(text.is_ascii());
            prop_assert_eq!(head::end(text.as_bytes(), 0), Ok(Some(text.len())));
            let again = head::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(
                (&again.method, &again.target, &again.host, again.length),
                (&read.method, &read.target, &read.host, read.length)
            );
            for own in [PEER, SECURE, CONNECTION, USER, "content-length", "connection"] {
                prop_assert!(values(&again.fields, own).count() <= 1, "{}", own);
            }
        }
    }
}
