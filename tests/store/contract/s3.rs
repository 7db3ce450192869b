//! What a bucket owes beside the contract: faults on the way, and what the service sees.

use std::time::{Duration, Instant};

use vex::testing::base::{SecretRef, Stop};
use vex::testing::job::S3Spec;
use vex::testing::store::contract::{ErrorKind, Store};
use vex::testing::store::{Pace, S3};
use vex::testing::world::{World, install_provider};

use crate::common::binary::one_test;
use crate::common::s3_server::{Alter, Fault, Kind, S3Server, What};

/// A store on it that does not wait long.
pub fn open(server: &S3Server) -> S3 {
    open_spec(&server.spec())
}

/// The keys of all that is in the bucket.
pub fn keys(server: &S3Server) -> Vec<String> {
    open(server).list("", &stop()).unwrap().into_iter().map(|object| object.key).collect()
}

fn open_spec(spec: &S3Spec) -> S3 {
    install_provider();
    let (stall, first, longest) =
        (Duration::from_millis(1500), Duration::from_millis(5), Duration::from_millis(20));
    let pace = Pace { lanes: 4, stall, tries: 4, first, longest };
    S3::open_with(spec, &World::real(), pace, &Stop::new()).unwrap()
}

pub fn stop() -> Stop {
    Stop::new()
}

const PART: usize = 64 << 10;

/// Writes an object of one part; the service takes small parts only as the last.
fn write(store: &S3, key: &str) -> vex::testing::store::contract::Result<()> {
    let upload = store.create(key, &stop())?;
    upload.part(1, 0, &[7; PART], &stop())?;
    upload.finish(PART as u64)
}

fn is_whole(store: &S3, key: &str) -> bool {
    store.read(key, None, &stop()).unwrap() == [7; PART]
}

#[test]
fn passing_faults_of_every_request_are_overcome() {
    let slow = || What::Answer(503, "SlowDown");
    let table = [
        (Kind::Head, slow()),
        (Kind::Head, What::Lose),
        (Kind::Initiate, slow()),
        (Kind::Initiate, What::Answer(500, "InternalError")),
        (Kind::Part, slow()),
        (Kind::Part, What::Answer(429, "TooManyRequests")),
        (Kind::Part, What::Answer(408, "RequestTimeout")),
        (Kind::Part, What::Answer(400, "RequestTimeout")),
        (Kind::Part, What::Answer(400, "BadDigest")),
        (Kind::Part, What::Busy(0)),
        (Kind::Part, What::CutRequest(0)),
        (Kind::Part, What::CutRequest(PART / 2)),
        (Kind::Part, What::CutResponse(0)),
        (Kind::Part, What::Lose),
        (Kind::Part, What::SpoilRequest),
        (Kind::Complete, slow()),
        (Kind::Complete, What::CutRequest(10)),
        (Kind::Complete, What::Answer(200, "InternalError")),
        (Kind::Complete, What::Answer(200, "SlowDown")),
        (Kind::Complete, What::Answer(500, "InternalError")),
        (Kind::Complete, What::Lose),
        (Kind::Complete, What::CutResponse(20)),
        (Kind::Get, slow()),
        (Kind::Get, What::CutResponse(0)),
        (Kind::Get, What::CutResponse(PART / 2)),
        (Kind::Get, What::Lose),
    ];
    for (kind, what) in table {
        let case = format!("{kind:?} {what:?}");
        let server = S3Server::start();
        let store = open(&server);
        server.fault(Fault::new(kind, what));
        write(&store, "p/x").unwrap_or_else(|e| panic!("{case}: {e}"));
        assert!(is_whole(&store, "p/x"), "{case}");
        server.assert_tidy("p/");
    }
}

