//! A bucket whose keys stand in no job file: those that the machine is lent.

use jiff::SignedDuration;

use crate::common::cloud::aws::{CONTAINER, IDENTITY, Lender, ROLE};
use crate::common::cloud::{Fault, What};
use crate::common::s3_server::S3Server;
use crate::common::space::{Space, contents};

/// A job that names no keys, on a machine that has none of its own.
fn space(server: &S3Server) -> Space {
    let job = format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ s3 \"cloud\" bucket=\"{}\" endpoint=\"{}\" }}\n\
         job \"j\" {{ dump \"app\" chunk=\"64KiB\" {{ send \"cloud\"; verify \"cloud\" }} }}\n",
        server.bucket, server.endpoint,
    );
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(&job);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES ('x')");
    let none = space.path("no-such-file").display().to_string();
    space.env("AWS_SHARED_CREDENTIALS_FILE", &none)
}

fn lender(server: &S3Server) -> crate::common::cloud::Http<Lender> {
    Lender::start(&server.access_key, &server.secret_key)
}

fn identified(space: Space, address: &str) -> Space {
    std::fs::write(space.path("token"), format!("{IDENTITY}\n")).unwrap();
    let token = space.path("token").display().to_string();
    space
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
        .env("AWS_ROLE_ARN", ROLE)
        .env("AWS_ENDPOINT_URL_STS", format!("http://{address}"))
}

#[track_caller]
fn round(space: &Space) {
    space.back_up();
    let line = space.list().remove(0);
    assert_eq!(contents(&space.restore(&line, "back.db")), contents(&space.path("app.db")));
}

#[test]
fn a_web_identity_is_exchanged_for_keys_and_again_before_they_end() {
    let server = S3Server::start();
    let lender = lender(&server);
    let space = identified(space(&server), &lender.address);
    lender.fault(Fault::new("assume", What::Answer(503, "ServiceUnavailable")));
    lender.fault(Fault {
        first: 2,
        ..Fault::new("assume", What::Answer(400, "IDPCommunicationError"))
    });
    space.run(&["doctor", "job.kdl"]).expect(0);
    assert_eq!(lender.statuses("assume"), [503, 400, 200]);
    round(&space);
    // Keys that end within five minutes are replaced, request by request.
    lender.service.lock().unwrap().holds = SignedDuration::from_secs(200);
    let before = lender.statuses("assume").len();
    space.back_up();
    assert!(lender.statuses("assume").len() > before + 5);
    assert!(lender.statuses("other").is_empty());
}

#[test]
fn a_refused_identity_is_told_with_its_role_and_without_its_token() {
    let server = S3Server::start();
    let lender = lender(&server);
    let space = identified(space(&server), &lender.address);
    std::fs::write(space.path("token"), "CANARY-OTHER").unwrap();
    let ran = space.run(&["run", "job.kdl"]);
    let said = ran.stdout.clone() + &ran.stderr;
    assert_ne!(ran.code, 0);
    assert!(said.contains("InvalidIdentityToken") && said.contains(ROLE), "{said}");
    assert!(!said.contains("CANARY"), "{said}");
    assert_eq!(
        lender.statuses("assume").iter().filter(|s| **s == 400).count(),
        lender.statuses("assume").len()
    );
    std::fs::remove_file(space.path("token")).unwrap();
    let ran = space.run(&["run", "job.kdl"]);
    assert!((ran.stdout + &ran.stderr).contains("unable to read"), "the file is named");
}

#[test]
fn an_instance_lends_its_role_and_a_container_its_own() {
    let server = S3Server::start();
    let lender = lender(&server);
    let endpoint = format!("http://{}", lender.address);
    let instance = space(&server).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint);
    round(&instance);
    assert!(!lender.statuses("role").is_empty());
    assert!(lender.statuses("role").iter().all(|status| *status == 200));
    let off = space(&server)
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let ran = off.run(&["run", "job.kdl"]);
    assert!((ran.stdout + &ran.stderr).contains("no access key was given"));
    let server = S3Server::start();
    let container = space(&server);
    std::fs::write(container.path("token"), CONTAINER).unwrap();
    let token = container.path("token").display().to_string();
    let container = container
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{endpoint}/container"))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    round(&container);
    assert!(lender.statuses("container").iter().all(|status| *status == 200));
}
