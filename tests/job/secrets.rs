//! Canaries: no secret is in anything that vex prints, keeps, sends, or starts; and what it makes
//! is its owner's.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::artifact::{entries, frame, head};
use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::servers::Brand;
use crate::common::space::{Ran, Space, files, word};

/// A job whose every secret is a canary; the password of the archive comes as `password` says.
fn space(server: &S3Server, password: &str) -> Space {
    let job = format!(
        r#"
sources {{ sqlite "app" path="app.db" }}
stores {{
    dir "disk" path="disk" {{ keep last=1 }}
    s3 "cloud" bucket="{}" endpoint="{}" {{ access-key (file)"access"; secret-key (env)"SECRET_KEY"; keep last=1 }}
}}
job "j" {{
    archive {{ password {password} }}
    exec "look" {{
        command "sh" "-c" "cat /proc/$$/cmdline /proc/$PPID/cmdline > looked.txt; echo \"$TOKEN\" > token.txt"
        env {{ TOKEN (file)"token" }}
    }}
    dump "app" {{ send "disk" "cloud"; verify "disk" "cloud" }}
}}
"#,
        server.bucket, server.endpoint
    );
    let space = Space::new()
        .job(&job)
        .env("ZIP_PASSWORD", "CANARY-ZIP-ENV")
        .env("SECRET_KEY", &server.secret_key);
    space.secret("access", &server.access_key);
    space.secret("zip", "CANARY-ZIP-FILE\n");
    space.secret("token", "CANARY-TOKEN\n");
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES ('a'), ('b');");
    space
}

