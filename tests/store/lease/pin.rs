//! `vex keep`: what is pinned stays until its pin has gone by or is released.

use serde_json::{Value, json};

use crate::common::s3_server::S3Server;
use crate::common::space::{Space, names, word};
use crate::store::identity::{grade, ids};
use crate::store::lease::{keeps, last_log, lease_of_another, leases, run, space};

fn pins(space: &Space) -> Vec<String> {
    names(&space.path("nas")).into_iter().filter(|name| name.contains("vex-pin-")).collect()
}

#[test]
fn what_is_pinned_survives_retention_and_goes_once_it_is_released() {
    let space = space(3);
    let all = ids(&space.list());
    let ran = space.run(&["keep", "job.kdl", &all[0], "--until", "never", "--note", "audit"]);
    let ran = ran.expect(0);
    assert!(ran.stdout.contains("is kept until it is released"), "{}", ran.stdout);
    let date = ["--until", "2999-12-31"];
    space.run(&[&["keep", "job.kdl", &all[1], "app"][..], &date].concat()).expect(0);
    let pinned: Vec<String> =
        space.list().iter().map(|line| line["pinned-until"].to_string()).collect();
    assert_eq!(pinned.len(), 3);
    // The whole day, in the zone of the job.
    let day = ["\"2999-12-31T", "\"3000-01-01T"].iter().any(|day| pinned[1].starts_with(day));
    assert!(pinned[0] == "\"never\"" && day, "{pinned:?}");
    assert_eq!(pinned[2], "null");
    let human = space.run(&["list", "job.kdl"]).expect(0).stdout;
    assert!(human.lines().next().unwrap().ends_with("PINNED UNTIL"), "{human}");
    assert_eq!(human.lines().filter(|line| line.ends_with("never")).count(), 1, "{human}");

    keeps(&space, 1);
    let plan = space.run(&["plan", "job.kdl", "nightly"]).expect(0).stdout;
    assert!(plan.contains("pinned until it is released"), "{plan}");
    let key = word(&space.list()[0], "key").to_owned();
    assert!(!plan.contains(&format!("would remove {key}")), "{plan}");
    let ran = run(&space);
    assert_eq!(grade(&ran), "Sucesso");
    assert_eq!(ids(&space.list())[..2], all[..2], "{}", ran.stdout);
    assert!(last_log(&space).contains("pinned until it is released"), "{}", ran.stdout);
    assert_eq!((space.list().len(), pins(&space).len()), (3, 2));
    // A shorter time takes the place of a longer one; who asked for it is in the pin.
    space.run(&["keep", "job.kdl", &all[0], "--until", "2998-01-01T00:00:00Z"]).expect(0);
    assert_eq!(space.list()[0]["pinned-until"], "2998-01-01T00:00:00Z");
    let pin = std::fs::read_to_string(space.path("nas").join(&pins(&space)[0])).unwrap();
    assert!(pin.contains("\"who\": \"") && pin.contains('@'), "{pin}");

    for (id, left) in [(&all[0], 2), (&all[1], 1)] {
        space.run(&["keep", "job.kdl", id, "--release"]).expect(0);
        assert_eq!(grade(&run(&space)), "Sucesso");
        assert_eq!(space.list().len(), left, "{id}");
    }
    let human = space.run(&["list", "job.kdl"]).expect(0).stdout;
    assert!(human.lines().next().unwrap().ends_with("PROOF"), "{human}");
    let ran = space.run(&["keep", "job.kdl", &ids(&space.list())[0], "--release"]).expect(0);
    assert!(ran.stdout.contains("was not pinned"), "{}", ran.stdout);
    assert_eq!(leases(&space), [""; 0]);
}

#[test]
fn a_pin_that_has_gone_by_goes_with_its_backup_and_one_that_nobody_can_read_holds() {
    let space = space(3);
    let lines = space.list();
    for line in &lines[..2] {
        space.run(&["keep", "job.kdl", word(line, "id"), "--until", "never"]).expect(0);
    }
    // Two runs may begin within one second, so the names say nothing of their order.
    let of = |line: &Value| {
        let own = pins(&space).into_iter().find(|name| name.contains(word(line, "id")));
        space.path("nas").join(own.expect("its pin"))
    };
    let paths = [of(&lines[0]), of(&lines[1])];
    let gone_by = json!({
        "format": 1, "id": lines[0]["id"], "source": "app", "kind": "sqlite",
        "until": "2001-01-01T00:00:00Z", "who": "a@b", "at": "2001-01-01T00:00:00Z",
    });
    std::fs::write(&paths[0], gone_by.to_string()).unwrap();
    std::fs::write(&paths[1], "{ torn").unwrap();
    keeps(&space, 1);
    let ran = run(&space);
    assert_eq!(grade(&ran), "Alerta", "a pin that can't be read: {}", ran.stdout);
    assert!(last_log(&space).contains("its pin can't be read, and may hold"), "{}", ran.stdout);
    assert!(!paths[0].exists() && paths[1].exists());
    let listed = space.run(&["list", "job.kdl", "--format", "json"]).json();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0]["id"], lines[1]["id"]);
    // A pin of another backup pins nothing under this name.
    std::fs::write(&paths[1], gone_by.to_string()).unwrap();
    assert_eq!(grade(&run(&space)), "Alerta");
    assert_eq!(space.run(&["list", "job.kdl", "--format", "json"]).json().len(), 2);
    space.run(&["keep", "job.kdl", word(&lines[1], "id"), "--release"]).expect(0);
    assert_eq!(grade(&run(&space)), "Sucesso");
    assert_eq!(space.list().len(), 1);
}

