//! The map: who may import whom, and a few words that may not be written.
//!
//! Reads the sources as text. Rooms are the folders of `src/` and the files beside them. The table
//! below is the whole truth; a new room needs a line in it, and may name only rooms above its own
//! line, so that no loop can be written.

mod lex;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use lex::{Token, tokens, without_tests};

/// Who may import whom, lowest floor first; `room::file` is one file of a room.
const TABLE: [(&str, &[&str]); 25] = [
    ("base", &[]),
    ("convert", &[]),
    ("job", &["base"]),
    ("world", &["job", "base"]),
    ("artifact", &["base"]),
    ("lang", &["base"]),
    ("record", &["artifact", "base"]),
    ("syntax", &["job", "base"]),
    ("retention", &["job", "artifact", "base"]),
    ("plan", &["job", "artifact", "retention", "record", "base"]),
    ("source", &["job", "artifact", "world", "base"]),
    ("store", &["job", "world", "base"]),
    ("catalog", &["record", "job", "world", "base"]),
    ("shelf", &["artifact", "store", "world", "base"]),
    ("pipeline", &["artifact", "source::contract", "store::contract", "base"]),
    ("run", &["record", "plan", "world", "base"]),
    ("view", &["record", "catalog", "retention", "lang", "job", "base"]),
    ("web", &["view", "catalog", "record", "lang", "world", "job", "base"]),
    (
        "recover",
        &[
            "run", "record", "plan", "pipeline", "shelf", "source", "store", "lang", "artifact",
            "job", "world", "base",
        ],
    ),
    (
        "step",
        &[
            "recover",
            "run",
            "record",
            "plan",
            "pipeline",
            "shelf",
            "retention",
            "source",
            "store",
            "artifact",
            "job",
            "world",
            "base",
        ],
    ),
    ("report", &["view", "run", "record", "catalog", "lang", "artifact", "base"]),
    ("notify", &["view", "report", "run", "record", "job", "lang", "world", "artifact", "base"]),
    (
        "cli",
        &[
            "notify",
            "report",
            "step",
            "recover",
            "web",
            "view",
            "run",
            "record",
            "pipeline",
            "shelf",
            "catalog",
            "store",
            "source",
            "plan",
            "retention",
            "syntax",
            "lang",
            "artifact",
            "job",
            "world",
            "convert",
            "base",
        ],
    ),
    (
        "library",
        &[
            "step", "recover", "run", "record", "plan", "pipeline", "source", "store", "syntax",
            "lang", "artifact", "job", "world", "base",
        ],
    ),
    (
        "testing",
        &[
            "web",
            "recover",
            "pipeline",
            "shelf",
            "store",
            "source",
            "catalog",
            "plan",
            "retention",
            "syntax",
            "artifact",
            "job",
            "world",
            "base",
        ],
    ),
];

/// The longest a file may be.
const LINES: usize = 550;

/// The longest a function may be, in lines.
const FUNCTION_LINES: usize = 60;

/// Functions that were longer when the cap came. The list only shrinks.
const LONG_FUNCTIONS: [(&str, &str); 5] = [
    ("source/mysql/snapshot.rs", "attempt"),
    ("source/mysql/snapshot.rs", "read_slice"),
    ("source/mysql/tool.rs", "take"),
    ("source/postgres/definition.rs", "definitions"),
    ("step/backup.rs", "backup"),
];

/// Where something may be printed.
const PRINTERS: [&str; 2] = ["cli/", "report/console.rs"];

/// Where a secret may be opened.
const OPENERS: [&str; 13] = [
    "artifact/age.rs",
    "artifact/fingerprint.rs",
    "artifact/open.rs",
    "artifact/press.rs",
    "artifact/signature.rs",
    "world/",
    "source/",
    "store/",
    "catalog/",
    "step/",
    "notify/",
    "web/",
    "cli/",
];

/// Ways to look into a text by words that stand in the code. Outside of the rooms that read formats
/// and other programs' words, a decision is made by a field, never by what a text says.
const TEXT_MATCHES: [&str; 4] = ["split('/')", "contains(\"", "starts_with(\"", "ends_with(\""];

