//! `vex report` on an estate with 81 backups: the words of the pages, what is written again, and
//! what a hostile name can't do.

use crate::common::space::Space;
use crate::web::pages::estate;

/// A space whose catalog holds the estate, and its report.
fn reported() -> Space {
    let space =
        Space::new().env("VEX_TEST_NOW", "2026-11-20T12:00:52Z").env("TZ", estate::ZONE).job("");
    space.run(&["report", "--out", "first"]).expect(0);
    let path = space.state("catalog.sqlite");
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for sql in estate::statements() {
        connection.execute_batch(&sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
    }
    connection.execute_batch("COMMIT").unwrap();
    space
}

#[test]
fn the_report_of_an_estate() {
    let space = reported();
    space.run(&["report", "--out", "out"]).expect(0);
    if let Ok(keep) = std::env::var("VEX_KEEP_PAGES") {
        let status =
            std::process::Command::new("cp").arg("-r").arg(space.path("out")).arg(keep).status();
        assert!(status.unwrap().success());
    }
}