#[test]
fn a_backup_to_keep_is_named_and_what_is_wrong_is_said() {
    let space = space(2);
    let lines = space.list();
    let file = word(&lines[1], "key").rsplit('/').next().unwrap().to_owned();
    space.run(&["keep", "job.kdl", &file, "--until", "never"]).expect(0);
    assert_eq!(space.list()[1]["pinned-until"], "never");
    assert!(space.list()[0]["pinned-until"].is_null());
    let day = file[7..15].to_owned();
    let date = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]);
    for several in [date.as_str(), "20"] {
        let ran = space.run(&["keep", "job.kdl", several, "--until", "never"]).expect(64);
        for line in &lines {
            assert!(ran.stderr.contains(word(line, "id")), "{several}: {}", ran.stderr);
        }
    }
    for (arguments, code) in [
        (&["x", "--until", "never"][..], 64),
        (&[&file, "--until", "tomorrow"], 64),
        (&[&file, "--until", "2026-02-30"], 64),
        (&[&file], 64),
        (&[&file, "--release", "--until", "never"], 64),
        (&[&file, "crm", "--until", "never"], 64),
        (&[&file, "--until", "2001-01-01"], 1),
    ] {
        space.run(&[&["keep", "job.kdl"], arguments].concat()).expect(code);
    }
    assert_eq!(space.list()[1]["pinned-until"], "never", "it stays as it was");
    // As long as others remove there, nobody says that it is kept.
    let lease = lease_of_another(&space, "exclusive");
    let ran = space.run(&["keep", "job.kdl", word(&lines[0], "id"), "--until", "never"]).expect(1);
    assert!(ran.stderr.contains("a restore on far"), "{}", ran.stderr);
    assert_eq!(pins(&space).len(), 1);
    std::fs::remove_file(lease).unwrap();
}

#[test]
fn all_copies_are_pinned_and_a_store_that_is_away_is_named() {
    let server = S3Server::start();
    let job = |last: u32, endpoint: &str| {
        format!(
            "sources {{ sqlite \"app\" path=\"app.db\" }}\nstores {{\n  dir \"nas\" path=\"nas\" {{ keep last={last} }}\n  \
             s3 \"cloud\" bucket=\"{}\" endpoint=\"{endpoint}\" {{ access-key (file)\"{}\"; secret-key \
             (file)\"{}\"; keep last={last} }}\n}}\n\
             job \"nightly\" {{ dump \"app\" {{ send \"nas\" \"cloud\"; verify \"nas\" \"cloud\" }} }}\n",
            server.bucket,
            server.access_file.display(),
            server.secret_file.display()
        )
    };
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(&job(9, &server.endpoint));
    space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    (0..2).for_each(|_| drop(space.back_up()));
    let first = word(&space.list()[0], "id").to_owned();
    let ran = space.run(&["keep", "job.kdl", &first, "--until", "never"]).expect(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    std::fs::write(space.path("job.kdl"), job(1, &server.endpoint)).unwrap();
    space.back_up();
    let kept = space.list();
    assert_eq!(kept.iter().filter(|l| word(l, "id") == first).count(), 2, "{kept:?}");
    assert_eq!(kept.len(), 4);
    let nobody = format!("http://127.0.0.1:{}", crate::common::servers::free_port());
    std::fs::write(space.path("job.kdl"), job(1, &nobody)).unwrap();
    space.run(&["keep", "job.kdl", &first, "--release"]).expect(1);
    std::fs::write(space.path("job.kdl"), job(1, &server.endpoint)).unwrap();
    let pinned = |store: &str| {
        let lines = space.list();
        let own = lines.iter().find(|l| word(l, "id") == first && word(l, "store") == store);
        own.unwrap()["pinned-until"].clone()
    };
    assert!(pinned("nas").is_null());
    assert_eq!(pinned("cloud"), "never");
}