/// The rooms that read formats, what a person wrote, and the words of servers.
const READERS: [&str; 6] = ["base/", "convert/", "syntax/", "artifact/", "store/", "source/"];

/// Lines elsewhere that look into what a person typed, a key, or a header of HTTP: file, and what
/// they look for.
const ALLOWED: [(&str, &str); 8] = [
    ("catalog/migrate.rs", "starts_with(\"--\")"),
    ("notify/post.rs", "starts_with(\"text/html\")"),
    ("plan/lint.rs", "ends_with(\"`keep`\")"),
    ("plan/problem.rs", "contains(\"://\")"),
    ("shelf/list.rs", "contains(\"..\")"),
    ("shelf/note.rs", "ends_with(\".json\")"),
    ("recover/assembly.rs", "contains(\"START WAL LOCATION:\")"),
    // The one place that takes an address of the dashboard apart.
    ("web/route.rs", "split('/')"),
];

/// Macros that no finished code has.
const UNFINISHED: [&str; 3] = ["dbg", "todo", "unimplemented"];

/// Words that no finished file has, not even in a comment.
const MARKS: [&str; 2] = ["FIXME", "XXX"];

/// A source file: its path below `src/`, with `/`, and its text.
type Sources = BTreeMap<String, String>;

/// A path that starts at the crate's root.
struct Import<'a> {
    path: Vec<&'a str>,
    line: usize,
    /// In a `use`, not in a body.
    used: bool,
}

/// Everything that is wrong, one line each: file, line, what, and the rule.
fn complaints(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    let mut siblings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in sources {
        let all = tokens(text);
        let code = without_tests(&all);
        check_words(file, text, &all, &code, &mut found);
        check_text_matches(file, text, &mut found);
        check_functions(file, &code, &mut found);
        check_docs(file, text, &mut found);
        match file.as_str() {
            "lib.rs" => {}
            "main.rs" => check_binary(&code, &mut found),
            _ => {
                let siblings = siblings.entry(file.clone()).or_default();
                check_imports(sources, file, &code, &mut found, siblings);
            }
        }
    }
    found.extend(loops(&siblings));
    found
}

