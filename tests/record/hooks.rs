//! Webhooks and pings: signed, shaped, tried again, and with the end of a log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use hmac::Mac;
use serde_json::Value;

use crate::common::space::Space;

/// A request: its line, its head in lower case, its body.
struct Asked {
    line: String,
    head: String,
    body: String,
}

/// A web server that gives these statuses, one after the other.
fn answering(statuses: &'static [&'static str]) -> (u16, JoinHandle<Vec<Asked>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let take = move |status: &&str| {
        let mut stream = listener.accept().unwrap().0;
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut line, mut head) = (String::new(), String::new());
        reader.read_line(&mut line).unwrap();
        while !head.ends_with("\r\n\r\n") && head != "\r\n" {
            reader.read_line(&mut head).unwrap();
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |l| l.trim().parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .unwrap();
        Asked { line: line.trim().to_owned(), head, body: String::from_utf8(body).unwrap() }
    };
    (port, std::thread::spawn(move || statuses.iter().map(take).collect()))
}

fn space(notify: &str, command: &str, url: String) -> Space {
    let job = format!("job \"j\" {{ exec \"x\" {{ command \"sh\" \"-c\" {command:?} }} }}\n");
    let text = format!("language \"en\"\nnotify {{ {notify} }}\n{job}");
    Space::new().env("URL", url).env("KEY", "CANARY-key").job(&text)
}

#[test]
fn a_webhook_is_signed_and_tried_again() {
    let (port, asked) = answering(&["503 Busy", "429 Later", "204 Fine"]);
    let notify = "webhook (env)\"URL\" { secret (env)\"KEY\" }";
    let space = space(notify, "true", format!("http://127.0.0.1:{port}/CANARY?a=b"));
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    let asked = asked.join().unwrap();
    assert!(asked.iter().all(|a| a.line == "POST /CANARY?a=b HTTP/1.1"));
    let last = asked.last().unwrap();
    let mut own = s3::signing::HmacSha256::new_from_slice(b"CANARY-key").unwrap();
    own.update(last.body.as_bytes());
    let own: String = own.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert!(last.head.contains(&format!("x-vex-signature: sha256={own}\r\n")), "{}", last.head);
    let body: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!((&body["verdict"], &body["version"]), (&"success".into(), &2.into()));
    assert!(!format!("{ran:?}").contains("CANARY"), "{ran:?}");
}

#[test]
fn people_get_a_message_in_the_form_of_their_service() {
    for (shape, field) in [("slack", "attachments"), ("discord", "embeds"), ("ntfy", "topic")] {
        let (port, asked) = answering(&["200 Fine"]);
        let notify = format!("webhook (env)\"URL\" shape=\"{shape}\"");
        let space = space(&notify, "exit 3", format!("http://127.0.0.1:{port}/hook?k=v"));
        space.run(&["run", "job.kdl"]).expect(1);
        let asked = asked.join().unwrap();
        let path = if shape == "ntfy" { "/?k=v" } else { "/hook?k=v" };
        assert_eq!(asked[0].line, format!("POST {path} HTTP/1.1"));
        let body: Value = serde_json::from_str(&asked[0].body).unwrap();
        assert!(body.get(field).is_some(), "{body}");
        for part in ["Result: Error (3)", "j/exec/x: Error: a program failed", "What to do: "] {
            assert!(asked[0].body.contains(part), "{shape}: no {part} in {body}");
        }
    }
}

#[test]
fn a_ping_tells_the_start_and_carries_the_end_of_the_log() {
    let (port, asked) = answering(&["404 Not Found", "200 Fine"]);
    let notify = "ping (env)\"URL\" start=#true log=\"2KiB\"";
    let space = space(notify, "echo last words; exit 3", format!("http://127.0.0.1:{port}/K?a=b"));
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    let asked = asked.join().unwrap();
    assert_eq!(asked[0].line, "GET /K/start?a=b HTTP/1.1");
    assert_eq!(asked[1].line, "POST /K/fail?a=b HTTP/1.1");
    assert!(asked[1].body.contains("last words") && asked[1].body.len() <= 2048);
    assert!(!ran.stderr.contains("unable to ping"), "a monitor without /start: {}", ran.stderr);
}
