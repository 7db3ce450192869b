//! Every kind of step, every way to end: what the catalog, the letter and the webhook say of it.
//!
//! Each cell is run twice, once a language. What a cell asks for is written beside it, and nothing is
//! looked up in the program.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::servers::Pg;
use crate::common::space::{Space, until, word};
use crate::record::notify::{mail_sink, web_sink};

/// What is expected of one step, and of the run around it.
struct Cell {
    /// The job's own part of the file.
    job: String,
    /// The step that is looked at, by its verb.
    verb: &'static str,
    /// Exit code.
    code: i32,
    /// Verdict of the run: 1, 2 or 3.
    verdict: i64,
    /// State and verdict of the step in the catalog.
    step: (&'static str, Option<i64>),
    /// Status of the row in `backup_log`, where there is one.
    backup: Option<i64>,
    /// Verdict and code of each copy in the catalog.
    copies: Vec<(i64, &'static str)>,
    /// How the webhook says that the step ended.
    end: &'static str,
    /// What the letter says of it, in pt-BR and English.
    says: [&'static str; 2],
}

const WORDS: [[&str; 2]; 3] = [["Sucesso", "Success"], ["Alerta", "Alert"], ["Erro", "Error"]];

fn cell(job: &str, verb: &'static str) -> Cell {
    Cell {
        job: job.into(),
        verb,
        code: 0,
        verdict: 1,
        step: ("done", Some(1)),
        backup: None,
        copies: Vec::new(),
        end: "done",
        says: ["Sucesso", "Success"],
    }
}

impl Cell {
    fn alert(self, step: (&'static str, Option<i64>), end: &'static str) -> Cell {
        Cell { verdict: 2, step, end, says: WORDS[1], ..self }
    }

    fn failed(self, says: [&'static str; 2]) -> Cell {
        Cell { code: 1, verdict: 3, step: ("failed", Some(3)), end: "failed", says, ..self }
    }

    fn interrupted(self) -> Cell {
        let says = ["interrompida", "interrupted"];
        Cell {
            code: 130,
            verdict: 3,
            step: ("interrupted", Some(3)),
            end: "interrupted",
            says,
            ..self
        }
    }

    fn backup(self, status: i64, copies: &[(i64, &'static str)]) -> Cell {
        Cell { backup: Some(status), copies: copies.to_vec(), ..self }
    }

    /// Runs it in both languages; `ready` says when to stop it, if it is to be stopped.
    fn holds(&self, prepare: &dyn Fn(&Space), ready: Option<&dyn Fn(&Space) -> bool>) {
        for (number, language) in ["pt-BR", "en"].into_iter().enumerate() {
            let ((mail, letter), (web, posts)) = (mail_sink(), web_sink(1));
            let space = Space::new().job(&format!(
                "language \"{language}\"\nmail host=\"127.0.0.1\" port={mail} tls=#false from=\"vex@example.com\"\n\
                 notify {{\n  email to=\"dba@example.com\"\n  webhook (env)\"HOOK\"\n}}\n{}\n",
                self.job.replace("LANGUAGE", language)
            ));
            let space = space.env("HOOK", format!("http://127.0.0.1:{web}/hook"));
            prepare(&space);
            let running = space.start(&["run", "job.kdl"]);
            if let Some(ready) = ready {
                until("the step to be at work", || ready(&space).then_some(()));
                running.signal(Signal::INT);
            }
            let told = format!("{} {language}: {}", self.verb, self.job);
            assert_eq!(running.ends_soon(), self.code, "{told}\n{}", space.logs());
            self.catalog_says(&space, &told);
            let posts = posts.join().expect("a sink");
            let post: Value = serde_json::from_str(&posts[0].1).expect("JSON");
            self.post_says(&post, &told);
            self.letter_says(&letter.join().expect("a sink"), number, &told);
        }
    }

    fn catalog_says(&self, space: &Space, told: &str) {
        assert_eq!(space.catalog::<i64>("SELECT verdict FROM run"), self.verdict, "{told}");
        let step = format!(
            "SELECT group_concat(state || ' ' || coalesce(verdict, '-'), ',') FROM step WHERE verb='{}'",
            self.verb
        );
        let expected =
            format!("{} {}", self.step.0, self.step.1.map_or("-".into(), |v| v.to_string()));
        assert_eq!(space.catalog::<String>(&step), expected, "{told}");
        let status = "SELECT group_concat(status_backup) FROM backup_log";
        let expected = self.backup.map(|status| status.to_string());
        assert_eq!(space.catalog::<Option<String>>(status), expected, "{told}");
        let copies =
            "SELECT group_concat(verdict || ' ' || code) FROM (SELECT * FROM copy ORDER BY store)";
        let expected: Vec<String> =
            self.copies.iter().map(|(verdict, code)| format!("{verdict} {code}")).collect();
        let expected = (!expected.is_empty()).then(|| expected.join(","));
        assert_eq!(space.catalog::<Option<String>>(copies), expected, "{told}");
    }

    fn post_says(&self, post: &Value, told: &str) {
        let verdict = ["success", "alert", "error"][self.verdict as usize - 1];
        assert_eq!((word(post, "verdict"), post["version"].as_i64()), (verdict, Some(2)), "{told}");
        let steps = post["steps"].as_array().expect("steps");
        let verb = if self.verb == "keep" { "prune" } else { self.verb };
        let step = steps.iter().find(|s| s["verb"] == verb);
        let step = step.unwrap_or_else(|| panic!("{told}: no {verb} in {post}"));
        assert_eq!(word(step, "end"), self.end, "{told}");
        let copies: Vec<i64> = post["copies"]
            .as_array()
            .expect("copies")
            .iter()
            .map(|c| match word(c, "verdict") {
                "success" => 1,
                "alert" => 2,
                _ => 3,
            })
            .collect();
        let mut expected: Vec<i64> = self.copies.iter().map(|(verdict, _)| *verdict).collect();
        expected.sort_unstable();
        let mut copies = copies;
        copies.sort_unstable();
        assert_eq!(copies, expected, "{told}");
    }

    fn letter_says(&self, letter: &str, language: usize, told: &str) {
        // What stands before the log, with the line breaks of quoted-printable undone.
        let text = plain(letter);
        let result =
            [["Resultado: ", "Result: "][language], WORDS[self.verdict as usize - 1][language]];
        assert!(text.contains(&result.concat()), "{told}\n{text}");
        let line = text.lines().find(|l| l.contains(&format!("/{}/", self.verb)));
        let line = line.unwrap_or_else(|| panic!("{told}: no line of the step\n{text}"));
        assert!(line.contains(self.says[language]), "{told}\n{line}");
        for _ in self.copies.iter().filter(|(verdict, _)| *verdict == 3) {
            let why = ["Motivo: ", "Reason: "][language];
            assert!(text.contains(why), "{told}: a copy without its reason\n{text}");
        }
    }
}

/// The first part of a letter, without its transfer encoding.
fn plain(letter: &str) -> String {
    let joined = letter.replace("=\n", "").replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        let byte = hex.and_then(|h| u8::from_str_radix(h, 16).ok()).filter(|_| *first == b'=');
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const SQLITE: &str = "sources { sqlite \"app\" path=\"app.db\" }\n\
    stores {\n  dir \"far\" path=\"far\"\n  dir \"nas\" path=\"nas\"\n}\n";

fn app(space: &Space) {
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)");
}

/// A store whose folder is a file.
fn blocked(space: &Space, store: &str) {
    fs::write(space.path(store), "not a folder").expect("written");
}

#[test]
fn programs_tell_how_they_ended() {
    let job = |command: &str, more: &str| {
        format!("job \"j\" {{ exec \"x\" {more} {{ command \"sh\" \"-c\" \"{command}\" }} }}")
    };
    cell(&job("true", ""), "exec").holds(&|_| {}, None);
    cell(&job("exit 3", "optional=#true"), "exec")
        .alert(("failed", Some(2)), "failed")
        .holds(&|_| {}, None);
    let says = ["um programa falhou", "a program failed"];
    cell(&job("exit 3", ""), "exec").failed(says).holds(&|_| {}, None);
    let at_work = |space: &Space| space.path("here").exists();
    cell(&job("touch here; sleep 600", ""), "exec").interrupted().holds(&|_| {}, Some(&at_work));
}

#[test]
fn dumps_and_their_copies_tell_how_they_ended() {
    let dump =
        |steps: &str| cell(&format!("{SQLITE}job \"j\" {{ dump \"app\" {{ {steps} }} }}"), "dump");
    let both = "send \"far\" \"nas\"";
    dump(both).backup(1, &[(1, ""), (1, "")]).holds(&app, None);
    let one_gone = |space: &Space| {
        app(space);
        blocked(space, "far");
    };
    let says = WORDS[2];
    dump(both).failed(says).backup(1, &[(3, "failed"), (1, "")]).holds(&one_gone, None);
    let optional = "send \"far\" optional=#true; send \"nas\"";
    dump(optional)
        .alert(("done", Some(2)), "done")
        .backup(1, &[(2, "failed"), (1, "")])
        .holds(&one_gone, None);
    let all_gone = |space: &Space| {
        app(space);
        blocked(space, "far");
        blocked(space, "nas");
    };
    let says = ["falhou (open", "it failed (open"];
    dump(both).failed(says).backup(3, &[(3, "failed"), (3, "failed")]).holds(&all_gone, None);
    dump(both).failed(WORDS[2]).backup(3, &[]).holds(&|_| {}, None);
}

#[test]
fn a_dump_that_is_stopped_tells_so() {
    let job = format!("{SQLITE}job \"j\" {{ dump \"app\" {{ send \"nas\" }} }}");
    let lock = std::cell::RefCell::new(None);
    let locked = |space: &Space| {
        app(space);
        let held = rusqlite::Connection::open(space.path("app.db")).expect("a database");
        held.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
        *lock.borrow_mut() = Some(held);
    };
    let waits = |space: &Space| {
        let catalog = rusqlite::Connection::open(space.state("catalog.sqlite"));
        let running = "SELECT count(*) FROM step WHERE state='running'";
        catalog.is_ok_and(|c| c.query_row(running, [], |row| row.get(0)).is_ok_and(|n: i64| n == 1))
    };
    cell(&job, "dump").interrupted().backup(3, &[]).holds(&locked, Some(&waits));
}

#[test]
fn verifications_and_retention_tell_how_they_ended() {
    let of =
        |verb: &'static str, steps: &str| cell(&format!("{SQLITE}job \"j\" {{ {steps} }}"), verb);
    let all = "dump \"app\" { send \"nas\"; verify \"nas\" }";
    of("verify", all).backup(1, &[(1, "")]).holds(&app, None);
    // The newest backup loses a byte between the dump and the step that reads it.
    let spoil = "exec \"spoil\" after=\"dump/app\" { command \"sh\" \"-c\" \"f=$(ls nas/j/app/*.zip); printf x | dd of=$f bs=1 seek=60 conv=notrunc\" }";
    let later = |fields: &str| {
        format!(
            "dump \"app\" {{ send \"nas\" }}; {spoil}; verify \"app\" from=\"nas\" after=\"spoil\" {fields}"
        )
    };
    let says = ["o backup está danificado", "the backup is damaged"];
    let damaged = of("verify", &later("")).failed(says).backup(1, &[(1, "")]);
    Cell { code: 65, ..damaged }.holds(&app, None);

    let kept = SQLITE.replace("path=\"nas\"", "path=\"nas\" { keep last=1 }");
    let keep = |steps: &str| cell(&format!("{kept}job \"j\" {{ {steps} }}"), "keep");
    keep("dump \"app\" { send \"nas\" }").backup(1, &[(1, "")]).holds(&app, None);
    // What another job file made is left alone, and named.
    let foreign = |space: &Space| {
        app(space);
        let other = format!("{kept}job \"j\" {{ dump \"app\" {{ send \"nas\" }} }}\n");
        fs::create_dir(space.path("other")).expect("a folder");
        fs::write(
            space.path("other/job.kdl"),
            other
                .replace("path=\"app.db\"", "path=\"../app.db\"")
                .replace("\"nas\" {", "\"../nas\" {"),
        )
        .expect("written");
        space.run(&["run", "other/job.kdl"]).expect(0);
        fs::remove_file(space.state("catalog.sqlite")).expect("it is there");
    };
    keep("dump \"app\" { send \"nas\" }")
        .alert(("done", Some(2)), "done")
        .backup(1, &[(1, "")])
        .holds(&foreign, None);
}

/// A job whose store is a bucket, another part of it for each language.
fn in_bucket(server: &S3Server, steps: &str) -> String {
    format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ s3 \"cloud\" bucket=\"{}\" endpoint=\"{}\" prefix=\"LANGUAGE\" {{ \
         access-key (file)\"{}\"; secret-key (file)\"{}\"; keep last=1 }} }}\n\
         job \"j\" {{ {steps} }}",
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    )
}

/// Runs the job once, without telling anybody; its catalog is gone afterwards.
fn ran_before(space: &Space) {
    let told = fs::read_to_string(space.path("job.kdl")).expect("a job file");
    let (_, quiet) = told.split_once("\n}\n").expect("whom to tell stands first");
    fs::write(space.path("job.kdl"), quiet).expect("written");
    space.back_up();
    fs::write(space.path("job.kdl"), told).expect("written");
    fs::remove_file(space.state("catalog.sqlite")).expect("it is there");
}

#[test]
fn verifications_and_retention_that_a_store_hinders_tell_so() {
    let server = S3Server::start();
    let came = |kind: Kind, end: &str| {
        server.requests().iter().filter(|r| r.kind == kind && r.path.ends_with(end)).count()
    };
    let begun = std::cell::Cell::new(0);
    // A service that is never ready is waited for, until somebody stops the run.
    let busy = |kind| Fault::new(kind, What::Answer(503, "SlowDown")).always();
    let verify = in_bucket(&server, "dump \"app\" { send \"cloud\"; verify \"cloud\" }");
    let unready = |space: &Space| {
        app(space);
        server.heal();
        begun.set(came(Kind::Get, ".zip"));
        server.fault(busy(Kind::Get).on(".zip"));
    };
    let reads = |_: &Space| came(Kind::Get, ".zip") > begun.get();
    let cells = cell(&verify, "verify").interrupted().backup(1, &[(1, "")]);
    cells.holds(&unready, Some(&reads));

    const HEAD: &str = ".zip.manifest.json";
    let keep = in_bucket(&server, "dump \"app\" { send \"cloud\" }");
    let with = |fault: Fault| {
        let (server, begun, came) = (&server, &begun, &came);
        move |space: &Space| {
            app(space);
            server.heal();
            ran_before(space);
            begun.set(came(Kind::Delete, HEAD));
            server.fault(fault.clone().on(HEAD));
        }
    };
    let removes = |_: &Space| came(Kind::Delete, HEAD) > begun.get();
    let cells = cell(&keep, "keep").interrupted().backup(1, &[(1, "")]);
    cells.holds(&with(busy(Kind::Delete)), Some(&removes));
    let denied = Fault::new(Kind::Delete, What::Answer(403, "AccessDenied")).always();
    // A store that refuses a removal keeps what it has; that is told, and no failure.
    let cells = cell(&keep, "keep").alert(("done", Some(2)), "done").backup(1, &[(1, "")]);
    cells.holds(&with(denied), None);
}

#[test]
fn vacuums_and_files_that_are_an_alert_tell_so() {
    let server = Pg::ALL[0].start(&[]);
    server.sql("postgres", "CREATE ROLE joe LOGIN");
    server.sql("postgres", "CREATE DATABASE erp");
    server.sql("erp", "CREATE TABLE t (a int); GRANT CREATE ON SCHEMA public TO joe");
    let job = |user: &str, steps: &str| {
        format!(
            "sources {{ postgres \"erp\" socket=\"{}\" port={} user=\"{user}\" {{ databases \"erp\" }} }}\n\
             stores {{\n  dir \"far\" path=\"far\"\n  dir \"nas\" path=\"nas\"\n}}\njob \"j\" {{ {steps} }}",
            server.socket.display(),
            server.port
        )
    };
    // A table of somebody else can't be vacuumed.
    cell(&job("joe", "vacuum \"erp\""), "vacuum")
        .alert(("done", Some(2)), "done")
        .holds(&|_| {}, None);
    let one_gone = |space: &Space| {
        crate::postgres::physical::site(space, &server.version.programs());
        blocked(space, "far");
    };
    let steps = "physical \"erp\" { send \"far\" optional=#true; send \"nas\" }";
    cell(&job("postgres", steps), "physical")
        .alert(("done", Some(2)), "done")
        .backup(1, &[(2, "failed"), (1, "")])
        .holds(&one_gone, None);
}

#[test]
fn vacuums_and_files_tell_how_they_ended() {
    let server = Pg::ALL[0].start(&[]);
    server.sql("postgres", "CREATE DATABASE erp");
    server.sql("erp", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let source = |port: u16| {
        format!(
            "sources {{ postgres \"erp\" socket=\"{}\" port={port} user=\"postgres\" {{ databases \"erp\" }} }}\n\
             stores {{ dir \"nas\" path=\"nas\" }}\n",
            server.socket.display()
        )
    };
    let vacuum = |port, fields: &str| {
        cell(&format!("{}job \"j\" {{ vacuum \"erp\" {fields} }}", source(port)), "vacuum")
    };
    vacuum(server.port, "").holds(&|_| {}, None);
    vacuum(server.port + 1, "").failed(["sem resposta", "no answer"]).holds(&|_| {}, None);
    let files = |port| {
        cell(
            &format!("{}job \"j\" {{ physical \"erp\" {{ send \"nas\" }} }}", source(port)),
            "physical",
        )
    };
    let programs = server.version.programs();
    let site = |space: &Space| crate::postgres::physical::site(space, &programs);
    files(server.port).backup(1, &[(1, "")]).holds(&site, None);
    files(server.port + 1).failed(["sem resposta", "no answer"]).backup(3, &[]).holds(&site, None);
    let gone = |space: &Space| {
        site(space);
        blocked(space, "nas");
    };
    let says = ["falhou (open", "it failed (open"];
    files(server.port).failed(says).backup(3, &[(3, "failed")]).holds(&gone, None);
    // A program that is stopped while it copies.
    let slow = |space: &Space| {
        let own = space.path("programs");
        fs::create_dir(&own).expect("a folder");
        for entry in fs::read_dir(&programs).expect("programs").flatten() {
            let link = own.join(entry.file_name());
            std::os::unix::fs::symlink(entry.path(), link).expect("a link");
        }
        let (real, mine) = (programs.join("pg_basebackup"), own.join("pg_basebackup"));
        fs::remove_file(&mine).expect("removed");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *--version*|*-V*) exec {} --version;; esac\ntouch {}\nexec sleep 600\n",
            real.display(),
            space.path("here").display()
        );
        fs::write(&mine, script).expect("written");
        fs::set_permissions(&mine, fs::Permissions::from_mode(0o755)).expect("it is ours");
        crate::postgres::physical::site(space, &own);
    };
    let at_work = |space: &Space| space.path("here").exists();
    files(server.port).interrupted().backup(3, &[]).holds(&slow, Some(&at_work));
}