fn check_words(file: &str, text: &str, all: &[Token], code: &[Token], found: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > LINES {
        found.push(format!("{file}: {lines} lines: a file has {LINES} at most"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for word in MARKS.iter().filter(|word| line.contains(**word)) {
            found.push(format!("{file}:{number}: {word}: open an issue"));
        }
    }
    let within = |places: &[&str]| places.iter().any(|place| file.starts_with(place));
    for call in all.windows(2).filter(|w| w[1].text == "!" && UNFINISHED.contains(&w[0].text)) {
        found.push(format!("{file}:{}: {}!: not in finished code", call[0].line, call[0].text));
    }
    let prints = |name: &str| matches!(name, "print" | "println" | "eprint" | "eprintln");
    for call in
        code.windows(2).filter(|w| w[1].text == "!" && prints(w[0].text) && !within(&PRINTERS))
    {
        found.push(format!("{file}:{}: {}!: only {PRINTERS:?} print", call[0].line, call[0].text));
    }
    let reveals = |w: &&[Token]| w[0].text == "." && w[1].text == "reveal" && w[2].text == "(";
    for call in code.windows(3).filter(reveals).filter(|_| !within(&OPENERS)) {
        found.push(format!("{file}:{}: .reveal(): only {OPENERS:?} open secrets", call[0].line));
    }
}

/// Functions that are longer than one can take in at a glance.
fn check_functions(file: &str, code: &[Token], found: &mut Vec<String>) {
    for (at, pair) in code.windows(2).enumerate().filter(|(_, w)| w[0].text == "fn") {
        let (name, mut depth, mut end) = (pair[1].text, 0_usize, None);
        for token in &code[at..] {
            match token.text {
                "{" => depth += 1,
                "}" if depth == 1 => end = Some(token.line),
                "}" => depth = depth.saturating_sub(1),
                // One without a body.
                ";" if depth == 0 => break,
                _ => {}
            }
            if end.is_some() {
                break;
            }
        }
        let lines = end.map_or(0, |end| end + 1 - pair[0].line);
        if lines > FUNCTION_LINES && !LONG_FUNCTIONS.contains(&(file, name)) {
            let line = pair[0].line;
            found.push(format!(
                "{file}:{line}: {name} has {lines} lines: a function has {FUNCTION_LINES} at most"
            ));
        }
    }
}

/// Lines of finished code that decide by the words of a text.
fn check_text_matches(file: &str, text: &str, found: &mut Vec<String>) {
    if READERS.iter().any(|room| file.starts_with(room)) {
        return;
    }
    let code = (1..).zip(text.lines()).take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    for (number, line) in code.filter(|(_, line)| !line.trim().starts_with("//")) {
        let allowed = ALLOWED.iter().any(|(own, what)| *own == file && line.contains(what));
        for what in TEXT_MATCHES.iter().filter(|what| !allowed && line.contains(**what)) {
            found.push(format!("{file}:{number}: {what}: decide by a field, not by a text"));
        }
    }
}

/// Public items without a word on what they are: rustc asks only for those of a public room.
fn check_docs(file: &str, text: &str, found: &mut Vec<String>) {
    let mut before = "";
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let named = line.strip_prefix("pub ").is_some_and(|rest| {
            !rest.starts_with("mod ") && !rest.starts_with("use ") && !rest.starts_with("(")
        });
        if named && !before.starts_with("///") {
            found.push(format!("{file}:{number}: a public item has a doc comment"));
        }
        if !line.starts_with("#[") {
            before = line;
        }
    }
}

/// The binary knows one function of the library.
fn check_binary(code: &[Token], found: &mut Vec<String>) {
    for Import { path, line, .. } in imports(code, "vex").iter().filter(|i| i.path != ["main"]) {
        found.push(format!("main.rs:{line}: {}: the binary calls vex::main only", path.join("::")));
    }
}

fn check_imports(
    sources: &Sources,
    file: &str,
    code: &[Token],
    found: &mut Vec<String>,
    siblings: &mut BTreeSet<String>,
) {
    let room = room_of(file);
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == room) else {
        found.push(format!("{file}: {room} has no line in the table"));
        return;
    };
    for token in code.windows(2).filter(|w| w[0].text == "super" && w[1].text == "::") {
        found.push(format!("{file}:{}: super: name the sibling: crate::{room}::…", token[0].line));
    }
    let imports = imports(code, "crate");
    let shown: BTreeSet<&str> =
        imports.iter().filter(|i| i.used).filter_map(|i| i.path.first().copied()).collect();
    for Import { path, line, used } in &imports {
        let mut wrong =
            |rule: String| found.push(format!("{file}:{line}: {}: {rule}", path.join("::")));
        let (to, rest) = (path[0], &path[1..]);
        if to == "*" || (rest == ["*"] && to != room) {
            wrong("no glob of a room".to_owned());
        } else if to == room {
            match sibling(sources, file, path) {
                Ok(other) => drop(siblings.insert(other)),
                Err(rule) => wrong(rule),
            }
        } else if !allowed.iter().any(|a| path.starts_with(&a.split("::").collect::<Vec<_>>())) {
            wrong(format!(
                "{room} may import {}",
                if allowed.is_empty() { "nothing".into() } else { allowed.join(", ") }
            ));
        } else if rest.len() > 1 && rest[0] != "contract" && is_module(sources, &path[..2]) {
            wrong(format!("outside its room only the face is imported: {to}::{}", rest[1]));
        } else if !used && !shown.contains(to) {
            wrong(format!("a body reaches {to}, which the `use` list does not show"));
        }
    }
}

