//! The network ground of the dashboard: what reaches a page, what does not, and what comes back.

mod attack;
pub mod flood;
pub mod served;

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use vex::testing::web::{Method, Proxy, Request, Response, ServeError, Tls};

use crate::web::front::attack::{smuggled, traversals};
use crate::web::front::flood::figure;
use crate::web::front::served::{HANGS, Served, body, get, send, status};

/// Says what a page sees.
fn seen(request: &Request) -> Response {
    let form: Vec<_> = request.form().iter().collect();
    Response::text(format!(
        "{:?} {} {:?} {form:?} from {} secure {} at {} by {:?}",
        request.method,
        request.path,
        request.query.iter().collect::<Vec<_>>(),
        request.peer,
        request.secure,
        request.host,
        request.proxy_user,
    ))
}

#[test]
fn a_page_sees_what_was_asked() {
    let served = Served::new(seen);
    let answer = served.get("/a%20b?c=%C3%A9");
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    insta::assert_snapshot!(head.replace("\r\n", "\n"), @r"
    HTTP/1.1 200 OK
    content-type: text/plain; charset=utf-8
    content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'
    x-content-type-options: nosniff
    referrer-policy: no-referrer
    x-frame-options: DENY
    cross-origin-resource-policy: same-origin
    cache-control: no-store
    content-length: 74
    connection: close
    ");
    assert_eq!(
        body(&answer),
        "Get /a b [(\"c\", \"é\")] [] from 127.0.0.1 secure false at localhost by None"
    );
    let form = "POST /a HTTP/1.0\r\nHost: localhost\r\nContent-Length: 7\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n\r\n";
    assert_eq!(
        body(&served.send(format!("{form}a=1&b=+"))),
        "Post /a [] [(\"a\", \"1\"), (\"b\", \" \")] from 127.0.0.1 secure false at localhost by None"
    );
    // Byte by byte it is the same request.
    let mut stream = served.connect();
    for byte in form.bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(status(&send(stream, "a=1&b=+")), 200);
    // A HEAD has the head of a GET and nothing else.
    let head = served.send(get("/a%20b?c=%C3%A9").replace("GET", "HEAD"));
    assert_eq!(head, answer.split_inclusive("\r\n\r\n").next().unwrap());
    assert_eq!(served.complaints.lock().unwrap()[..], [""; 0]);
}

#[test]
fn a_request_that_can_be_read_in_two_ways_reaches_no_page() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let served = Served::new(move |_: &Request| {
        count.fetch_add(1, Ordering::Relaxed);
        Response::text("here".to_owned())
    });
    assert_eq!(status(&served.get("/")), 200);
    let all = smuggled();
    assert!(all.len() >= 200, "{}", all.len());
    for request in &all {
        let answer = served.send(request);
        assert!(matches!(status(&answer), 400 | 405 | 413 | 505), "{request:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer:?}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{request:?}: {answer:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{request:?} reached a page");
    }
    figure(&format!("{} smuggling requests: all refused, none reached a page", all.len()));
}

#[test]
fn a_second_request_that_comes_later_is_never_read() {
    let served = Served::new(seen);
    let mut stream = served.connect();
    stream.write_all(get("/first").as_bytes()).unwrap();
    let mut begin = [0; 15];
    stream.read_exact(&mut begin).unwrap();
    // It may be closed already.
    drop(stream.write_all(get("/second").as_bytes()));
    let mut rest = String::new();
    drop(stream.read_to_string(&mut rest));
    assert!(rest.contains("/first") && !rest.contains("/second"), "{rest}");
}

#[test]
fn no_path_leads_to_a_file() {
    let served = Served::new(|request: &Request| match request.path.as_str() {
        "/static/app.css" => Response::asset("text/css", b"body {}"),
        path => {
            let dots = path.split('/').any(|segment| segment == "." || segment == "..");
            assert!(!dots && !path.contains(['\\', '\0']), "{path}");
            Response::not_found()
        }
    });
    assert_eq!(body(&served.get("/static/app.css")), "body {}");
    let all = traversals();
    assert!(all.len() >= 500, "{}", all.len());
    for target in all.iter().map(String::as_str) {
        let answer = served.get(target);
        assert!(matches!(status(&answer), 400 | 404), "{target}: {answer}");
        assert!(!answer.contains("root:"), "{target}: {answer}");
    }
    figure(&format!("{} paths that lead out: all 400 or 404", all.len()));
    assert_eq!(served.complaints.lock().unwrap()[..], [""; 0]);
}

