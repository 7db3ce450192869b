//! A proxy between vex and the bucket changes what the bucket says: no backup is called damaged for
//! it, and no proof is written of what nobody read.

use crate::common::s3_server::{Alter, Fault, Kind, S3Server, What};
use crate::common::space::{Space, contents, word};
use crate::store::contract::s3::keys;

/// A backup that nobody has verified yet, of several entries.
fn space(server: &S3Server) -> Space {
    let job = format!(
        r#"
sources {{ sqlite "app" path="app.db" }}
stores {{ s3 "cloud" bucket="{}" endpoint="{}" {{ access-key (file)"{}"; secret-key (file)"{}" }} }}
job "j" {{ dump "app" chunk="64KiB" {{ send "cloud" }} }}
"#,
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    );
    let space = Space::new().job(&job).env("VEX_TEST_HASTE", "1");
    space.database(
        "app.db",
        "CREATE TABLE small (v); INSERT INTO small VALUES ('x');
         CREATE TABLE large (id INTEGER PRIMARY KEY, v TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 500)
         INSERT INTO large SELECT i, hex(randomblob(500)) FROM n;",
    );
    space.back_up();
    space
}

/// The keys of the proofs in the bucket.
fn proofs(server: &S3Server) -> Vec<String> {
    keys(server).into_iter().filter(|key| key.contains(".proof-")).collect()
}

#[test]
fn a_proxy_that_ignores_ranges_or_lengths_does_not_keep_a_backup_from_being_proven() {
    for alters in [&[Alter::Whole][..], &[Alter::Chunked], &[Alter::Whole, Alter::Closed]] {
        let server = S3Server::start();
        let space = space(&server);
        alters.iter().for_each(|a| server.fault(Fault::alter(Kind::Get, a.clone()).always()));
        space.run(&["verify", "job.kdl", "app", "--from", "cloud"]).expect(0);
        assert_eq!(proofs(&server).len(), 1, "{alters:?}");
        assert_eq!(word(&space.list()[0], "proof"), "read", "{alters:?}");
        let restored = space.restore(&space.list()[0], "restored.db");
        assert_eq!(contents(&restored), contents(&space.path("app.db")), "{alters:?}");
    }
}

#[test]
fn a_proxy_that_spoils_answers_ends_a_verify_without_a_word_about_the_backup() {
    let table = [
        What::CutResponse(0),
        What::CutResponse(50),
        What::Alter(Alter::Without("content-range")),
        What::Alter(Alter::Gzip),
        What::Alter(Alter::Page(200, 0)),
        What::Alter(Alter::Body("<html><body>Welcome</body></html>")),
        What::Alter(Alter::Page(404, 0)),
        What::Alter(Alter::Page(416, 0)),
        What::Alter(Alter::Header("content-range", "bytes 0-0/1")),
    ];
    let places = [".zip", ".zip.index"].into_iter();
    for (on, what) in places.flat_map(|on| table.iter().map(move |what| (on, what))) {
        let server = S3Server::start();
        let space = space(&server);
        server.fault(Fault::new(Kind::Get, what.clone()).on(on).always());
        let ran = space.run(&["verify", "job.kdl", "app", "--from", "cloud"]);
        assert_eq!(ran.code, 1, "{what:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("unable to read j/app/backup_"), "{what:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("damaged"), "{what:?}: {}", ran.stderr);
        assert_eq!(proofs(&server), [""; 0], "{what:?}");
        // The proxy is well again, and so was the backup all the time.
        server.heal();
        space.run(&["verify", "job.kdl", "app", "--from", "cloud"]).expect(0);
        assert_eq!(word(&space.list()[0], "proof"), "read", "{what:?}");
    }
}
