//! What something on the way does to an answer is a fault of the way: overcome, or told as one, and
//! never damage. What the store says itself is damage.

use std::ops::Range;

use vex::testing::base::Stop;
use vex::testing::store::S3;
use vex::testing::store::contract::{Error, ErrorKind, Result, Store};

use crate::common::s3_server::{Alter, Fault, Kind, S3Server, What};
use crate::store::contract::s3::open;

/// An object of a few slices of whatever reads it.
const BYTES: usize = 200_000;

/// What is asked for: a range, or all of it in either way.
#[derive(Debug, Clone)]
enum Ask {
    Range(Range<usize>),
    All,
    Small,
}

/// One of each.
fn asks() -> [Ask; 6] {
    let ranges = [0..10, 70_000..150_000, BYTES - 3..BYTES, 0..BYTES].map(Ask::Range);
    let [start, middle, end, whole] = ranges;
    [start, middle, end, whole, Ask::All, Ask::Small]
}

impl Ask {
    fn of(&self, store: &S3) -> Result<Vec<u8>> {
        match self {
            Ask::Range(range) => {
                store.read("p/x", Some(range.start as u64..range.end as u64), &stop())
            }
            Ask::All => store.read("p/x", None, &stop()),
            Ask::Small => store.read_small("p/x", BYTES as u64, &stop()),
        }
    }

    /// Asks, and holds what comes against the object.
    fn is_right(&self, store: &S3, case: &str) {
        let found = self.of(store).unwrap_or_else(|e| panic!("{case}, {self:?}: {e}"));
        let expected = match self {
            Ask::Range(range) => object()[range.clone()].to_vec(),
            Ask::All | Ask::Small => object(),
        };
        assert!(found == expected, "{case}, {self:?}");
    }
}

fn stop() -> Stop {
    Stop::new()
}

