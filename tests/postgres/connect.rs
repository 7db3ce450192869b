//! How vex reaches a PostgreSQL server: every way that a DBA has set up, and what it refuses.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space};

const PASSWORD: &str = "CANARY-connect";

/// A private CA.
struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new(name: &str) -> Ca {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Ca(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, for a name or an address.
    fn issue(&self, name: &str, subject: &str) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn write(&self, file: &Path) {
        std::fs::write(file, self.0.pem()).unwrap();
    }
}

/// A job that asks the server `erp`; `fields` say where it is.
fn space(fields: &str) -> Space {
    Space::new().job(&format!(
        "sources {{ postgres \"erp\" {{ {fields} }} }}\njob \"j\" {{ vacuum \"erp\" }}\n"
    ))
}

/// The plan, which asks the server; no secret is in it.
#[track_caller]
fn plan(space: &Space, code: i32) -> String {
    let Ran { stdout, stderr, .. } = space.run(&["plan", "job.kdl"]).expect(code);
    assert!(!stdout.contains("CANARY") && !stderr.contains("CANARY"), "{stdout}{stderr}");
    stdout + &stderr
}

#[track_caller]
fn refused(space: &Space, words: &[&str]) {
    let said = plan(space, 1);
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in: {said}");
}

/// A server that takes nothing over TCP but TLS.
fn encrypted(version: Pg, ca: &Ca, name: &str) -> PgServer {
    let (certificate, key) = ca.issue(name, "a server");
    let closed = "hostnossl all all all reject";
    version.setup().tls(&certificate, &key).hba(closed).start()
}

#[test]
fn a_private_ca_is_believed_for_the_name_in_the_certificate_only() {
    for version in Pg::ALL {
        let (ca, other) = (Ca::new("ours"), Ca::new("theirs"));
        let good = encrypted(version, &ca, "127.0.0.1");
        let named = encrypted(version, &ca, "db.internal");
        let space = |server: &PgServer, fields: &str| {
            let space = space(&format!("host \"127.0.0.1\"; port {}; {fields}", server.port));
            ca.write(&space.path("ca.pem"));
            other.write(&space.path("other.pem"));
            space
        };
        for fields in [
            "ca \"ca.pem\"",
            "tls \"verify-full\"; ca \"ca.pem\"",
            "tls \"verify-ca\"; ca \"ca.pem\"",
        ] {
            plan(&space(&good, fields), 0);
        }
        for fields in [
            "tls \"verify-ca\"; ca \"ca.pem\"",
            "tls \"require\"",
            "tls \"require\"; ca \"other.pem\"",
        ] {
            plan(&space(&named, fields), 0);
        }
        refused(
            &space(&named, "tls \"verify-full\"; ca \"ca.pem\""),
            &["certificate not valid for name", "127.0.0.1", "wants the host's name"],
        );
        for fields in [
            "tls \"verify-full\"; ca \"other.pem\"",
            "tls \"verify-ca\"; ca \"other.pem\"",
            "tls \"verify-full\"",
        ] {
            refused(&space(&good, fields), &["UnknownIssuer", "`ca` names"]);
        }
        // On this machine, in the clear: the server does not want that.
        refused(&space(&good, ""), &["no encryption"]);
        refused(&space(&good, "tls \"verify-full\"; ca \"missing.pem\""), &["missing.pem"]);
    }
}

#[test]
fn tls_is_refused_by_a_server_that_has_none() {
    let server = Pg::V15.shared();
    for mode in ["verify-full", "verify-ca", "require"] {
        let space = space(&format!("host \"127.0.0.1\"; port {}; tls \"{mode}\"", server.port));
        refused(&space, &["server does not support TLS", "Give the server a certificate"]);
    }
}

#[test]
fn an_own_certificate_is_shown_to_a_server_that_asks_for_one() {
    for version in Pg::ALL {
        let ca = Ca::new("ours");
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("clients.pem");
        ca.write(&root);
        let (certificate, key) = ca.issue("127.0.0.1", "a server");
        let setup =
            version.setup().tls(&certificate, &key).hba("hostssl all all 127.0.0.1/32 cert");
        let server = setup.setting(&format!("ssl_ca_file={}", root.display())).start();
        let space = |own: &str, fields: &str| {
            let space = space(&format!(
                "host \"127.0.0.1\"; port {}; ca \"ca.pem\"; {fields}",
                server.port
            ));
            let (certificate, key) = ca.issue("client", own);
            ca.write(&space.path("ca.pem"));
            std::fs::write(space.path("own.pem"), certificate).unwrap();
            space.secret("own.key", &key);
            space
        };
        plan(&space("postgres", "cert \"own.pem\"; key \"own.key\""), 0);
        refused(
            &space("somebody", "cert \"own.pem\"; key \"own.key\""),
            &["certificate authentication failed"],
        );
        refused(&space("postgres", ""), &["client certificate"]);
    }
}

#[test]
fn a_scram_password_is_needed_and_never_shown() {
    for version in Pg::ALL {
        let ca = Ca::new("ours");
        let (certificate, key) = ca.issue("127.0.0.1", "a server");
        let server = version.setup().scram(PASSWORD).tls(&certificate, &key).start();
        for (tls, word) in [("ca \"ca.pem\"", PASSWORD), ("tls \"off\"", PASSWORD)] {
            let space = space(&format!(
                "host \"127.0.0.1\"; port {}; {tls}; password (env)\"PW\"",
                server.port
            ));
            ca.write(&space.path("ca.pem"));
            plan(&space.env("PW", word), 0);
        }
        let space =
            |fields: &str| space(&format!("host \"127.0.0.1\"; port {}; {fields}", server.port));
        let wrong = space("password (env)\"PW\"").env("PW", "CANARY-wrong");
        refused(&wrong, &["password authentication failed for user \"postgres\"", "pg_hba.conf"]);
        refused(&space(""), &["password"]);
        refused(&space("password (env)\"PW\""), &["PW"]);
    }
}

#[test]
fn the_password_file_is_read_when_only_its_owner_can() {
    let server = Pg::V17.setup().scram(PASSWORD).start();
    let space = space(&format!("host \"127.0.0.1\"; port {}", server.port));
    let line = format!(
        "# mine\nother:*:*:*:CANARY-other\n127.0.0.1:{}:*:postgres:{PASSWORD}\n",
        server.port
    );
    let file = space.secret(".pgpass", &line);
    let home = space.path("").display().to_string();
    let space = space.env("HOME", home);
    plan(&space, 0);
    for mode in [0o644, 0o640, 0o604] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        refused(&space, &[".pgpass can be read by others", "0600"]);
    }
    std::fs::remove_file(&file).unwrap();
    refused(&space, &["password"]);
    let elsewhere = space.secret("elsewhere", &line);
    plan(&space.env("PGPASSFILE", elsewhere.display().to_string()), 0);
}

