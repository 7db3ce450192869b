//! Letters, webhooks and pings, as the other side gets them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread::JoinHandle;

/// A mail server in the clear that takes one letter.
pub fn mail_sink() -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let sink = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a caller");
        let mut say = stream.try_clone().expect("a second handle");
        let mut lines = BufReader::new(stream).lines();
        say.write_all(b"220 sink\r\n").expect("said");
        let mut letter = String::new();
        while let Some(Ok(line)) = lines.next() {
            let answer: &[u8] = match line.split(' ').next().unwrap_or_default() {
                "EHLO" => b"250 sink\r\n",
                "DATA" => {
                    say.write_all(b"354 go on\r\n").expect("said");
                    for line in lines.by_ref().map_while(Result::ok).take_while(|l| l != ".") {
                        letter += &line;
                        letter.push('\n');
                    }
                    b"250 taken\r\n"
                }
                "QUIT" => {
                    say.write_all(b"221 bye\r\n").expect("said");
                    break;
                }
                _ => b"250 fine\r\n",
            };
            say.write_all(answer).expect("said");
        }
        letter
    });
    (port, sink)
}

/// A web server that takes so many requests; returns first line and body of each.
pub fn web_sink(requests: usize) -> (u16, JoinHandle<Vec<(String, String)>>) {
    answering(vec!["204 No Content\r\n"; requests])
}

/// A web server that gives these answers, status and headers, one after the other.
fn answering(answers: Vec<&'static str>) -> (u16, JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let sink = std::thread::spawn(move || {
        answers.iter().map(|a| take(listener.accept().expect("a caller").0, a)).collect()
    });
    (port, sink)
}

fn take(mut stream: TcpStream, answer: &str) -> (String, String) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).expect("a request");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let answer = format!("HTTP/1.1 {answer}connection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).expect("said");
    (first.trim().to_owned(), String::from_utf8(body).expect("UTF-8"))
}

fn run(home: &Path, command: &str, notify: &str, args: &[&str], env: &[(&str, String)]) -> Output {
    let job = format!("{notify}\njob \"j\" {{\n  exec \"x\" {{ command \"{command}\" }}\n}}\n");
    std::fs::write(home.join("job.kdl"), job).expect("written");
    Command::new(env!("CARGO_BIN_EXE_vex"))
        .args(["run", "job.kdl"])
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("XDG_STATE_HOME", home.join("state"))
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(home)
        .output()
        .expect("vex starts")
}