/// The variants of the password, and what it is.
const PASSWORDS: [(&str, &str); 3] = [
    (r#"(env)"ZIP_PASSWORD""#, "CANARY-ZIP-ENV"),
    (r#"(file)"zip""#, "CANARY-ZIP-FILE"),
    (r#"(command)"sh" "-c" "cat /proc/$$/cmdline > asked.txt; cat zip""#, "CANARY-ZIP-FILE"),
];

#[track_caller]
fn assert_silent(what: &str, bytes: &[u8]) {
    let at = bytes.windows(6).position(|w| w == b"CANARY");
    let around = at.map(|at| {
        bytes[at.saturating_sub(60)..bytes.len().min(at + 40)].escape_ascii().to_string()
    });
    assert_eq!(around, None, "a secret in {what}");
}

/// Looks at everything that was printed, kept, sent, and started.
#[track_caller]
fn look_everywhere(space: &Space, server: &S3Server, ran: &[Ran]) {
    for ran in ran {
        assert_silent("standard output", ran.stdout.as_bytes());
        assert_silent("standard error", ran.stderr.as_bytes());
    }
    let given = ["access", "zip", "token", "token.txt"].map(|name| space.path(name));
    for path in files(&space.path("")).into_iter().filter(|p| !given.contains(p)) {
        assert_silent(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
    for request in server.requests() {
        let headers =
            request.headers.iter().map(|(n, v)| format!("{n}: {v}\n")).collect::<String>();
        assert_silent(
            "a request",
            format!("{} {}\n{headers}", request.path, request.query).as_bytes(),
        );
        assert_silent("a request's body", &request.body);
    }
    server.assert_tidy("j/app/");
}

#[test]
fn no_command_lets_a_secret_out() {
    for (password, _) in PASSWORDS {
        let server = S3Server::start();
        let space = space(&server, password);
        let commands: [&[&str]; 14] = [
            &["check", "job.kdl"],
            &["doctor", "job.kdl"],
            &["doctor", "job.kdl", "--format", "json"],
            &["plan", "job.kdl"],
            &["run", "job.kdl"],
            &["run", "job.kdl", "--format", "json"],
            &["list", "job.kdl"],
            &["verify", "job.kdl", "--from", "cloud"],
            &["verify", "job.kdl", "--from", "disk", "--format", "json"],
            &["restore", "job.kdl", "--from", "cloud", "--into", "sqlite:new.db"],
            &["restore", "job.kdl", "--only", "app.t", "--into", "sqlite:only.db"],
            &["catalog", "rebuild", "job.kdl"],
            &["schema"],
            &["list", "job.kdl", "--format", "json"],
        ];
        let ran = commands.map(|arguments| space.run(arguments).expect(0));
        look_everywhere(&space, &server, &ran);
        assert_eq!(
            std::fs::read_to_string(space.path("token.txt")).unwrap(),
            "CANARY-TOKEN\n",
            "the child needs it"
        );
        assert!(space.path("looked.txt").exists());
    }
}

#[test]
fn no_failure_lets_a_secret_out() {
    let server = S3Server::start();
    let space = space(&server, PASSWORDS[1].0);
    space.run(&["run", "job.kdl"]).expect(0);
    let ways: [(&str, &dyn Fn()); 5] = [
        ("a wrong password", &|| drop(space.secret("zip", "CANARY-ZIP-OTHER"))),
        ("an empty password", &|| drop(space.secret("zip", ""))),
        ("an open password", &|| {
            std::fs::set_permissions(space.path("zip"), std::fs::Permissions::from_mode(0o644))
                .unwrap();
        }),
        ("no right", &|| {
            server.fault(Fault::new(Kind::List, What::Answer(403, "AccessDenied")).times(999))
        }),
        ("wrong keys", &|| drop(space.secret("access", "CANARY-NOBODY"))),
    ];
    for (what, spoil) in ways {
        spoil();
        let verify = space.run(&["verify", "job.kdl", "--from", "cloud"]);
        assert_ne!(verify.code, 0, "{what}");
        let ran = [verify, space.run(&["run", "job.kdl"])];
        for ran in &ran {
            assert_silent(what, format!("{}{}", ran.stdout, ran.stderr).as_bytes());
        }
    }
    assert_silent("the logs", space.logs().as_bytes());
    assert_silent("the catalog", &std::fs::read(space.state("catalog.sqlite")).unwrap());
}

#[test]
fn a_secret_in_clear_is_refused_and_masked() {
    let space = Space::new().job(
        r#"sources { mysql "m" user="u" password="CANARY-CLEAR" }
        stores { s3 "c" bucket="b" access-key="CANARY-KEY" secret-key="CANARY-SECRET" { keep last=1 } }
        job "j" { archive password="CANARY-ZIP"; dump "m" { send "c"; verify "c" } }"#,
    );
    for arguments in [
        &["check", "job.kdl"][..],
        &["check", "job.kdl", "--format", "json"],
        &["run", "job.kdl"],
        &["plan", "job.kdl"],
        &["doctor", "job.kdl"],
    ] {
        let ran = space.run(arguments).expect(78);
        assert_silent(
            &format!("{arguments:?}"),
            format!("{}{}", ran.stdout, ran.stderr).as_bytes(),
        );
    }
}

#[test]
fn a_child_that_prints_its_secret_is_not_quoted() {
    let job = r#"job "j" { exec "loud" {
        command "sh" "-c" "echo \"I got $TOKEN, $PLAIN\"; echo \"again: $TOKEN\" >&2; exit 1"
        env { TOKEN (env)"TOKEN"; PLAIN "plain" }
    } }"#;
    let space = Space::new().job(job).env("TOKEN", "CANARY-TOKEN");
    let ran = [
        space.run(&["run", "job.kdl"]).expect(1),
        space.run(&["run", "job.kdl", "--format", "json"]).expect(1),
    ];
    for ran in &ran {
        assert_silent("the output", format!("{}{}", ran.stdout, ran.stderr).as_bytes());
    }
    assert!(
        space.logs().contains("I got ***, plain") && space.logs().contains("again: ***"),
        "{}",
        space.logs()
    );
    assert_silent("the log", space.logs().as_bytes());
    assert_silent("the catalog", &std::fs::read(space.state("catalog.sqlite")).unwrap());
}

/// Files and folders that others could open.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut open = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            let expected = if meta.is_dir() { 0o700 } else { 0o600 };
            if meta.permissions().mode() & 0o777 != expected {
                open.push(format!(
                    "{:o} {}",
                    meta.permissions().mode() & 0o777,
                    entry.path().display()
                ));
            }
            if meta.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    open
}

#[test]
fn what_is_made_is_its_owners_whatever_the_umask() {
    let server = S3Server::start();
    let space = space(&server, PASSWORDS[0].0);
    std::fs::create_dir(space.path("made")).unwrap();
    for arguments in [
        &["run", "job.kdl"][..],
        &["restore", "job.kdl", "--from", "disk", "--into", "sqlite:made/new.db"],
    ] {
        let vex = space.vex(arguments);
        let mut open = Command::new("sh");
        open.args(["-c", "umask 000; exec \"$@\"", "sh"])
            .arg(vex.get_program())
            .args(vex.get_args());
        open.env_clear()
            .envs(vex.get_envs().filter_map(|(n, v)| Some((n, v?))))
            .current_dir(space.path(""));
        Ran::from(open.output().unwrap()).expect(0);
    }
    for made in ["state", "disk", "made"] {
        assert!(!files(&space.path(made)).is_empty(), "{made}");
        assert_eq!(open_to_others(&space.path(made)), [""; 0]);
    }
}

/// An address with a password, well formed or not, wherever it may be typed.
#[test]
fn no_address_that_is_typed_lets_its_password_out() {
    let job = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=1 } }
job "j" { dump "app" { send "disk"; verify "disk" } }
"#;
    let space = Space::new().job(job);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES ('a');");
    space.back_up();
    let addresses = [
        "mysql://u:CANARY@h:3306",
        "mysql://u:CANARY@h:bad",
        "mysql://u:CAN/CANARY@h:3306/",
        "mysql://u:7#CANARY@h",
        "mysql://u:7?CANARY@h",
        "mysql://u:7/CANARY@h",
        "mysql:u:CANARY@h",
        "mariadb://u:CANARY@h/shop",
        "postgres://u:CANARY@h/d",
        "postgres://u:7?CANARY@h/d",
        "postgres://u:7/CANARY%ff@h/d",
        "postgres://u:7#CANARY@h/d",
        "postgresql://u:C@CANARY@[::1/d",
        "host=h user=u password=CANARY",
        "u:CANARY@tcp(h:3306)/d",
        "s3://k:CANARY@b/x",
        "s3://k:CANARY@",
        "s3://CANARY@b/x",
        "s3://k:7/CANARY@b/x",
        "s3://k:/CANARY@b/x",
        "s3://k:7#CANARY@b/x",
        "s3://k:7?CANARY@b/x",
        "s3://b/x?endpoint=http://u:CANARY@127.0.0.1:1",
        "s3://b/x?endpoint=http%3A%2F%2Fu%3ACANARY%40127.0.0.1:1",
        "s3://b/x?secret-key=CANARY",
        "https://u:CANARY@h/x.zip",
        "http://CANARY@h",
        "ftp://u:CANARY@h",
    ];
    let commands: [&[&str]; 14] = [
        &["restore", "job.kdl", "--into", "URL"],
        &["restore", "job.kdl", "--into", "sqlite:new.db", "--from", "URL"],
        &["restore", "--from", "URL", "--into", "sqlite:new.db"],
        &["list", "--from", "URL"],
        &["list", "--from=URL", "--format", "json"],
        &["verify", "--from", "URL"],
        &["verify", "job.kdl", "URL"],
        &["export", "--from", "URL", "--sql", "-"],
        &["run", "URL"],
        &["run", "job.kdl", "URL"],
        &["check", "URL"],
        &["URL"],
        &["run", "job.kdl", "--format=URL"],
        &["restore", "job.kdl", "--into", "sqlite:new.db", "--threads", "URL"],
    ];
    for address in addresses {
        for command in commands {
            let words: Vec<String> = command.iter().map(|w| w.replace("URL", address)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ran = space.run(&words);
            assert_ne!(ran.code, 0, "{words:?}");
            assert_silent(
                &format!("{words:?}"),
                format!("{}{}", ran.stdout, ran.stderr).as_bytes(),
            );
        }
    }
    assert_silent("the logs", space.logs().as_bytes());
}

#[test]
fn a_refused_address_is_shown_without_its_password() {
    let space = Space::new().job("job \"j\" { exec \"x\" { command \"true\" } }");
    let table: [(&[&str], &str); 4] = [
        (
            &["list", "--from", "s3://KEY:CANARY@bucket/p"],
            "s3://***@bucket/p: keys do not belong into a URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n",
        ),
        (
            &["list", "--from", "s3://bucket:9000/p"],
            "s3://bucket:9000/p: a bucket has no port; the service is named by endpoint=\n",
        ),
        (
            &["run", "postgres://u:CANARY@h/d"],
            "unable to read postgres://u:***@h/d: No such file or directory\n",
        ),
        (
            &["restore", "--from", "nas", "--into", "mysql://u:CANARY@h"],
            "nas is no store URL and no .zip file; a store's name needs the job file\n",
        ),
    ];
    for (words, told) in table {
        assert_eq!(space.run(words).expect(64).stderr, told);
    }
}

/// A row's key may be what the seal is for. It stands in no object in clear, although the index has
/// the keys of every entry.
#[test]
fn with_a_seal_no_key_of_a_row_is_told_beside_the_archive() {
    // CANARY-KEY@x as a literal of its character set.
    const KEY: &str = "43414E4152592D4B45594078";
    let server = Brand::Mariadb.start(&[]);
    for sql in [
        "CREATE DATABASE shop",
        "CREATE TABLE shop.people (email VARCHAR(80) PRIMARY KEY, v INT) CHARSET=utf8mb4",
        "INSERT INTO shop.people VALUES ('CANARY-KEY@x', 1), ('CANARY-KEY@y', 2)",
    ] {
        server.exec(sql);
    }
    for (archive, sealed) in [("", false), ("archive { password (file)\"zip\" }; ", true)] {
        let space = Space::new().job(&format!(
            "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ databases \"shop\" }} }}\n\
             stores {{ dir \"disk\" path=\"disk\" {{ keep last=9 }} }}\n\
             job \"j\" {{ dump \"db\" {{ {archive}send \"disk\"; verify \"disk\" }} }}\n",
            server.port
        ));
        space.secret("zip", "a password");
        space.back_up();
        let container = space.path("disk").join(word(&space.list()[0], "key"));
        let head = head(&container);
        let mut told = vec![head.to_string()];
        for line in [&head["index"]["members"], &head["index"]["frames"]] {
            told.extend(frame(&container, line).iter().map(Value::to_string));
        }
        told.extend(entries(&container).iter().map(Value::to_string));
        let told = told.concat();
        assert_eq!((told.contains(KEY), told.contains("\"keys\"")), (!sealed, !sealed), "{told}");
        if sealed {
            for path in files(&space.path("disk")) {
                let bytes = std::fs::read(&path).unwrap();
                assert_silent(&path.display().to_string(), &bytes);
                let hex = bytes.windows(KEY.len()).any(|w| w == KEY.as_bytes());
                assert!(!hex, "a key in {}", path.display());
            }
            assert_silent("the index", told.as_bytes());
        }
        // Whoever has the password finds them in the archive.
        let mut seven = Command::new("7zz");
        seven.args(["x", "-so", "-spd", "-pa password"]).arg(&container).arg("index.00000.ndjson");
        let inside = String::from_utf8(seven.output().unwrap().stdout).unwrap();
        assert!(inside.contains(r#""keys":{"first":["#), "{inside}");
        assert!(inside.contains(KEY), "{inside}");
    }
}