#[test]
fn heads_and_bodies_have_a_limit() {
    let served = Served::new(seen);
    let padded = |length: usize| {
        let head = "GET / HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n";
        head.replace("X: ", &format!("X: {}", "a".repeat(length - head.len())))
    };
    assert_eq!(status(&served.send(padded(16 * 1024))), 200);
    assert_eq!(status(&served.send(padded(16 * 1024 + 1))), 431);
    let many = "X: a\r\n".repeat(200);
    assert_eq!(status(&served.send(get("/").replace("\r\n\r\n", &format!("\r\n{many}\r\n")))), 431);
    let posted = |length: usize| {
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\
            Content-Type: application/x-www-form-urlencoded\r\n";
        served.send(format!("{head}Content-Length: {length}\r\n\r\n{}", "a".repeat(length)))
    };
    assert_eq!(status(&posted(64 * 1024)), 200);
    assert_eq!(status(&posted(64 * 1024 + 1)), 413);
}

#[test]
fn a_request_that_does_not_come_in_time_is_closed() {
    let served = Served::with(seen, |config| {
        config.times.request = Duration::from_millis(200);
    });
    assert_eq!(status(&served.send("")), 408);
    assert_eq!(status(&served.send("GET / HTTP/1.1\r\nHost: localhost\r\n")), 408);
    let post = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na";
    assert_eq!(status(&served.send(post)), 408);
    // A byte now and then does not move the end.
    let mut stream = served.connect();
    let closed = (0..1500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(b"A").is_err()
    });
    assert!(closed, "the connection is still open");
}

#[test]
fn readers_that_do_not_read_keep_no_worker() {
    let served = Served::new(|request: &Request| match request.path.as_str() {
        "/large" => Response::text("a".repeat(16 << 20)),
        _ => seen(request),
    });
    let ask = || {
        let mut stream = served.connect();
        stream.write_all(get("/large").as_bytes()).unwrap();
        stream
    };
    let mut slow: Vec<_> = (0..12).map(|_| ask()).collect();
    for stream in &mut slow {
        // Its answer has begun, so whoever writes it waits for the rest to be read.
        stream.read_exact(&mut [0; 15]).unwrap();
    }
    assert_eq!(status(&served.get("/")), 200);
    let mut rest = Vec::new();
    slow.remove(0).read_to_end(&mut rest).unwrap();
    assert!(rest.len() > 16 << 20, "{}", rest.len());
}

#[test]
fn an_event_is_sent_at_once_and_a_listener_that_leaves_is_noticed() {
    let (read, was_read) = bounded::<()>(1);
    let (left, has_left) = bounded::<()>(1);
    let served = Served::new(move |_: &Request| {
        let (was_read, left) = (was_read.clone(), left.clone());
        Response::events(move |out, stop| {
            out.write_all(b"data: first\n\n")?;
            out.flush()?;
            // The second is written only after the first was read.
            was_read.recv_timeout(HANGS).map_err(std::io::Error::other)?;
            out.write_all(b"data: second\n\n")?;
            out.flush()?;
            if stop.sleep(HANGS).is_err() {
                left.send(()).map_err(std::io::Error::other)?;
            }
            Ok(())
        })
    });
    let mut stream = served.connect();
    stream.write_all(get("/").as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "content-type: text/event-stream"));
    assert!(lines.any(|line| line == "data: first"));
    read.send(()).unwrap();
    assert!(lines.any(|line| line == "data: second"));
    drop(lines);
    has_left.recv_timeout(HANGS).unwrap();
}

#[test]
fn listeners_do_not_take_all_places() {
    let served = Served::with(
        |request: &Request| match request.path.as_str() {
            "/events" => Response::events(|out, stop| {
                out.write_all(b"data: here\n\n")?;
                out.flush()?;
                stop.sleep(HANGS * 4).ok();
                Ok(())
            }),
            _ => seen(request),
        },
        |config| config.connections = Some(8),
    );
    let listen = || {
        let mut stream = served.connect();
        stream.write_all(get("/events").as_bytes()).unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).unwrap();
        (stream, String::from_utf8_lossy(&begin).into_owned())
    };
    let all: Vec<_> = (0..6).map(|_| listen()).collect();
    let begins: Vec<&str> = all.iter().map(|(_, begin)| begin.as_str()).collect();
    let (yes, no) = ("HTTP/1.1 200", "HTTP/1.1 503");
    assert_eq!(begins, [yes, yes, yes, yes, no, no]);
    assert_eq!(status(&served.get("/")), 200);
    // The stop ends the others.
    served.end().unwrap();
}

