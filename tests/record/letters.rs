//! Letters as a mail server gets them, and what is told of runs that never were.

use std::fs;
use std::io::Read;

use rustix::process::Signal;

use crate::common::smtp::{Smtp, Taken, Wire};
use crate::common::space::{Space, until};

const PLACES: &str = "sources { sqlite \"app\" path=\"app.db\"; sqlite \"gone\" path=\"gone.db\" }\n\
    stores { dir \"nas\" path=\"nas\" { keep last=3 } }\n";

/// A job of one sound chain and one that fails.
fn two_chains(mail: &str, more: &str) -> Space {
    let job = "job \"j\" { dump \"app\" \"gone\" { send \"nas\" } }";
    let notify = format!("notify {{ email to=\"dba@example.com\" {more} }}\n");
    let space = Space::new().job(&format!("{mail}{notify}{PLACES}{job}\n"));
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)");
    space
}

fn only(letters: &[Taken]) -> &Taken {
    assert_eq!(letters.len(), 1, "{letters:?}");
    &letters[0]
}

#[test]
fn a_letter_is_text_and_page_with_both_logs_and_what_failed_first() {
    let smtp = Smtp::start(Wire::Clear);
    let space = two_chains(&smtp.block("tls=#false"), "lang=\"en\"");
    space.database("gone.db", "CREATE TABLE t (a)");
    space.run(&["run", "job.kdl"]).expect(0);
    fs::remove_file(space.path("gone.db")).unwrap();
    space.run(&["run", "job.kdl"]).expect(1);
    let letters = smtp.letters(2);
    let id: String = space.catalog("SELECT id FROM run WHERE verdict=3");
    let letter = &letters[1];
    let host = letter.field("Message-ID").unwrap();
    assert!(host.starts_with(&format!("<{id}.end@")) && host.ends_with('>'), "{host}");
    assert!(letter.field("Date").is_some());
    assert_ne!(letters[0].field("Message-ID"), letter.field("Message-ID"));
    let kinds: Vec<String> = letter.parts().into_iter().map(|(head, _)| head).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert!(letter.data.contains("multipart/alternative"));
    let text = letter.part("text/plain; charset");
    let (failed, good) = (
        text.find("Source: gone").unwrap(),
        text.find("Databases: main").or(text.find("(app, ")).unwrap(),
    );
    assert!(failed < good, "{text}");
    let block = text[failed..].split("\n\n").next().unwrap();
    for part in [
        "Backup: Error",
        "What to do: ",
        "Last good backup before this run: ",
        &id,
        "/backup_script.log",
    ] {
        assert!(block.contains(part), "no {part} in {block}");
    }
    assert!(!block.contains("none is known"), "{block}");
    let page = letter.part("text/html");
    assert!(page.contains("Source: gone") && page.contains("lang=\"en\""), "{page}");
    assert!(letter.part("filename=\"backup_script.log\"").contains("dumps"));
    assert!(!letter.part("filename=\"mydumper_log.log\"").is_empty());
}

#[test]
fn a_refused_receiver_keeps_nobody_else_from_being_told() {
    let smtp = Smtp::start(Wire::Clear);
    let notify =
        "notify { email { to \"a@example.com\" \"refused@example.com\" \"b@example.com\" } }\n";
    let job = "job \"j\" { exec \"x\" { command \"true\" } }\n";
    let space = Space::new().job(&format!("{}{notify}{job}", smtp.block("tls=#false")));
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    assert_eq!(only(&smtp.letters(1)).to, ["a@example.com", "b@example.com"]);
    assert!(ran.stderr.contains("Alert (2)"), "{}", ran.stderr);
    let told = "refused@example.com is refused: ";
    assert!(ran.stderr.contains(told) && ran.stderr.contains("550"), "{}", ran.stderr);
}