#[test]
fn passing_faults_of_small_objects_are_overcome() {
    let slow = || What::Answer(503, "SlowDown");
    for (kind, what) in [
        (Kind::Put, slow()),
        (Kind::Put, What::Answer(500, "InternalError")),
        (Kind::Put, What::CutRequest(2)),
        (Kind::Put, What::Lose),
        (Kind::Put, What::CutResponse(0)),
        (Kind::Put, What::SpoilRequest),
        (Kind::Get, What::CutResponse(3)),
        (Kind::List, slow()),
        (Kind::List, What::CutResponse(40)),
        (Kind::List, What::Lose),
        (Kind::Delete, slow()),
        (Kind::Delete, What::Lose),
    ] {
        let case = format!("{kind:?} {what:?}");
        let server = S3Server::start();
        let store = open(&server);
        server.fault(Fault::new(kind, what));
        store.put("p/m", b"manifest", &stop()).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert_eq!(store.read("p/m", None, &stop()).unwrap(), b"manifest", "{case}");
        assert_eq!(store.list("p/", &stop()).unwrap().len(), 1, "{case}");
        store.remove("p/m", &stop()).unwrap();
        assert_eq!(store.list("p/", &stop()).unwrap().len(), 0, "{case}");
        server.assert_tidy("p/");
    }
}

#[test]
fn a_lasting_fault_is_told_with_code_and_message_and_leaves_nothing() {
    for (kind, what, expected) in [
        (
            Kind::Part,
            What::Answer(503, "SlowDown"),
            (ErrorKind::Unreachable, "503 SlowDown: a fault of the test"),
        ),
        (
            Kind::Part,
            What::Answer(400, "BadDigest"),
            (ErrorKind::Damaged, "400 BadDigest: a fault of the test"),
        ),
        (
            Kind::Part,
            What::Answer(403, "AccessDenied"),
            (ErrorKind::Denied, "403 AccessDenied: a fault of the test"),
        ),
        (
            Kind::Part,
            What::Answer(507, "XMinioStorageFull"),
            (ErrorKind::Full, "507 XMinioStorageFull: a fault of the test"),
        ),
        (
            Kind::Complete,
            What::Answer(200, "InternalError"),
            (ErrorKind::Unreachable, "500 InternalError: a fault of the test"),
        ),
        (
            Kind::Complete,
            What::Answer(200, "InvalidPart"),
            (ErrorKind::Failed, "400 InvalidPart: a fault of the test"),
        ),
        (Kind::Complete, What::CutRequest(0), (ErrorKind::Unreachable, "")),
    ] {
        let case = format!("{kind:?} {what:?}");
        let server = S3Server::start();
        let store = open(&server);
        server.fault(Fault::new(kind, what.clone()).times(100));
        let error = write(&store, "p/x").expect_err(&case);
        assert_eq!(error.kind, expected.0, "{case}: {error}");
        assert!(error.found.contains(expected.1), "{case}: {error}");
        assert!(error.doing.starts_with("write p/x in s3://vault at 127.0.0.1"), "{case}: {error}");
        assert_eq!(store.list("", &stop()).unwrap(), [], "{case}");
        server.assert_tidy("p/");
        let tries = server.statuses(kind).len();
        assert_eq!(
            tries,
            if error.kind == ErrorKind::Unreachable || error.kind == ErrorKind::Damaged {
                4
            } else {
                1
            },
            "{case}"
        );
    }
}

#[test]
fn a_lost_answer_is_resolved_by_looking_and_not_by_writing_again() {
    let server = S3Server::start();
    let store = open(&server);
    server.fault(Fault::new(Kind::Put, What::Lose));
    server.fault(Fault::new(Kind::Complete, What::Lose));
    store.put("p/small", b"small", &stop()).unwrap();
    write(&store, "p/big").unwrap();
    assert_eq!(server.statuses(Kind::Put), [0]);
    assert_eq!(server.statuses(Kind::Complete), [0]);
    assert_eq!(server.statuses(Kind::ListParts), [404], "our own upload has gone");
}