/// The file of the own room that an import leads to, or the rule it breaks.
fn sibling(sources: &Sources, file: &str, path: &[&str]) -> Result<String, String> {
    let deepest = (1..=path.len()).rev().find(|n| is_module(sources, &path[..*n])).unwrap_or(1);
    let module = &path[..deepest];
    let folder = format!("{}/", module.join("/"));
    let leads = format!("{}.rs", module.join("/"));
    if sources.contains_key(&leads) {
        return Ok(leads);
    }
    // A folder: its face may be used by whoever does not live in it; the face itself is made of its
    // files.
    if !file.starts_with(&folder) {
        return Ok(format!("{folder}mod.rs"));
    }
    Err("inside a folder the sibling is imported, never the own face".to_owned())
}

fn is_module(sources: &Sources, path: &[&str]) -> bool {
    let path = path.join("/");
    sources.contains_key(&format!("{path}.rs")) || sources.contains_key(&format!("{path}/mod.rs"))
}

/// `store/local.rs` is of `store`, `shelf.rs` of `shelf`.
fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// Every path from the root, with the groups of a `use` taken apart.
fn imports<'a>(code: &[Token<'a>], root: &str) -> Vec<Import<'a>> {
    let (mut found, mut used) = (Vec::new(), false);
    for (at, token) in code.iter().enumerate() {
        match token.text {
            "use" => used = true,
            ";" => used = false,
            text if text == root && code.get(at + 1).is_some_and(|t| t.text == "::") => {
                let from = found.len();
                tree(&code[at + 2..], &mut Vec::new(), &mut found);
                found[from..].iter_mut().for_each(|import| import.used = used);
            }
            _ => {}
        }
    }
    found
}

/// Reads `a::{b, c::d}` and returns how many tokens it took.
fn tree<'a>(code: &[Token<'a>], prefix: &mut Vec<&'a str>, found: &mut Vec<Import<'a>>) -> usize {
    let (depth, mut at) = (prefix.len(), 0);
    while let Some(token) = code.get(at) {
        at += 1;
        if token.text == "{" {
            while code.get(at).is_some_and(|t| t.text != "}") {
                at += tree(&code[at..], prefix, found).max(1);
                at += usize::from(code.get(at).is_some_and(|t| t.text == ","));
            }
            prefix.truncate(depth);
            return at + 1;
        }
        prefix.push(token.text);
        if code.get(at).is_none_or(|t| t.text != "::") {
            found.push(Import { path: prefix.clone(), line: token.line, used: false });
            break;
        }
        at += 1;
    }
    prefix.truncate(depth);
    // `as name` belongs to the path.
    at + if code.get(at).is_some_and(|t| t.text == "as") { 2 } else { 0 }
}

/// Files of one room that import each other in a ring.
fn loops(siblings: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut left = siblings.clone();
    // Whoever imports nobody that is left, or is imported by nobody that is left, is on no ring.
    loop {
        let before = left.len();
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, to| to.iter().any(|other| names.contains(other)));
        let wanted: BTreeSet<String> = left.values().flatten().cloned().collect();
        left.retain(|file, _| wanted.contains(file));
        if left.len() == before {
            break;
        }
    }
    let names: BTreeSet<String> = left.keys().cloned().collect();
    let line = |(file, to): (String, BTreeSet<String>)| {
        let ring: Vec<String> = to.into_iter().filter(|other| names.contains(other)).collect();
        format!("{file}: {}: the files of a room import each other in a ring", ring.join(", "))
    };
    left.into_iter().map(line).collect()
}