#[test]
fn tls_is_chosen_by_word_on_any_port_and_checked() {
    for (wire, word) in [(Wire::StartTls, "starttls"), (Wire::Implicit, "implicit")] {
        let smtp = Smtp::start(wire);
        let more =
            format!("tls=\"{word}\" user=\"vex\" ca=\"ca.pem\" {{ password (env)\"SMTP\" }}");
        let notify = "notify { email to=\"dba@example.com\" }\n";
        let job = "job \"j\" { exec \"x\" { command \"true\" } }\n";
        let space = Space::new()
            .env("SMTP", "CANARY-mail")
            .job(&format!("{}{notify}{job}", smtp.block(&more)));
        fs::write(space.path("ca.pem"), &smtp.certificate).unwrap();
        let ran = space.run(&["run", "job.kdl"]).expect(0);
        assert!(!ran.stderr.contains("Alert"), "{word}: {}", ran.stderr);
        let letters = smtp.letters(1);
        assert!(only(&letters).sealed, "{word}");
        assert_eq!(only(&letters).auth.as_deref(), Some("\0vex\0CANARY-mail"));
        // Another's certificate ends it.
        fs::write(space.path("ca.pem"), Smtp::start(wire).certificate).unwrap();
        let ran = space.run(&["run", "job.kdl", "--strict"]).expect(2);
        assert!(ran.stderr.contains("unable to send mail by 127.0.0.1:"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("CANARY"), "{}", ran.stderr);
    }
}

#[test]
fn a_large_log_is_compressed_and_whole() {
    let smtp = Smtp::start(Wire::Clear);
    let command = "i=0; while [ $i -lt 4000 ]; do echo line $i of a program that says a lot each time; i=$((i+1)); done";
    let job = format!("job \"j\" {{ exec \"x\" {{ command \"sh\" \"-c\" {command:?} }} }}\n");
    let notify = "notify { email to=\"dba@example.com\" }\n";
    let space = Space::new().job(&format!("{}{notify}{job}", smtp.block("tls=#false")));
    space.run(&["run", "job.kdl", "-q"]).expect(0);
    let letters = smtp.letters(1);
    let parts = only(&letters).parts();
    let part =
        parts.iter().find(|(head, _)| head.contains("backup_script.log.gz")).expect("a part");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&part.1[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("line 3999 of") && text.contains("line 0 of"));
}

#[test]
fn a_failure_is_told_while_the_run_goes_on_and_again_at_its_end() {
    let smtp = Smtp::start(Wire::Clear);
    let notify = "notify { email to=\"dba@example.com\" on=\"error\" lang=\"en\" }\n";
    let job = "job \"j\" parallel=2 {\n exec \"bad\" { command \"false\" }\n exec \"long\" { command \"sh\" \"-c\" \"while [ ! -e go ]; do sleep 0.1; done\" }\n}\n";
    let space = Space::new().job(&format!("{}{notify}{job}", smtp.block("tls=#false")));
    let running = space.start(&["run", "job.kdl"]);
    let early = smtp.letters(1).remove(0);
    assert!(early.field("Message-ID").unwrap().contains(".failure@"));
    let text = early.part("text/plain; charset");
    assert!(text.contains("the run goes on") && text.contains("j/exec/bad: Error"), "{text}");
    fs::write(space.path("go"), "").unwrap();
    assert_eq!(running.ends_soon(), 1);
    let letters = smtp.letters(2);
    assert_eq!(letters.len(), 2);
    let last = letters[1].part("text/plain; charset");
    assert!(!last.contains("the run goes on") && last.contains("j/exec/long: Success"), "{last}");
}

#[test]
fn a_failed_drill_is_escalated_and_a_good_one_is_not() {
    let smtp = Smtp::start(Wire::Clear);
    let notify =
        "notify { email to=\"dba@example.com\" escalate=\"boss@example.com\" on=\"change\" }\n";
    let jobs = "job \"j\" { dump \"app\" { send \"nas\" } }\njob \"drill\" { verify \"app\" from=\"nas\" }\n";
    let text = format!("{}{notify}{PLACES}{jobs}", smtp.block("tls=#false"));
    let space = Space::new().job(&text.replace("; sqlite \"gone\" path=\"gone.db\"", ""));
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    space.run(&["run", "job.kdl", "j"]).expect(0);
    space.run(&["run", "job.kdl", "drill"]).expect(0);
    let zip = crate::common::space::files(&space.path("nas"))
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "zip"))
        .unwrap();
    let mut bytes = fs::read(&zip).unwrap();
    bytes[60] ^= 0xff;
    fs::write(&zip, bytes).unwrap();
    space.run(&["run", "job.kdl", "drill"]).expect(65);
    assert_eq!(only(&smtp.letters(1)).to, ["dba@example.com", "boss@example.com"]);
    // The verdict does not change any more: only those who are told of every failed drill.
    space.run(&["run", "job.kdl", "drill"]).expect(1);
    assert_eq!(smtp.letters(2)[1].to, ["boss@example.com"]);
}