#[test]
fn after_a_lost_request_the_object_of_another_is_not_taken_for_ours() {
    let server = S3Server::start();
    let (store, other) = (open(&server), open(&server));
    // Same size, other bytes: the first put is lost before the service saw it, the other one's is
    // there when we look.
    server.fault(Fault::new(Kind::Put, What::CutRequest(2)).at(2));
    other.put("p/m", b"theirs", &stop()).unwrap();
    let error = store.put("p/m", b"ours!!", &stop()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Exists);
    // The same for parts: our upload still waits, so what stands there is not ours.
    let upload = store.create("p/x", &stop()).unwrap();
    upload.part(1, 0, b"ours!!", &stop()).unwrap();
    other.put("p/x", b"theirs", &stop()).unwrap();
    server.fault(Fault::new(Kind::Complete, What::CutRequest(0)));
    assert_eq!(upload.finish(6).unwrap_err().kind, ErrorKind::Exists);
    assert_eq!(server.statuses(Kind::ListParts), [200]);
    assert_eq!(store.read("p/x", None, &stop()).unwrap(), b"theirs");
    server.assert_tidy("p/");
}

#[test]
fn a_stalled_service_is_left_after_the_stall_time() {
    let server = S3Server::start();
    let store = open(&server);
    server.fault(Fault::new(Kind::Put, What::Stall(Duration::from_secs(60))));
    let since = Instant::now();
    store.put("p/m", b"manifest", &stop()).unwrap();
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(1400) && took < Duration::from_secs(20), "{took:?}");
    assert_eq!(server.statuses(Kind::Put), [0, 200]);
}

#[test]
fn a_stop_ends_the_wait_between_tries_and_still_aborts() {
    let server = S3Server::start();
    install_provider();
    let pace = Pace {
        first: Duration::from_secs(3600),
        longest: Duration::from_secs(3600),
        ..Pace::new(4)
    };
    let store = S3::open_with(&server.spec(), &World::real(), pace, &stop()).unwrap();
    server.fault(Fault::new(Kind::Part, What::Answer(503, "SlowDown")).times(100));
    // What a part is sent for may fail while the upload and the run live on.
    let (live, pipeline) = (stop(), stop());
    let upload = store.create("p/x", &live).unwrap();
    std::thread::scope(|scope| {
        let part = scope.spawn(|| upload.part(1, 0, b"x", &pipeline).unwrap_err().kind);
        while server.statuses(Kind::Part).is_empty() {
            std::thread::yield_now();
        }
        pipeline.stop();
        assert_eq!(part.join().unwrap(), ErrorKind::Stopped);
    });
    drop(upload);
    server.assert_tidy("p/");
}

#[test]
fn a_broken_read_goes_on_where_it_broke_and_only_with_the_same_object() {
    let server = S3Server::start();
    let store = open(&server);
    store.put("p/m", b"0123456789", &stop()).unwrap();
    server.fault(Fault::new(Kind::Get, What::CutResponse(4)));
    server.fault(Fault::new(Kind::Get, What::CutResponse(2)).at(3));
    assert_eq!(store.read("p/m", None, &stop()).unwrap(), b"0123456789");
    assert_eq!(store.read("p/m", Some(2..9), &stop()).unwrap(), b"2345678");
    let ranges: Vec<_> = server
        .requests()
        .iter()
        .filter(|r| r.kind == Kind::Get)
        .map(|r| (r.header("range").map(str::to_owned), r.header("if-match").is_some()))
        .collect();
    let range = |text: &str| Some(text.to_owned());
    assert_eq!(
        ranges,
        [
            (None, false),
            (range("bytes=4-9"), true),
            (range("bytes=2-8"), false),
            (range("bytes=4-8"), true)
        ]
    );
    server.fault(Fault::new(Kind::Get, What::CutResponse(4)).at(5));
    server.fault(Fault::new(Kind::Get, What::Answer(412, "PreconditionFailed")).at(6));
    let error = store.read("p/m", None, &stop()).unwrap_err();
    assert_eq!(
        (error.kind, error.found.as_str()),
        (ErrorKind::Damaged, "the object changed while it was read")
    );
}