#[test]
fn a_letter_has_the_seeds_subject_the_summary_and_the_log() {
    let home = tempfile::tempdir().expect("a folder");
    let (port, sink) = mail_sink();
    let notify = format!(
        "mail host=\"127.0.0.1\" port={port} tls=#false from=\"vex@example.com\"\nnotify {{ email to=\"dba@example.com\" }}"
    );
    let output = run(home.path(), "true", &notify, &[], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let letter = sink.join().expect("a sink");
    assert!(letter.contains("Subject: Rotina de backup "), "{letter}");
    assert!(
        letter.contains("To: dba@example.com") && letter.contains("Resultado: Sucesso (1)"),
        "{letter}"
    );
    assert!(letter.contains("filename=\"backup_script.log\""), "{letter}");
}

#[test]
fn a_mail_that_can_not_be_sent_is_an_alert_and_the_backup_stands() {
    let home = tempfile::tempdir().expect("a folder");
    let gone =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let notify = format!(
        "mail host=\"127.0.0.1\" port={gone} tls=#false from=\"vex@example.com\"\nnotify {{ email to=\"dba@example.com\" }}"
    );
    let output = run(home.path(), "true", &notify, &[], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Alerta (2)"));
    assert_eq!(run(home.path(), "true", &notify, &["--strict"], &[]).status.code(), Some(2));
}

#[test]
fn pings_and_webhooks_say_how_it_went_and_never_show_their_address() {
    let home = tempfile::tempdir().expect("a folder");
    let (port, sink) = web_sink(3);
    let env = [
        ("PING", format!("http://127.0.0.1:{port}/CANARY-PING")),
        ("HOOK", format!("http://127.0.0.1:{port}/CANARY-HOOK")),
    ];
    let notify = "notify {\n  ping (env)\"PING\"\n  webhook (env)\"HOOK\" on=\"error\"\n}";
    let good = run(home.path(), "true", notify, &[], &env);
    let bad = run(home.path(), "false", notify, &[], &env);
    assert_eq!((good.status.code(), bad.status.code()), (Some(0), Some(1)));
    let heard = sink.join().expect("a sink");
    let lines: Vec<&str> = heard.iter().map(|(line, _)| line.as_str()).collect();
    let expected = [
        "GET /CANARY-PING HTTP/1.1",
        "GET /CANARY-PING/fail HTTP/1.1",
        "POST /CANARY-HOOK HTTP/1.1",
    ];
    assert_eq!(lines, expected);
    let body: serde_json::Value = serde_json::from_str(&heard[2].1).expect("JSON");
    assert_eq!((body["verdict"].as_str(), body["job"].as_str()), (Some("error"), Some("j")));
    // Nobody listens any more: the failure is told without the address.
    let gone = run(home.path(), "true", notify, &["--strict"], &env);
    let told = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert_eq!(gone.status.code(), Some(2), "{told}");
    assert!(told.contains("unable to ping (env)\"PING\"") && !told.contains("CANARY"), "{told}");
}

/// A push monitor reads its state in the query: a failure must not be booked as UP.
#[test]
fn a_failure_is_pinged_behind_the_path_and_never_as_up() {
    const PUSH: &str = "/CANARY?status=up&msg=OK&ping=";
    const DOWN: &str = "/CANARY?status=down&msg=OK&ping=";
    const FAIL: &str = "/CANARY/fail?status=down&msg=OK&ping=";
    const TAKEN: &str = "204 No Content\r\n";
    const GONE: &str = "404 Not Found\r\n";
    const PAGE: &str = "200 OK\r\ncontent-type: text/html; charset=utf-8\r\n";
    type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);
    let table: [Row; 6] = [
        ("false", "/CANARY?a=b#c", &[("/CANARY/fail?a=b", TAKEN)]),
        ("true", "/CANARY/?a=b", &[("/CANARY/?a=b", TAKEN)]),
        ("true", PUSH, &[(PUSH, TAKEN)]),
        ("false", PUSH, &[(FAIL, TAKEN)]),
        ("false", PUSH, &[(FAIL, GONE), (DOWN, TAKEN)]),
        ("false", PUSH, &[(FAIL, PAGE), (DOWN, TAKEN)]),
    ];
    for (command, address, calls) in table {
        let home = tempfile::tempdir().expect("a folder");
        let (port, sink) = answering(calls.iter().map(|(_, answer)| *answer).collect());
        let env = [("PING", format!("http://127.0.0.1:{port}{address}"))];
        let ran = run(home.path(), command, "notify { ping (env)\"PING\" }", &[], &env);
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!told.contains("CANARY") && !told.contains("unable to ping"), "{told}");
        let heard: Vec<String> =
            sink.join().expect("a sink").into_iter().map(|(line, _)| line).collect();
        let expected: Vec<String> =
            calls.iter().map(|(path, _)| format!("GET {path} HTTP/1.1")).collect();
        assert_eq!(heard, expected, "{command} {address}");
    }
}

/// Whoever is told of a change is told of a failure too where nobody knows how the run before ended,
/// and why nobody knows is said.
#[test]
fn an_unknown_run_before_counts_as_a_change_unless_all_is_well() {
    let notify = "notify { ping (env)\"PING\" on=\"change\" }";
    let catalog = |home: &Path| home.join("state/vex/catalog.sqlite");
    let spoil = |home: &Path, sql: &str| {
        let catalog = rusqlite::Connection::open(catalog(home)).expect("a catalog");
        assert_eq!(catalog.execute(sql, []).expect("written"), 1);
    };
    type Before<'a> = &'a dyn Fn(&Path);
    let first: Before<'_> = &|_| ();
    let good: Before<'_> = &|home| drop(run(home, "true", "", &[], &[]));
    let bad: Before<'_> = &|home| drop(run(home, "false", "", &[], &[]));
    let unreadable: Before<'_> = &|home| {
        run(home, "true", "", &[], &[]);
        spoil(home, "UPDATE run SET verdict = 'x'");
    };
    let none: Before<'_> = &|home| {
        std::fs::create_dir_all(catalog(home)).expect("a folder in its place");
    };
    let table = [
        (first, "true", false, "knows no earlier run"),
        (first, "false", true, "knows no earlier run"),
        (good, "true", false, ""),
        (good, "false", true, ""),
        (bad, "false", false, ""),
        (bad, "true", true, ""),
        (unreadable, "false", true, "how the run before ended is not known: "),
        (none, "false", true, "the run goes on without it"),
    ];
    for (row, (before, command, told, said)) in table.into_iter().enumerate() {
        let home = tempfile::tempdir().expect("a folder");
        before(home.path());
        let (port, sink) = web_sink(usize::from(told));
        let env = [("PING", format!("http://127.0.0.1:{port}/x"))];
        let ran = run(home.path(), command, notify, &["--format", "json"], &env);
        let events = String::from_utf8_lossy(&ran.stdout).into_owned();
        // Nobody listens where nobody is to be told.
        assert!(!events.contains("unable to ping"), "{row}: {events}");
        assert_eq!(sink.join().expect("a sink").len(), usize::from(told), "{row}: {events}");
        assert!(events.contains(said), "{row}: {events}");
    }
}