#[test]
fn a_service_says_where_the_server_is_and_the_job_file_wins_over_it() {
    let server = Pg::V15.setup().scram(PASSWORD).start();
    let text = format!(
        "[other]\nhost=192.0.2.1\n\n[erp]\nhost=127.0.0.1\nport={}\nuser=postgres\ndbname=template1\npassword={PASSWORD}\n",
        server.port
    );
    let at = |space: Space| {
        let file = space.secret("services", &text).display().to_string();
        space.env("PGSERVICEFILE", file)
    };
    let said = plan(&at(space("service \"erp\"")), 0);
    assert!(said.contains("database postgres: 0 tables"), "{said}");
    refused(&at(space("service \"erp\"; user \"nobody_here\"")), &["nobody_here"]);
    refused(&at(space("service \"erq\"")), &["erq", "services"]);
    refused(&at(space("service \"erp\"; port 1")), &["127.0.0.1:1"]);
}

#[test]
fn a_socket_is_a_way_in() {
    for version in Pg::ALL {
        let server = version.shared();
        let fields = format!("socket \"{}\"; port {}", server.socket.display(), server.port);
        let said = plan(&space(&fields), 0);
        assert!(said.contains("database postgres"), "{said}");
        refused(
            &space(&format!("socket \"{}\"; port 1", server.socket.display())),
            &[":1: error connecting to server", "No such file"],
        );
    }
}

#[test]
fn of_several_hosts_the_one_that_answers_and_has_the_role_is_taken() {
    for version in Pg::ALL {
        let primary = version.setup().hba("host all all 127.0.0.0/8 trust").start();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        primary.run("pg_basebackup", &["-D", data.to_str().unwrap(), "-R", "-c", "fast"]);
        let standby = version
            .setup()
            .on(&data)
            .hba("host all all 127.0.0.0/8 trust")
            .at("127.0.0.2", primary.port)
            .start();
        let space = |hosts: &str, rest: &str| {
            space(&format!("host {hosts}; port {}; {rest}", primary.port))
        };
        let standby_first = "\"127.0.0.2\" \"127.0.0.1\"";
        plan(&space(standby_first, "session \"primary\""), 0);
        refused(&space(standby_first, ""), &["is a standby"]);
        refused(&space("\"127.0.0.1\" \"127.0.0.2\"", "session \"standby\""), &["is a standby"]);
        refused(&space("\"127.0.0.2\"", "session \"primary\""), &["127.0.0.2"]);
        // Nobody is there: the next one is asked.
        plan(&space("\"127.0.0.3\" \"127.0.0.1\"", ""), 0);
        drop(standby);
        plan(&space(standby_first, ""), 0);
    }
}