#[test]
fn parts_and_objects_carry_their_checksum_and_the_condition() {
    let server = S3Server::start();
    let mut spec = server.spec();
    spec.storage_class = Some("STANDARD".into());
    spec.sse = Some("AES256".into());
    let store = open_spec(&spec);
    write(&store, "p/x").unwrap();
    store.put("p/m", b"123456789", &stop()).unwrap();
    for request in server.requests() {
        let has = |name: &str| request.header(name).is_some();
        let made = matches!(request.kind, Kind::Put | Kind::Initiate);
        assert_eq!(
            has("x-amz-checksum-crc32c"),
            matches!(request.kind, Kind::Put | Kind::Part),
            "{request:?}"
        );
        assert_eq!(has("x-amz-checksum-algorithm"), request.kind == Kind::Initiate);
        assert_eq!(
            has("if-none-match"),
            matches!(request.kind, Kind::Put | Kind::Complete),
            "{request:?}"
        );
        assert_eq!(
            (has("x-amz-storage-class"), has("x-amz-server-side-encryption")),
            (made, made),
            "{request:?}"
        );
        if request.kind == Kind::Complete {
            let body = String::from_utf8(request.body.clone()).unwrap();
            assert_eq!(body.matches("<ChecksumCRC32C>").count(), 1, "{body}");
        }
        if request.kind == Kind::Put {
            assert_eq!(request.header("x-amz-checksum-crc32c"), Some("4waSgw=="));
        }
    }
}

#[test]
fn a_service_without_checksums_or_conditions_is_served_without_and_still_not_overwritten() {
    for headers in [
        &["x-amz-checksum", "x-amz-checksum"][..],
        &["if-none-match"],
        &["x-amz-checksum", "if-none-match"],
    ] {
        let server = S3Server::start();
        let store = open(&server);
        for header in headers {
            for kind in [Kind::Put, Kind::Initiate, Kind::Part, Kind::Complete] {
                server.fault(Fault::new(kind, What::Unknown(header)).times(100));
            }
        }
        store.put("p/m", b"manifest", &stop()).unwrap_or_else(|e| panic!("{headers:?}: {e}"));
        write(&store, "p/x").unwrap_or_else(|e| panic!("{headers:?}: {e}"));
        assert_eq!(store.put("p/m", b"manifest", &stop()).unwrap_err().kind, ErrorKind::Exists);
        assert_eq!(store.create("p/x", &stop()).err().unwrap().kind, ErrorKind::Exists);
        let upload = store.create("p/y", &stop()).unwrap();
        upload.part(1, 0, b"x", &stop()).unwrap();
        store.put("p/y", b"theirs", &stop()).unwrap();
        assert_eq!(upload.finish(1).unwrap_err().kind, ErrorKind::Exists);
        assert!(is_whole(&store, "p/x"));
        let refused = server.requests().iter().filter(|r| r.status == Some(501)).count();
        assert!(refused <= 2, "{headers:?}: it is remembered, {refused} were refused");
        server.assert_tidy("p/");
    }
}

#[test]
fn a_service_that_insists_on_signed_bodies_gets_them() {
    let server = S3Server::start_tls();
    let store = open(&server);
    for kind in [Kind::Initiate, Kind::Part, Kind::Complete] {
        server.fault(Fault::new(kind, What::Insist).times(100));
    }
    write(&store, "p/x").unwrap();
    assert_eq!(server.requests().iter().filter(|r| r.status == Some(400)).count(), 1);
}

#[test]
fn wrong_keys_are_denied_without_a_second_try_and_without_a_secret_in_the_error() {
    let server = S3Server::start();
    let wrong = server.secret_file.with_file_name("wrong");
    std::fs::copy(&server.secret_file, &wrong).unwrap();
    std::fs::write(&wrong, "CANARY-WRONG").unwrap();
    let store = open_spec(&S3Spec { secret_key: Some(SecretRef::File(wrong)), ..server.spec() });
    let error = store.put("p/m", b"manifest", &stop()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.found.starts_with("403 SignatureDoesNotMatch"), "{error}");
    let told = format!("{error} {error:?}");
    assert!(
        ![&server.access_key, &server.secret_key, "CANARY"].iter().any(|k| told.contains(*k)),
        "{told}"
    );
    assert_eq!(server.statuses(Kind::Put), [403]);
}