#[test]
fn a_page_that_panics_is_an_answer_and_a_complaint() {
    let served = Served::new(|request: &Request| match request.path.as_str() {
        "/panic" => panic!("BUG: {}", request.path),
        "/events" => Response::events(|_, _| panic!("BUG: no events")),
        _ => seen(request),
    });
    for _ in 0..8 {
        let answer = served.get("/panic?secret=CANARY-query");
        assert_eq!(status(&answer), 500);
        assert_eq!(body(&answer), "500 Internal Server Error\n");
        assert!(answer.contains("\r\ncontent-security-policy: default-src 'none';"), "{answer}");
    }
    assert_eq!(status(&served.get("/events")), 200);
    assert_eq!(status(&served.get("/")), 200);
    let complaints = served.complaints.lock().unwrap().clone();
    assert_eq!(complaints[..8], ["the page /panic failed: BUG: /panic"; 8]);
    assert_eq!(complaints[8..], ["a stream of events failed: BUG: no events"]);
}

#[test]
fn the_stop_lets_an_answer_end_and_waits_for_no_other() {
    let (begun, has_begun) = bounded::<()>(2);
    let (go, may_go) = bounded::<()>(1);
    let (_never, forever) = bounded::<()>(1);
    let served = Served::new(move |request: &Request| {
        begun.send(()).unwrap();
        match request.path.as_str() {
            "/slow" => may_go.recv().unwrap(),
            _ => drop(forever.recv()),
        }
        seen(request)
    });
    let mut slow = served.connect();
    slow.write_all(get("/slow").as_bytes()).unwrap();
    let mut stuck = served.connect();
    stuck.write_all(get("/stuck").as_bytes()).unwrap();
    let half = served.connect();
    (0..2).for_each(|_| has_begun.recv_timeout(HANGS).unwrap());
    served.stop.stop();
    go.send(()).unwrap();
    assert_eq!(status(&send(slow, "")), 200);
    let address = served.address;
    // The page that hangs does not hold this.
    served.end().unwrap();
    drop((stuck, half));
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_redirect_leads_to_a_path_of_ours_and_ends_no_line() {
    const TO: [(&str, &str); 9] = [
        ("/runs?a=1#b", "/runs?a=1#b"),
        ("/a\r\nset-cookie: a=b\r\n\r\n<p>", "/a%0D%0Aset-cookie:%20a=b%0D%0A%0D%0A%3Cp%3E"),
        ("/a\0\t\"é\\", "/a%00%09%22%C3%A9%5C"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("runs", "/"),
        ("", "/"),
    ];
    let served = Served::new(|request: &Request| {
        let to = request.query.get("to").unwrap_or_default();
        let word = request.query.get("word").unwrap_or_default();
        let response = Response::redirect(to).with("x-word", word);
        response.with_cookie(request, "theme", word, None)
    });
    let encoded =
        |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<Vec<_>>().concat();
    for (to, expected) in TO {
        let word = encoded("a\r\nb: c\n\ré");
        // NUL can't come in by a query; the constructor sees it all the same.
        assert_eq!(Response::redirect(to).header("location"), Some(expected), "{to:?}");
        let answer = served.get(&format!("/?to={}&word={word}", encoded(to)));
        if to.contains('\0') {
            assert_eq!(status(&answer), 400);
            continue;
        }
        let lines: Vec<&str> = answer.split("\r\n").collect();
        assert_eq!(lines[0], "HTTP/1.1 303 See Other", "{to:?}");
        let location = format!("location: {expected}");
        assert_eq!(
            lines[2..5],
            [
                location.as_str(),
                "x-word: a__b: c___",
                "set-cookie: theme=ab:c; Path=/; HttpOnly; SameSite=Strict",
            ]
        );
    }
    let saved = Response::download("text/csv", "a\"\r\n/../é.csv", Vec::new());
    let how = "attachment; filename=\"a____.._..csv\"".replace("..csv", "_.csv");
    assert_eq!(saved.header("content-disposition"), Some(how.as_str()));
}

#[test]
fn another_host_and_another_site_reach_no_page() {
    let served = Served::with(seen, |config| config.hosts = vec!["backup.example".to_owned()]);
    let port = served.address.port();
    let asked = |host: &str, more: &str, method: &str| {
        served.send(format!("{method} / HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"))
    };
    assert_eq!(status(&asked("evil.example", "", "GET")), 421);
    assert_eq!(status(&asked(&format!("127.0.0.1:{port}"), "", "GET")), 200);
    assert_eq!(status(&asked("backup.example", "", "GET")), 200);
    let own = "Origin: http://backup.example\r\n";
    assert_eq!(status(&asked("backup.example", own, "POST")), 200);
    assert_eq!(status(&asked("backup.example", "", "POST")), 403);
    assert_eq!(status(&asked("backup.example", "Origin: http://evil.example\r\n", "POST")), 403);
    let doubled = format!("{own}{own}");
    assert_eq!(status(&asked("backup.example", &doubled, "POST")), 400);
}

#[test]
fn only_a_proxy_that_was_named_is_believed() {
    let fields = "X-Forwarded-For: 9.9.9.9, 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-User: jo\u{e3}o\r\nX-Vex-Peer: 8.8.8.8\r\nX-Vex-Secure: 1\r\n\
        X-Vex-User: root\r\nX-Vex-Connection: 1\r\n";
    let request = get("/").replace("\r\n\r\n", &format!("\r\n{fields}\r\n"));
    let named = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let proxy = Proxy { addresses, user_field: Some("X-Forwarded-User".to_owned()) };
        let served = Served::with(seen, |config| config.proxy = proxy);
        body(&served.send(&request)).to_owned()
    };
    assert_eq!(
        named(&["127.0.0.2"]),
        "Get / [] [] from 127.0.0.1 secure false at localhost by None"
    );
    assert_eq!(
        named(&["127.0.0.1"]),
        "Get / [] [] from 192.0.2.7 secure true at localhost by Some(\"joão\")"
    );
}

#[test]
fn tls_is_spoken_with_the_files_that_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls { certificate: certificate.clone(), key };
    let served = Served::with(
        |request: &Request| seen(request).with_cookie(request, "session", "a", None),
        |config| {
            config.tls = Some(tls.clone());
            config.hosts = vec!["backup.example".to_owned()];
        },
    );
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let secure = |request: String| {
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        send(StreamOwned::new(session, served.connect()), request)
    };
    let answer = secure(get("/"));
    assert_eq!(body(&answer), "Get / [] [] from 127.0.0.1 secure true at localhost by None");
    let cookie = "set-cookie: __Host-session=a; Path=/; HttpOnly; SameSite=Strict; Secure\r\n";
    assert!(answer.contains(cookie) && !answer.contains("strict-transport"), "{answer}");
    let answer = secure(get("/").replace("localhost", "backup.example"));
    assert!(answer.contains("\r\nstrict-transport-security: max-age=31536000\r\n"), "{answer}");
    // What speaks no TLS reaches no page.
    let mut clear = served.connect();
    clear.write_all(get("/").as_bytes()).unwrap();
    let mut answer = Vec::new();
    drop(clear.read_to_end(&mut answer));
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(status(&secure(get("/"))), 200);

    let wrong = Tls { key: certificate, ..tls };
    let listen = "127.0.0.1:0".parse().unwrap();
    let mut config = vex::testing::web::Config::new(listen, Arc::new(|_: &str| {}));
    config.tls = Some(wrong);
    let ended =
        vex::testing::web::serve(config, Arc::new(seen), |_| {}, &vex::testing::base::Stop::new());
    assert!(matches!(ended, Err(ServeError::Tls(_))), "{ended:?}");
}

#[test]
fn a_page_needs_no_socket() {
    let request = Request::new(Method::Post, "/login?next=%2Fruns").unwrap();
    let request = request.with_header("Host", "localhost").with_header("Cookie", "session=a");
    let request = request.with_body(b"user=jo%C3%A3o".to_vec());
    assert_eq!(request.cookie("session"), Some("a"));
    assert_eq!(request.form().get("user"), Some("joão"));
    assert_eq!(request.query.get("next"), Some("/runs"));
    assert_eq!(
        seen(&request).bytes(),
        "Post /login [(\"next\", \"/runs\")] [(\"user\", \"joão\")] from 127.0.0.1 secure false \
         at localhost by None"
            .as_bytes()
    );
}
