//! The files of a standby: taken from it while it follows, and brought back as a server of its own.

use std::path::Path;

use crate::physical::{STEPS, bring_back, by_socket, job, open_folder};
use crate::servers::{Pg, PgServer};
use crate::space::until;

/// A standby of `primary`, in `folder`.
fn follow(primary: &PgServer, folder: &Path) -> PgServer {
    let data = folder.join("standby");
    let words = ["--write-recovery-conf", "--checkpoint=fast", "--pgdata", data.to_str().unwrap()];
    primary.run("pg_basebackup", &words);
    primary.version.setup().on(&data).start()
}

#[test]
fn the_files_of_a_standby_come_back_as_a_server_of_its_own() {
    for version in Pg::ALL {
        let primary = version.start(&[]);
        primary.run("pgbench", &["-i", "-s", "2", "-q", "postgres"]);
        let folder = open_folder();
        let standby = follow(&primary, folder.path());
        primary.sql("postgres", "CREATE TABLE late AS SELECT generate_series(1, 1000) AS a");
        until("the standby has it", || {
            (standby.value("postgres", "SELECT to_regclass('late')")?.len() == 4).then_some(())
        });
        let space = job(&standby, &by_socket(&standby), STEPS);
        space.back_up();
        // What the primary does later must not come after the restore.
        primary.sql("postgres", "DROP TABLE late");
        let (restored, ran) = bring_back(&space, &standby, &folder.path().join("data"), &[]);
        for claim in [
            "the files are of a standby",
            "put standby.signal aside as standby.signal.off",
            "pg_verifybackup: every file",
            "its log has no ERROR, FATAL or PANIC",
        ] {
            assert!(ran.stdout.contains(claim), "{claim}: {}", ran.stdout);
        }
        assert_eq!(restored.value("SELECT pg_is_in_recovery()"), "false");
        assert_eq!(restored.value("SELECT count(*) FROM late"), "1000");
        restored.client().batch_execute("INSERT INTO late VALUES (0)").unwrap();
        restored.amcheck();
    }
}