fn object() -> Vec<u8> {
    (0..BYTES).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// A store with the object.
fn stand() -> (S3Server, S3) {
    let server = S3Server::start();
    let store = open(&server);
    store.put("p/x", &object(), &stop()).unwrap();
    (server, store)
}

/// The same behind these changes of every answer to a request of this kind.
fn behind(kind: Kind, alters: &[Alter]) -> (S3Server, S3) {
    let (server, store) = stand();
    alters.iter().for_each(|alter| server.fault(Fault::alter(kind, alter.clone()).always()));
    (server, store)
}

#[track_caller]
fn assert_of_the_way(error: &Error, found: &str, case: &str) {
    assert_eq!(error.kind, ErrorKind::Unreachable, "{case}: {error}");
    assert!(error.kind.again(), "{case}");
    assert!(error.found.starts_with(found), "{case}: {error}");
}

#[test]
fn what_only_hides_the_bytes_does_not_keep_them_back() {
    let table: [&[Alter]; 11] = [
        &[Alter::Whole],
        &[Alter::Chunked],
        &[Alter::Closed],
        &[Alter::Whole, Alter::Chunked],
        &[Alter::Whole, Alter::Closed],
        &[Alter::Whole, Alter::Without("etag")],
        &[Alter::Whole, Alter::Without("etag"), Alter::Chunked],
        &[Alter::Without("etag")],
        &[Alter::Without("etag"), Alter::Closed],
        &[Alter::Header("etag", "W/\"weak\"")],
        &[Alter::Header("content-encoding", "aws-chunked")],
    ];
    for alters in table {
        let (server, store) = behind(Kind::Get, alters);
        asks().iter().for_each(|ask| ask.is_right(&store, &format!("{alters:?}")));
        let gets = server.statuses(Kind::Get).len();
        assert_eq!(gets, asks().len(), "{alters:?}: one answer brings what is wanted");
    }
}

/// What is done to an answer, and what is told of a range and of all; nothing where it does no harm.
fn harms() -> Vec<(Vec<Alter>, &'static str, &'static str)> {
    let page = "something on the way answered with a page for people";
    let status = "something on the way answered with status ";
    let unsaid = "something on the way sent a part of the object without saying which";
    let encoded = "something on the way encoded the answer (gzip)";
    let sent = "something on the way sent ";
    let bare = |bytes| [Alter::Page(200, bytes), Alter::Without("content-type")];
    let long = 2 * BYTES;
    vec![
        (vec![Alter::Without("content-range")], unsaid, ""),
        (vec![Alter::Header("content-range", "bytes 9-9/200000")], sent, ""),
        (vec![Alter::Header("content-range", "bytes 0-9/7")], unsaid, ""),
        (vec![Alter::Gzip], encoded, encoded),
        (vec![Alter::Gzip, Alter::Chunked], encoded, encoded),
        (vec![Alter::Page(200, 0)], page, page),
        (vec![Alter::Page(200, long)], page, page),
        (bare(0).to_vec(), "something on the way s", sent),
        (bare(long).to_vec(), sent, sent),
        ([&bare(0)[..], &[Alter::Chunked]].concat(), sent, sent),
        ([&bare(long)[..], &[Alter::Chunked]].concat(), sent, sent),
        (vec![Alter::Page(404, 0)], status, status),
        (vec![Alter::Page(412, 0)], status, status),
        (vec![Alter::Page(416, 0)], status, status),
        (vec![Alter::Page(203, 0), Alter::Without("content-type")], status, status),
        (vec![Alter::Page(522, 0)], "522", "522"),
    ]
}

#[test]
fn what_lasts_is_told_as_a_fault_of_the_way() {
    for (alters, ranged, all) in harms() {
        for ask in asks() {
            let case = format!("{alters:?}, {ask:?}");
            let (server, store) = behind(Kind::Get, &alters);
            match if matches!(ask, Ask::Range(_)) { ranged } else { all } {
                "" => ask.is_right(&store, &case),
                found => {
                    assert_of_the_way(&ask.of(&store).expect_err(&case), found, &case);
                    assert_eq!(server.statuses(Kind::Get).len(), 4, "{case}");
                }
            }
        }
    }
}

#[test]
fn what_passes_is_overcome() {
    for (alters, ..) in harms() {
        let (server, store) = stand();
        for ask in asks() {
            let next = server.statuses(Kind::Get).len() + 1;
            let fault = |alter: &Alter| Fault::alter(Kind::Get, alter.clone()).at(next);
            alters.iter().for_each(|alter| server.fault(fault(alter)));
            ask.is_right(&store, &format!("{alters:?}"));
        }
    }
}

#[test]
fn another_range_is_not_taken_for_the_one_that_was_asked_for() {
    let (_server, store) =
        behind(Kind::Get, &[Alter::Header("content-range", "bytes 3-12/200000")]);
    let error = Ask::Range(0..10).of(&store).unwrap_err();
    assert_of_the_way(&error, "something on the way sent bytes 3-12 instead of 0-9", "");
}

#[test]
fn cut_bodies_are_gone_on_with_until_patience_ends() {
    for alters in [&[][..], &[Alter::Chunked], &[Alter::Whole], &[Alter::Without("etag")]] {
        for ask in asks() {
            let case = format!("{alters:?}, {ask:?}");
            let (server, store) = behind(Kind::Get, alters);
            // Twice a small part comes, then all.
            server.fault(Fault::new(Kind::Get, What::CutResponse(2)).times(2));
            ask.is_right(&store, &case);
            let (server, store) = behind(Kind::Get, alters);
            server.fault(Fault::new(Kind::Get, What::CutResponse(0)).always());
            assert_of_the_way(&ask.of(&store).expect_err(&case), "", &case);
            assert_eq!(server.statuses(Kind::Get).len(), 4, "{case}");
        }
    }
}

#[test]
fn a_length_that_lies_is_a_fault_of_the_way() {
    for bytes in [BYTES / 2, 2 * BYTES] {
        let (_server, store) = behind(Kind::Get, &[Alter::Length(bytes)]);
        for ask in [Ask::All, Ask::Small] {
            let case = format!("{bytes}, {ask:?}");
            assert_of_the_way(&ask.of(&store).expect_err(&case), "", &case);
        }
    }
}

#[test]
fn more_than_a_small_object_may_have_is_not_read() {
    for alters in [&[][..], &[Alter::Chunked], &[Alter::Closed], &[Alter::Without("etag")]] {
        let (server, store) = behind(Kind::Get, alters);
        let error = store.read_small("p/x", 1000, &stop()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge, "{alters:?}: {error}");
        assert_eq!(error.found, "it has 195.3 KiB, and at most 1000 B are read", "{alters:?}");
        assert_eq!(server.statuses(Kind::Get).len(), 1, "{alters:?}");
    }
}

#[test]
fn what_the_store_says_itself_is_damage() {
    // The object is shorter, by its own words: of a range past its end, and of the listing.
    for alters in [&[][..], &[Alter::Whole], &[Alter::Whole, Alter::Chunked], &[Alter::Chunked]] {
        let (server, store) = behind(Kind::Get, alters);
        for range in [BYTES as u64 - 5..BYTES as u64 + 5, BYTES as u64 + 5..BYTES as u64 + 9] {
            let error = store.read("p/x", Some(range), &stop()).unwrap_err();
            let found = (error.kind, error.found.as_str());
            assert_eq!(found, (ErrorKind::Damaged, "the object ends at 200000"), "{alters:?}");
        }
        assert_eq!(server.statuses(Kind::Get).len(), 2, "{alters:?}: it is asked once");
    }
    // Its checksum, but only if a second reading says so too.
    let (server, store) = stand();
    server.fault(Fault::new(Kind::Get, What::SpoilResponse));
    Ask::All.is_right(&store, "spoilt once");
    server.fault(Fault::new(Kind::Get, What::SpoilResponse).at(3).times(2));
    let error = Ask::All.of(&store).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Damaged);
    assert!(error.found.starts_with("its CRC32C is "), "{error}");
    assert_eq!(server.statuses(Kind::Get), [200; 4]);
}