fn read(folder: &Path, below: &str, sources: &mut Sources) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let entry = entry.expect("src can be read");
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{name}/"), sources);
        } else if name.ends_with(".rs") {
            sources.insert(name, fs::read_to_string(entry.path()).expect("sources are UTF-8"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_keep_the_map() {
        let mut sources = Sources::new();
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
        let found = complaints(&sources);
        assert!(found.is_empty(), "{} places leave the map:\n{}", found.len(), found.join("\n"));
    }

    #[test]
    fn the_table_names_only_lower_rooms() {
        for (at, (room, allowed)) in TABLE.iter().enumerate() {
            for other in allowed.iter().map(|a| a.split("::").next().expect("a name")) {
                let lower = TABLE.iter().position(|(name, _)| *name == other);
                assert!(lower.is_some_and(|lower| lower < at), "{room} imports {other}");
            }
        }
    }

    /// A small crate with one more file, and what is wrong with that file.
    fn told(file: &str, text: &str) -> Vec<String> {
        let base = [
            ("base/mod.rs", "mod span; mod size; pub use crate::base::span::Span;"),
            ("base/span.rs", ""),
            ("base/size.rs", "use crate::base::span::Span;"),
            ("store/mod.rs", "mod contract; mod local; pub use crate::store::contract::Store;"),
            ("store/contract.rs", ""),
            (
                "store/local.rs",
                "use crate::base::Span; use crate::store::contract::{Error, Store};",
            ),
            ("source/mod.rs", ""),
            ("source/contract.rs", ""),
            ("source/mysql/mod.rs", ""),
            ("source/mysql/rows.rs", "use crate::source::contract::Source;"),
            ("shelf.rs", "use crate::store::{self, Store};"),
        ];
        let mut sources: Sources =
            base.iter().map(|(f, t)| ((*f).to_owned(), (*t).to_owned())).collect();
        assert!(
            complaints(&sources).is_empty(),
            "the small crate is right: {:?}",
            complaints(&sources)
        );
        sources.insert(file.to_owned(), text.to_owned());
        complaints(&sources)
    }

    #[test]
    fn what_the_table_allows_is_right() {
        const RIGHT: [(&str, &str); 8] = [
            (
                "store/s3.rs",
                "use crate::base::{Span, Size as Bytes}; use crate::store::contract::Store;",
            ),
            (
                "store/s3.rs",
                "#[cfg(test)] mod tests { use super::*; use crate::cli::main; use crate::store::Store; }",
            ),
            (
                "store/s3.rs",
                "use crate::base::Span; fn f(s: &crate::base::Size) { \"crate::cli\"; } // crate::cli",
            ),
            (
                "pipeline/send.rs",
                "use crate::store::contract::{Store, Upload}; use crate::source::contract::Source;",
            ),
            (
                "source/mysql/load.rs",
                "use crate::source::mysql::rows::Row; use crate::source::contract::Error;",
            ),
            ("source/sqlite.rs", "use crate::source::mysql::Flavor;"),
            ("main.rs", "fn main() -> ExitCode { vex::main() }"),
            (
                "cli/list.rs",
                "use crate::{base::Span, store}; fn f(s: S) { println!(\"{}\", s.reveal()); }",
            ),
        ];
        for (file, text) in RIGHT {
            assert_eq!(told(file, text), [""; 0], "{file}: {text}");
        }
    }

    #[test]
    fn every_rule_can_be_broken() {
        const LONG: &str = concat!(
            "fn f() {",
            "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
            "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
            "\n}",
        );
        const WRONG: [(&str, &str, &str); 27] = [
            ("report/log.rs", LONG, "report/log.rs:1: f has 62 lines: a function has 60 at most"),
            (
                "report/log.rs",
                "// split('/')\nfn f(a: &str) { a.split('/'); }",
                "report/log.rs:2: split('/'): decide by a field, not by a text",
            ),
            (
                "base/id.rs",
                "use crate::job::Job;",
                "base/id.rs:1: job::Job: base may import nothing",
            ),
            (
                "store/s3.rs",
                "use crate::{base::{Span},\n artifact::{a, b::C}};",
                "store/s3.rs:2: artifact::a: store may import job, world, base; \
                 store/s3.rs:2: artifact::b::C: store may import job, world, base",
            ),
            (
                "pipeline/send.rs",
                "use crate::store::Store;",
                "pipeline/send.rs:1: store::Store: pipeline may import artifact, source::contract, store::contract, base",
            ),
            (
                "run/mod.rs",
                "fn f() { crate::step::go() }",
                "run/mod.rs:1: step::go: run may import record, plan, world, base",
            ),
            (
                "pipeline/send.rs",
                "use crate::store;",
                "pipeline/send.rs:1: store: pipeline may import artifact, source::contract, store::contract, base",
            ),
            (
                "main.rs",
                "use vex::testing::recover::X;",
                "main.rs:1: testing::recover::X: the binary calls vex::main only",
            ),
            (
                "store/s3.rs",
                "use crate::testing::base::Stop;",
                "store/s3.rs:1: testing::base::Stop: store may import job, world, base",
            ),
            (
                "base/id.rs",
                "/// One.\n#[derive(Debug)]\npub struct Id;\npub(crate) fn f() {}\npub fn g() {}",
                "base/id.rs:5: a public item has a doc comment",
            ),
            ("store/s3.rs", "use crate::*;", "store/s3.rs:1: *: no glob of a room"),
            ("store/s3.rs", "use crate::base::*;", "store/s3.rs:1: base::*: no glob of a room"),
            (
                "store/s3.rs",
                "fn f() { crate::base::g() }",
                "store/s3.rs:1: base::g: a body reaches base, which the `use` list does not show",
            ),
            (
                "store/s3.rs",
                "use crate::base::span::Span;",
                "store/s3.rs:1: base::span::Span: outside its room only the face is imported: base::Span",
            ),
            (
                "store/s3.rs",
                "use crate::store::Store;",
                "store/s3.rs:1: store::Store: inside a folder the sibling is imported, never the own face",
            ),
            (
                "source/mysql/load.rs",
                "use crate::source::mysql::open;",
                "source/mysql/load.rs:1: source::mysql::open: inside a folder the sibling is imported, never the own face",
            ),
            (
                "source/mysql/load.rs",
                "use crate::source::open;",
                "source/mysql/load.rs:1: source::open: inside a folder the sibling is imported, never the own face",
            ),
            (
                "store/s3.rs",
                "use super::Store;",
                "store/s3.rs:1: super: name the sibling: crate::store::…",
            ),
            (
                "base/span.rs",
                "use crate::base::size::Size;",
                "base/size.rs: base/span.rs: the files of a room import each other in a ring; \
                 base/span.rs: base/size.rs: the files of a room import each other in a ring",
            ),
            ("attic/x.rs", "", "attic/x.rs: attic has no line in the table"),
            (
                "plan/show.rs",
                "fn f() { println!() }",
                "plan/show.rs:1: println!: only [\"cli/\", \"report/console.rs\"] print",
            ),
            (
                "report/log.rs",
                "\n\nfn f() { eprintln!() }",
                "report/log.rs:3: eprintln!: only [\"cli/\", \"report/console.rs\"] print",
            ),
            (
                "plan/build.rs",
                "fn f(s: S) { s.reveal() }",
                "plan/build.rs:1: .reveal(): only [\"artifact/age.rs\", \"artifact/fingerprint.rs\", \"artifact/open.rs\", \"artifact/press.rs\", \"artifact/signature.rs\", \"world/\", \"source/\", \"store/\", \"catalog/\", \"step/\", \"notify/\", \"web/\", \"cli/\"] \
                 open secrets",
            ),
            ("cli/run.rs", "fn f() { dbg!(1) }", "cli/run.rs:1: dbg!: not in finished code"),
            (
                "cli/run.rs",
                "#[cfg(test)] mod tests { fn f() { todo!() } }",
                "cli/run.rs:1: todo!: not in finished code",
            ),
            ("cli/run.rs", "// FIXME: later", "cli/run.rs:1: FIXME: open an issue"),
            (
                "cli/run.rs",
                "fn f() { unimplemented!() }",
                "cli/run.rs:1: unimplemented!: not in finished code",
            ),
        ];
        for (file, text, expected) in WRONG {
            assert_eq!(told(file, text).join("; "), expected, "{file}: {text}");
        }
        assert_eq!(told("cli/run.rs", &"\n".repeat(LINES)), [""; 0]);
        let long = told("cli/run.rs", &"\n".repeat(LINES + 1));
        assert_eq!(long, ["cli/run.rs: 551 lines: a file has 550 at most"]);
    }
}