/// One that waits for a file, with whoever is told of errors and alerts.
fn waiting(smtp: &Smtp) -> Space {
    let notify = "notify { email to=\"dba@example.com\" on=\"alert\" lang=\"en\" }\n";
    let job = "job \"j\" { exec \"long\" { command \"sh\" \"-c\" \"while [ ! -e go ]; do sleep 0.1; done\" } }\n";
    Space::new().job(&format!("{}{notify}{job}", smtp.block("tls=#false")))
}

fn begun(space: &Space) {
    let steps = "SELECT count(*) FROM step WHERE state='running'";
    until("the step to run", || {
        let catalog = rusqlite::Connection::open(space.state("catalog.sqlite")).ok()?;
        let running: i64 = catalog.query_row(steps, [], |row| row.get(0)).ok()?;
        (running == 1).then_some(())
    });
}

#[test]
fn a_run_that_a_lock_refuses_is_told_and_kept() {
    let smtp = Smtp::start(Wire::Clear);
    let space = waiting(&smtp);
    let running = space.start(&["run", "job.kdl"]);
    begun(&space);
    let id: String = space.catalog("SELECT id FROM run");
    let ran = space.run(&["run", "job.kdl"]).expect(75);
    let holder = format!("another run holds job j: run {id}, process ");
    assert!(ran.stderr.starts_with(&holder) && ran.stderr.contains(", since 20"), "{}", ran.stderr);
    let text = only(&smtp.letters(1)).part("text/plain; charset");
    assert!(text.contains("Result: Alert (2)") && text.contains(&holder), "{text}");
    let row = "SELECT verdict || note FROM run WHERE kind='refused' AND job='j'";
    assert!(space.catalog::<String>(row).starts_with("2another run holds job j"));
    let history = space.run(&["history", "job.kdl"]).expect(0).stdout;
    assert!(history.contains("another run holds job j"), "{history}");
    fs::write(space.path("go"), "").unwrap();
    assert_eq!(running.ends_soon(), 0);
}

#[test]
fn a_run_that_was_killed_is_told_by_the_next_one() {
    let smtp = Smtp::start(Wire::Clear);
    let space = waiting(&smtp);
    let running = space.start(&["run", "job.kdl"]);
    begun(&space);
    let id: String = space.catalog("SELECT id FROM run");
    running.signal(Signal::KILL);
    running.ends_soon();
    fs::write(space.path("go"), "").unwrap();
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    assert!(ran.stderr.contains("Success (1)") || ran.stdout.contains("Success (1)"), "{ran:?}");
    let text = only(&smtp.letters(1)).part("text/plain; charset");
    assert!(text.contains("an earlier run was killed") && text.contains(&id), "{text}");
    space.run(&["run", "job.kdl"]).expect(0);
    only(&smtp.letters(1));
}

#[test]
fn a_state_folder_or_a_job_file_that_can_not_be_used_is_told() {
    let smtp = Smtp::start(Wire::Clear);
    let space = waiting(&smtp);
    fs::create_dir_all(space.state("")).unwrap();
    fs::write(space.state("locks"), "no folder").unwrap();
    space.run(&["run", "job.kdl"]).expect(1);
    let text = only(&smtp.letters(1)).part("text/plain; charset");
    assert!(text.contains("Result: Error (3)") && text.contains("its state folder"), "{text}");
    let job = fs::read_to_string(space.path("job.kdl")).unwrap();
    fs::write(space.path("job.kdl"), job.replace("command", "comand")).unwrap();
    space.run(&["run", "job.kdl"]).expect(78);
    let text = smtp.letters(2)[1].part("text/plain; charset");
    assert!(text.contains("the job file is not valid") && text.contains("`command`"), "{text}");
}