#[test]
fn a_size_that_was_hidden_is_looked_up_in_the_listing() {
    let table: [&[Alter]; 3] =
        [&[Alter::Closed], &[Alter::Header("content-encoding", "gzip")], &[Alter::Page(200, 0)]];
    for alters in table {
        let (server, store) = behind(Kind::Head, alters);
        store.put("p/xy", b"", &stop()).unwrap();
        for (key, bytes) in [("p/x", Some(BYTES as u64)), ("p/xy", Some(0))] {
            assert_eq!(store.size(key, &stop()).unwrap(), bytes, "{alters:?}");
        }
        assert_eq!(server.statuses(Kind::List).len(), 2, "{alters:?}");
    }
}

#[test]
fn a_page_instead_of_an_answer_is_neither_a_listing_nor_a_receipt() {
    // A page that is well-formed, with and without its proper name.
    for alters in [&[Alter::Page(200, 9)][..], &[Alter::Body("<html><body>hello</body></html>")]] {
        let (server, store) = behind(Kind::List, alters);
        let error = store.list("p/", &stop()).unwrap_err();
        assert_of_the_way(&error, "", &format!("{alters:?}"));
        assert_eq!(server.statuses(Kind::List).len(), 4);
        // Once, and nobody notices: what was not written is written again.
        let (server, store) = stand();
        for kind in [Kind::List, Kind::Put, Kind::Initiate, Kind::Part, Kind::Complete] {
            let first = if kind == Kind::Put { 2 } else { 1 };
            server.fault(Fault::new(kind, What::Body("<html/>")).at(first));
            alters.iter().for_each(|a| server.fault(Fault::alter(kind, a.clone()).at(first)));
        }
        store.put("p/y", b"manifest", &stop()).unwrap();
        let upload = store.create("p/z", &stop()).unwrap();
        upload.part(1, 0, b"container", &stop()).unwrap();
        upload.finish(9).unwrap();
        assert_eq!(store.read("p/y", None, &stop()).unwrap(), b"manifest", "{alters:?}");
        assert_eq!(store.read("p/z", None, &stop()).unwrap(), b"container", "{alters:?}");
        assert_eq!(store.list("p/", &stop()).unwrap().len(), 3, "{alters:?}");
        server.assert_tidy("p/");
    }
}

#[test]
fn an_error_with_status_200_is_that_error() {
    let (server, store) = stand();
    server.fault(Fault::new(Kind::List, What::Answer(200, "SlowDown")));
    assert_eq!(store.list("p/", &stop()).unwrap().len(), 1);
    server.fault(Fault::new(Kind::List, What::Answer(200, "AccessDenied")).at(3));
    let error = store.list("p/", &stop()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert_eq!(error.found, "403 AccessDenied: a fault of the test");
}

#[test]
fn caches_and_compression_are_asked_to_keep_away() {
    let (server, store) = stand();
    Ask::All.is_right(&store, "");
    store.list("p/", &stop()).unwrap();
    store.size("p/x", &stop()).unwrap();
    for request in server.requests().iter().filter(|r| matches!(r.method.as_str(), "GET" | "HEAD"))
    {
        assert_eq!(request.header("accept-encoding"), Some("identity"), "{request:?}");
        assert_eq!(request.header("cache-control"), Some("no-cache"), "{request:?}");
    }
}