#[test]
fn over_tls_a_private_ca_is_trusted_bodies_are_not_signed_and_strangers_are_refused_at_once() {
    let server = S3Server::start_tls();
    let store = open(&server);
    store.put("p/ü +.json", b"manifest", &stop()).unwrap();
    write(&store, "p/x").unwrap();
    assert!(is_whole(&store, "p/x"));
    assert_eq!(store.list("p/", &stop()).unwrap().len(), 2);
    server.fault(Fault::new(Kind::Part, What::CutRequest(PART / 2)).at(2));
    server.fault(Fault::new(Kind::Complete, What::Lose).at(2));
    write(&store, "p/y").unwrap();
    for request in server.requests() {
        let unsigned = request.header("x-amz-content-sha256") == Some("UNSIGNED-PAYLOAD");
        assert_eq!(unsigned, matches!(request.method.as_str(), "PUT" | "POST"), "{request:?}");
    }
    server.assert_tidy("p/");
    let stranger = S3Server::start_tls();
    let store = open_spec(&S3Spec { ca: server.ca_file.clone(), ..stranger.spec() });
    let error = store.list("", &stop()).unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Failed,
        "a certificate does not become right by trying again: {error}"
    );
    assert!(error.found.contains("certificate"), "{error}");
}

#[test]
fn a_wrong_clock_and_a_wrong_region_are_told() {
    let server = S3Server::start();
    install_provider();
    let clock = vex::testing::world::Clock::Fixed("2001-01-01T00:00:00Z".parse().unwrap());
    let world = World { clock, ..World::real() };
    let store = S3::open(&server.spec(), &world, 4, &stop()).unwrap();
    let error = store.put("p/m", b"manifest", &stop()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(
        error.found.ends_with("the clocks of this machine and the service differ too much"),
        "{error}"
    );
    let store = open(&server);
    server.fault(Fault::new(Kind::List, What::Redirect("eu-west-1")));
    let error = store.list("p/", &stop()).unwrap_err();
    assert!(error.found.ends_with("the bucket is in region eu-west-1"), "{error}");
    assert_eq!(server.statuses(Kind::List), [301]);
}

#[test]
fn the_time_of_a_service_is_the_date_of_a_fresh_answer() {
    let server = S3Server::start();
    let store = open(&server);
    let date = "Wed, 04 Mar 2026 05:06:07 GMT";
    server.fault(Fault::new(Kind::Head, What::Answer(503, "SlowDown")));
    server.fault(Fault::alter(Kind::Head, Alter::Without("date")).at(2));
    server.fault(Fault::alter(Kind::Head, Alter::Header("date", "yesterday")).at(3));
    server.fault(Fault::alter(Kind::Head, Alter::Header("date", date)).at(4));
    assert_eq!(store.now(&stop()).unwrap().to_string(), "2026-03-04T05:06:07Z");
    server.fault(Fault::alter(Kind::Head, Alter::Header("age", "77")).at(5).times(4));
    let error = store.now(&stop()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    let place = "s3://vault at 127.0.0.1";
    let why = "the answer is an old one, out of a cache";
    let told =
        format!("unable to ask for the time of {place}: {why} (tried 4 times in 0 s: {why} ×4)");
    assert_eq!(error.to_string(), told);
    assert_eq!(server.statuses(Kind::Head).len(), 8);
    let asked = server.requests().iter().all(|r| r.path == "/vault/" && r.kind == Kind::Head);
    assert!(asked, "nothing but the bucket is asked");
}

#[test]
fn who_may_not_ask_for_the_bucket_is_told_the_time_all_the_same() {
    let server = S3Server::start();
    let store = open(&server);
    for (number, status) in [403, 404, 405, 501].into_iter().enumerate() {
        let date = Alter::Header("date", "Wed, 04 Mar 2026 05:06:07 GMT");
        server.fault(Fault::alter(Kind::Head, Alter::Page(status, 0)).at(number + 1));
        server.fault(Fault::alter(Kind::Head, date).at(number + 1));
        assert_eq!(store.now(&stop()).unwrap().to_string(), "2026-03-04T05:06:07Z", "{status}");
    }
    assert_eq!(server.statuses(Kind::Head), [403, 404, 405, 501]);
    // Out of a cache it says nothing.
    server.fault(Fault::alter(Kind::Head, Alter::Page(403, 0)).at(5));
    server.fault(Fault::alter(Kind::Head, Alter::Header("age", "77")).at(5));
    assert_eq!(store.now(&stop()).unwrap_err().kind, ErrorKind::Denied);
}

#[test]
fn answers_that_make_no_sense_are_errors() {
    let page = "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>p/a</Key><Size>1</Size></Contents></ListBucketResult>";
    let bare = "<CompleteMultipartUploadResult><Key>p/x</Key></CompleteMultipartUploadResult>";
    let good = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>";
    let html = "<html><body>Welcome to the captive portal</body></html>";
    for (kind, body, found) in [
        (Kind::List, page, "the listing makes no sense: a page without the way to the next"),
        (Kind::Initiate, html, "an upload without a name: "),
        (Kind::Complete, bare, "the answer names no tag"),
        (Kind::Complete, good, "nothing is there"),
        (Kind::Complete, html, "the answer makes no sense: "),
        (Kind::Part, "", "an answer without a tag"),
    ] {
        let server = S3Server::start();
        let store = open(&server);
        server.fault(Fault::new(kind, What::Body(body)).times(100));
        let error =
            write(&store, "p/x").and_then(|()| store.list("p/", &stop()).map(drop)).unwrap_err();
        assert!(error.found.starts_with(found), "{kind:?}: {error}");
        server.assert_tidy("p/");
    }
}

/// Two pages, each with the way to the other, at so many requests of a kind.
fn in_a_ring(server: &S3Server, kind: Kind, pages: [&'static str; 2], times: usize) {
    for number in 1..=times {
        server.fault(Fault::new(kind, What::Body(pages[number % 2])).at(number));
    }
}

#[test]
fn a_listing_goes_on_as_long_as_it_brings_something_new() {
    let objects = [
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>b</NextContinuationToken><Contents><Key>p/x</Key><Size>4</Size></Contents></ListBucketResult>",
    ];
    let uploads = [
        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker></ListMultipartUploadsResult>",
        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>b</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker><Upload><Key>p/x</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>",
    ];
    let server = S3Server::start();
    let store = open(&server);
    for key in ["p/x", "p/y"] {
        store.put(key, b"", &stop()).unwrap();
    }
    // Pages that are empty, or come twice, are passed; an object is listed once, and an upload
    // aborted once.
    in_a_ring(&server, Kind::List, objects, 30);
    in_a_ring(&server, Kind::ListUploads, uploads, 30);
    let keys = store.list("p/", &stop()).unwrap().into_iter().map(|o| o.key);
    assert_eq!(keys.collect::<Vec<_>>(), ["p/x", "p/y"]);
    assert_eq!(store.sweep("p/x", &stop()).unwrap(), 1);
    assert_eq!(server.statuses(Kind::Abort), [404]);
    // Without an end they are an error.
    let server = S3Server::start();
    let store = open(&server);
    in_a_ring(&server, Kind::List, objects, 200);
    in_a_ring(&server, Kind::ListUploads, uploads, 200);
    let errors = [store.list("p/", &stop()).unwrap_err(), store.sweep("p/", &stop()).unwrap_err()];
    for error in errors {
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert_eq!(error.found, "the listing makes no sense: it has no end");
    }
    assert_eq!(server.statuses(Kind::List).len(), 102);
}

#[test]
fn a_listing_of_many_pages_is_whole() {
    let server = S3Server::start_with(1);
    let store = open(&server);
    let keys: Vec<String> = (0..130).map(|i| format!("p/{i:03} +&ü")).collect();
    keys.iter().rev().for_each(|key| store.put(key, b"x", &stop()).unwrap());
    let found: Vec<String> =
        store.list("p/", &stop()).unwrap().into_iter().map(|o| o.key).collect();
    assert_eq!(found, keys);
}

#[test]
fn what_each_call_costs_in_requests() {
    let server = S3Server::start();
    let store = open(&server);
    let cost = |call: &dyn Fn()| {
        let before = server.requests().len();
        call();
        server.requests()[before..].iter().map(|r| r.kind).collect::<Vec<_>>()
    };
    let upload = [Kind::Head, Kind::Initiate, Kind::Part, Kind::Complete, Kind::Head];
    assert_eq!(cost(&|| write(&store, "p/x").unwrap()), upload);
    assert_eq!(cost(&|| store.put("p/m", b"m", &stop()).unwrap()), [Kind::Put]);
    assert_eq!(cost(&|| drop(store.read("p/m", None, &stop()).unwrap())), [Kind::Get]);
    assert_eq!(cost(&|| drop(store.read_small("p/m", 9, &stop()).unwrap())), [Kind::Get]);
    assert_eq!(cost(&|| drop(store.read("p/x", Some(3..9), &stop()).unwrap())), [Kind::Get]);
    assert_eq!(cost(&|| drop(store.list("p/", &stop()).unwrap())), [Kind::List]);
    assert_eq!(cost(&|| assert!(store.now(&stop()).is_ok())), [Kind::Head]);
    assert_eq!(cost(&|| store.remove("p/m", &stop()).unwrap()), [Kind::Delete]);
}

#[test]
fn the_wait_a_service_asks_for_is_kept() {
    let server = S3Server::start();
    server.fault(Fault::new(Kind::Put, What::Busy(1)));
    let since = Instant::now();
    open(&server).put("p/m", b"", &stop()).unwrap();
    assert!(since.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_stop_ends_a_body_on_its_way() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = S3Server::start();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    let store = open_spec(&S3Spec { endpoint, ..server.spec() });
    let live = stop();
    std::thread::scope(|scope| {
        // A service that reads a little at a time: far slower than the body is long.
        let came = scope.spawn(|| {
            let mut socket = listener.accept().unwrap().0;
            let (mut bytes, mut came) = (vec![0; 256 << 10], 0);
            while let Ok(n @ 1..) = std::io::Read::read(&mut socket, &mut bytes) {
                live.stop();
                came += n;
                std::thread::sleep(Duration::from_millis(5));
            }
            came
        });
        let error = store.put("p/m", &vec![0; 64 << 20], &live).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Stopped, "{error}");
        assert!(came.join().unwrap() < 32 << 20, "the body went on after the stop");
    });
}

#[test]
fn sweep_aborts_uploads_of_its_key_only() {
    let server = S3Server::start_with(2);
    let store = open(&server);
    let begin = |key: &str| std::mem::forget(store.create(key, &stop()).unwrap());
    for key in ["db1/a c+d.zip", "db1/a c+d.zip.index", "db1/b.zip", "db10/a c+d.zip"] {
        begin(key);
    }
    assert_eq!(store.sweep("db1/a c+d.zip", &stop()).unwrap(), 2);
    let mut left = server.pending();
    left.sort();
    assert_eq!(left, ["db1/b.zip", "db10/a c+d.zip"]);
    for answer in [What::Answer(501, "NotImplemented"), What::Answer(405, "MethodNotAllowed")] {
        let first = server.statuses(Kind::ListUploads).len() + 1;
        server.fault(Fault::new(Kind::ListUploads, answer).at(first));
        assert_eq!(store.sweep("db1/", &stop()).unwrap(), 0);
    }
}

#[test]
fn what_is_written_has_its_class_key_and_tags_and_parts_and_reads_have_none() {
    let server = S3Server::start();
    let store = open_spec(&S3Spec {
        storage_class: Some("STANDARD".into()),
        sse: Some("aws:kms".into()),
        kms_key: Some("alias/vex".into()),
        tags: vec![("team".into(), "db & ops".into()), ("kind".into(), "backup".into())],
        ..server.spec()
    });
    write(&store, "p/x").unwrap();
    store.put("p/m", b"head", &stop()).unwrap();
    assert_eq!(store.read("p/m", None, &stop()).unwrap(), b"head");
    for request in server.requests() {
        let made = matches!(request.kind, Kind::Put | Kind::Initiate);
        for (name, value) in [
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "alias/vex"),
            ("x-amz-tagging", "team=db+%26+ops&kind=backup"),
        ] {
            assert_eq!(request.header(name), made.then_some(value), "{:?}", request.kind);
        }
    }
}

#[test]
fn the_machines_own_keys_are_found_in_the_environment_and_in_a_profile() {
    let own = |endpoint: String, profile: Option<String>| {
        let spec = S3Spec {
            endpoint: Some(endpoint),
            access_key: None,
            secret_key: None,
            profile,
            ..S3Server::start().spec()
        };
        open_spec(&spec).put("p/m", b"manifest", &stop()).unwrap();
    };
    // The environment of a process is set once, before it starts: this test starts itself.
    if let Ok(endpoint) = std::env::var("VEX_TEST_ENDPOINT") {
        return own(endpoint, std::env::var("VEX_TEST_PROFILE").ok());
    }
    let server = S3Server::start();
    let file = server.secret_file.with_file_name("credentials");
    let (access, secret) = (&server.access_key, &server.secret_key);
    let text = format!(
        "[default]\naws_access_key_id=CANARY-NOT\naws_secret_access_key=x\n\n[night]\naws_access_key_id={access}\naws_secret_access_key={secret}\n"
    );
    std::fs::write(&file, text).unwrap();
    let child = |set: &[(&str, &str)]| {
        server.requests().iter().for_each(|r| assert_ne!(r.status, Some(403)));
        open(&server).remove("p/m", &stop()).unwrap();
        let name = "the_machines_own_keys_are_found_in_the_environment_and_in_a_profile";
        let mut child = one_test(module_path!(), name);
        child
            .env("VEX_TEST_ENDPOINT", &server.endpoint)
            .env("AWS_SHARED_CREDENTIALS_FILE", &file)
            .envs(set.to_vec());
        let output = child.output().unwrap();
        assert!(output.status.success(), "{set:?}: {}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(open(&server).list("p/", &stop()).unwrap().len(), 1, "{set:?}");
    };
    child(&[("AWS_ACCESS_KEY_ID", access), ("AWS_SECRET_ACCESS_KEY", secret)]);
    // A declared profile is asked even where the environment has keys.
    child(&[
        ("VEX_TEST_PROFILE", "night"),
        ("AWS_ACCESS_KEY_ID", "CANARY-NOT"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ]);
    let half = S3Spec { secret_key: None, ..server.spec() };
    let error = S3::open(&half, &World::real(), 4, &stop()).err().unwrap();
    assert_eq!(
        (error.kind, error.found.as_str()),
        (ErrorKind::Denied, "an access key was given, but no secret key")
    );
}

#[test]
fn an_abort_that_fails_is_told() {
    let server = S3Server::start();
    let store = open(&server);
    server.fault(Fault::new(Kind::Abort, What::Answer(403, "AccessDenied")));
    let upload = store.create("p/x", &stop()).unwrap();
    let error = upload.abort().unwrap_err();
    assert_eq!(
        error.to_string().split(" at ").next(),
        Some("unable to abort the upload of p/x to s3://vault")
    );
    assert_eq!(server.pending(), ["p/x"]);
}

#[test]
fn an_unreachable_service_is_unreachable() {
    let server = S3Server::start();
    let mut spec = server.spec();
    spec.endpoint = Some("http://127.0.0.1:1".into());
    let error = open_spec(&spec).list("", &stop()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(&*error.doing, "list * in s3://vault at 127.0.0.1");
}
