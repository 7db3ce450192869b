//! Requests that two servers could understand in two ways, and paths that lead out of a folder.

/// Ways to say that the body is chunked, or something like it.
const CODINGS: [&str; 20] = [
    "Transfer-Encoding: chunked",
    "transfer-encoding: chunked",
    "TRANSFER-ENCODING: gzip, chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    "Transfer-Encoding:chunked",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding\0: chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding:",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "X: a\r\n Transfer-Encoding: chunked",
    "X: a\r\n\tTransfer-Encoding: chunked",
    "X: a\nTransfer-Encoding: chunked",
    "X: a\rTransfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
];

/// Lengths beside them.
const BESIDE: [&str; 4] =
    ["", "Content-Length: 4\r\n", "Content-Length: 0\r\n", "Content-Length: 64\r\n"];

/// Lengths that are none, or two.
const LENGTHS: [&str; 24] = [
    "Content-Length: 4\r\nContent-Length: 4",
    "Content-Length: 4\r\nContent-Length: 5",
    "Content-Length: 5\r\ncontent-length: 4",
    "Content-Length: 4\r\nX: a\r\nContent-Length: 0",
    "Content-Length: +4",
    "Content-Length: -4",
    "Content-Length: -0",
    "Content-Length: 4, 4",
    "Content-Length: 4,5",
    "Content-Length: 4 4",
    "Content-Length: 4;",
    "Content-Length: 4.0",
    "Content-Length: 0x4",
    "Content-Length: 4e0",
    "Content-Length: \"4\"",
    "Content-Length:",
    "Content-Length: \x0b4",
    "Content-Length : 4",
    "Content-Length\0: 4",
    "Content-Length:\r\n 4",
    "Content-Length: four",
    "Content-Length: 65537",
    "Content-Length: 18446744073709551620",
    "Content-Length: 99999999999999999999999999999999999999",
];

/// Hosts that are none, or two.
const HOSTS: [&str; 14] = [
    "X: a",
    "Host:",
    "Host: localhost\r\nHost: localhost",
    "Host: localhost\r\nhost: evil.example",
    "Host: localhost, evil.example",
    "Host: localhost evil.example",
    "Host: localhost/a",
    "Host: user@localhost",
    "Host: localhost?a",
    "Host : localhost",
    "Host\t: localhost",
    " Host: localhost",
    "X: a\r\n Host: localhost",
    "Host: localh\u{f6}st",
];

/// First lines that are none, or ask for no path, or for what is not done.
const LINES: [&str; 30] = [
    "GET http://localhost/ HTTP/1.1",
    "GET http://evil.example/ HTTP/1.1",
    "GET localhost HTTP/1.1",
    "GET * HTTP/1.1",
    "GET ? HTTP/1.1",
    "GET \\ HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET\t/ HTTP/1.1",
    "GET /\tHTTP/1.1",
    "GET /a b HTTP/1.1",
    "GET /a#b HTTP/1.1",
    "GET /\u{e9} HTTP/1.1",
    "GET /\x01 HTTP/1.1",
    "GET /\x7f HTTP/1.1",
    "GET /\0 HTTP/1.1",
    "GET / HTTP/0.9",
    "GET / HTTP/1.10",
    "GET / HTTP/2.0",
    "GET / http/1.1",
    "GET /",
    "get / HTTP/1.1",
    " GET / HTTP/1.1",
    "\r\nGET / HTTP/1.1",
    "CONNECT localhost:80 HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "TRACE / HTTP/1.1",
    "PUT / HTTP/1.1",
    "PRI * HTTP/2.0",
];

/// What may not follow a request.
const SECOND: [&str; 5] = [
    "GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "POST /second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    "\r\n",
    "x",
    "0\r\n\r\n",
];

/// Requests that must be refused, each whole.
pub fn smuggled() -> Vec<String> {
    const TAIL: &str = "0\r\n\r\nGET /second HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut all = Vec::new();
    for method in ["GET", "POST"] {
        let line = format!("{method} / HTTP/1.1");
        for coding in CODINGS {
            for length in BESIDE {
                all.push(format!("{line}\r\nHost: localhost\r\n{length}{coding}\r\n\r\n{TAIL}"));
            }
        }
        for length in LENGTHS {
            all.push(format!("{line}\r\nHost: localhost\r\n{length}\r\n\r\na=1&{TAIL}"));
        }
        for host in HOSTS {
            all.push(format!("{line}\r\n{host}\r\n\r\n"));
        }
        for second in SECOND {
            all.push(format!("{line}\r\nHost: localhost\r\n\r\n{second}"));
        }
        all.push(format!("{line}\nHost: localhost\n\n"));
        all.push(format!("{line}\rHost: localhost\r\r"));
        all.push(format!("{line}\r\nHost: localhost\n\r\n"));
        all.push(format!("{line}\r\nHost: localhost\r\nNo colon\r\n\r\n"));
        all.push(format!("{line}\r\nHost: localhost\r\n: no name\r\n\r\n"));
    }
    all.push(format!("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\na=1&{TAIL}"));
    all.extend(LINES.map(|line| format!("{line}\r\nHost: localhost\r\n\r\n")));
    all
}

/// Targets that lead out of a folder, once decoded or once more.
pub fn traversals() -> Vec<String> {
    const BEFORE: [&str; 5] = ["/", "/static/", "/static/app.css/", "/b/1/", "/%73tatic/"];
    const DOTS: [&str; 13] = [
        "~",
        "..",
        "%2e%2e",
        ".%2E",
        "%252e%252e",
        "..%00",
        "..;",
        "...",
        "....",
        "%c0%ae%c0%ae",
        "%u002e%u002e",
        "%ef%bc%8e%ef%bc%8e",
        "..%0d%0a",
    ];
    const SLASHES: [&str; 8] = ["/", "//", "%2f", "%252f", "\\", "%5c", "%c0%af", "/./"];
    let mut all = Vec::new();
    for before in BEFORE {
        for dots in DOTS {
            for slash in SLASHES {
                let out = format!("{dots}{slash}").repeat(4);
                all.push(format!("{before}{out}etc/passwd"));
            }
        }
    }
    all.extend(
        ["/etc/passwd", "//etc/passwd", "/file:///etc/passwd", "/~root/", "/.git/config"]
            .map(str::to_owned),
    );
    all
}
