//! Names that somebody else chose, made of what ends lines, fields and markup: no page, no letter and
//! no saved file takes any of it for its own.
//!
//! CI takes some hundred names; `tests/torture.sh web` ten thousand.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use vex::testing::web::Response;

use crate::common::space::Space;
use crate::web::attack::{field, is_harmless, peopled, say, signed_in};
use crate::web::front::flood::figure;
use crate::web::load::serve_with;
use crate::web::pages::report;

/// What names are made of.
const PIECES: [&str; 40] = [
    "\r\n",
    "\n",
    "\r",
    "\t",
    "\u{b}",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{1b}[2J",
    "\u{7f}",
    "<",
    ">",
    "\"",
    "'",
    "`",
    "&",
    "&#x3c;",
    "%0d%0a",
    "%3Cscript%3E",
    "\\",
    "<script>",
    "</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:",
    "--><svg onload=a()>",
    "]]>",
    "{{ 7*7 }}",
    "{% raw %}",
    "=?utf-8?q?=0d=0aBcc:=20x=40evil.example?=",
    "Bcc: x@evil.example",
    "Set-Cookie: a=b",
    "; filename=x.exe",
    "=cmd|' /C calc'!A0",
    "..",
    "/",
    ":",
    " ",
    "é",
    "名",
    "a",
];

/// Names, the same ones each time.
struct Names(u64);

impl Names {
    fn below(&mut self, most: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }

    fn next(&mut self) -> String {
        (0..=self.below(6)).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }
}

fn is_whole() -> bool {
    std::env::var_os("VEX_WEB").is_some()
}

/// Columns that hold what people chose, of the pages of one backup.
const COLUMNS: [&str; 7] = ["host", "server", "units", "name", "note", "job", "chain"];

/// Other names in all rows; returns how many.
fn rename(space: &Space, names: &mut Names, backups: usize) -> usize {
    let mut sql = Vec::new();
    for number in 1..=backups {
        let sets = COLUMNS.map(|c| format!("{c} = '{}'", names.next().replace('\'', "''")));
        sql.push(format!("UPDATE backup SET {} WHERE number = {number}", sets.join(", ")));
    }
    report::run_sql(space, &sql);
    backups * COLUMNS.len()
}

/// Whether a cell of a table of numbers would be computed.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[test]
fn no_name_is_markup_or_a_field_of_an_answer() {
    let space = peopled();
    let (_server, to) = serve_with(&space, &["serve"]);
    let cookie = signed_in(to, "chefe");
    let (rounds, backups) = if is_whole() { (18, 81) } else { (1, 20) };
    let (mut names, mut count) = (Names(0x5eed), 0);
    let fields = |answer: &str| answer.split("\r\n\r\n").next().unwrap().lines().count();
    let usual = fields(&say(to, "GET /backups/1", &cookie, ""));
    for _ in 0..rounds {
        count += rename(&space, &mut names, backups);
        let mut pages: Vec<String> = (1..=backups).map(|n| format!("/backups/{n}")).collect();
        pages.extend((1..=9).map(|n| format!("/backups?pagina={n}&ordem=1")));
        for page in &pages {
            let answer = say(to, &format!("GET {page}"), &cookie, "");
            is_harmless(page, &answer);
            assert_eq!(fields(&answer), usual, "{page}: {answer}");
        }
        let saved = say(to, "GET /backups.csv", &cookie, "");
        let how = field(&saved, "content-disposition").unwrap();
        assert_eq!(how, "attachment; filename=\"backups.csv\"");
        let cells = saved.split("\r\n\r\n").nth(1).unwrap().split("\";\"");
        assert_eq!(cells.filter(|cell| is_formula(cell)).count(), 0, "{saved}");
    }
    for _ in 0..if is_whole() { 10_000 } else { 100 } {
        let name = names.next();
        let saved = Response::download("text/csv", &name, Vec::new());
        let how = saved.header("content-disposition").unwrap();
        let inner = how.strip_prefix("attachment; filename=\"").and_then(|h| h.strip_suffix('"'));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(inner.is_some_and(|name| name.chars().all(plain)), "{name:?}: {how:?}");
        count += 1;
    }
    figure(&format!(
        "{count} names on pages and saved files: none was markup, a field or a formula"
    ));
}

/// A mail server in the clear that takes so many letters; returns them as they came.
fn letters(most: usize) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let take = move || {
        let stream = listener.accept().unwrap().0;
        let mut say = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).split(b'\n').map(Result::unwrap);
        say.write_all(b"220 sink\r\n").unwrap();
        let mut letter = String::new();
        while let Some(line) = lines.next() {
            let line = String::from_utf8(line).unwrap();
            let answer: &[u8] = match line.split([' ', '\r']).next().unwrap() {
                "DATA" => {
                    say.write_all(b"354 go on\r\n").unwrap();
                    for line in lines.by_ref().take_while(|l| l != b".\r") {
                        letter += &String::from_utf8(line).unwrap();
                        letter.push('\n');
                    }
                    b"250 taken\r\n"
                }
                "QUIT" => {
                    say.write_all(b"221 bye\r\n").unwrap();
                    break;
                }
                _ => b"250 fine\r\n",
            };
            say.write_all(answer).unwrap();
        }
        letter
    };
    (port, std::thread::spawn(move || (0..most).map(|_| take()).collect()))
}

/// The names of the fields of a letter's head.
fn heads(letter: &str) -> Vec<&str> {
    let head = letter.split("\r\n\r\n").next().unwrap();
    let own = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    let mut names: Vec<&str> = own.map(|line| line.split(':').next().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn no_name_is_a_field_of_a_letter() {
    let space = Space::new();
    let mut names = Names(0xfeed);
    let (runs, each) = if is_whole() { (100, 100) } else { (2, 50) };
    for run in 0..runs {
        let (port, sink) = letters(each);
        let email = |name: String| {
            let escaped: String = name.chars().map(|c| format!("\\u{{{:x}}}", c as u32)).collect();
            format!("notify {{ email to=\"dba@example.com\" subject=\"x{escaped}\" }}\n")
        };
        let emails: String = (0..each).map(|_| email(names.next())).collect();
        let mail =
            format!("mail host=\"127.0.0.1\" port={port} tls=#false from=\"vex@example.com\"\n");
        let job = "job \"j\" { exec \"x\" { command \"true\" } }\n";
        std::fs::write(space.path("job.kdl"), format!("{mail}{emails}{job}")).unwrap();
        space.run(&["run", "job.kdl"]).expect(0);
        for letter in sink.join().unwrap() {
            let expected =
                ["Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
            assert_eq!(heads(&letter), expected, "run {run}: {letter}");
            let bare = letter.replace("\r\n", "");
            assert!(!bare.contains(['\r', '\n']), "a line ends by half: {letter:?}");
        }
    }
    figure(&format!("{} names in letters: no field but ours", runs * each));
}
