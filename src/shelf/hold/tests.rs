//! Leases on a store in memory, whose clock is nobody's.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::SignedDuration;

use crate::base::{Finding, ProcessId};
use crate::shelf::hold::*;
use crate::shelf::lease::TERM;
use crate::store::Memory;
use crate::store::contract::{Coming, Limits, Result as StoreResult, Upload};
use crate::world::Clock;

/// How holders are named to people.
const ONE: &str = "one on ";
const TWO: &str = "two on ";

/// What a store says that takes nothing.
const CLOSED: &str = "read-only";

/// A store whose clock is turned by hand, far from that of this machine, and that may take nothing.
struct Stage {
    memory: Memory,
    /// Guards its clock.
    now: Mutex<Timestamp>,
    closed: AtomicBool,
}

impl Stage {
    fn new() -> Arc<Stage> {
        let now = "2031-05-01T12:00:00Z".parse().expect("a moment");
        Arc::new(Stage {
            memory: Memory::new(),
            now: Mutex::new(now),
            closed: AtomicBool::new(false),
        })
    }

    fn turn(&self, time: SignedDuration) {
        let mut now = self.now.lock().expect("no panic while locked");
        *now = now.checked_add(time).expect("in range");
    }

    fn own(&self) -> Memory {
        self.memory.at(Clock::Fixed(*self.now.lock().expect("no panic while locked")))
    }

    fn keys(&self) -> Vec<String> {
        let all = self.own().list("", &Stop::new()).expect("listed");
        all.into_iter().map(|object| object.key).collect()
    }
}

impl Store for Stage {
    fn create(&self, key: &str, stop: &Stop) -> StoreResult<Box<dyn Upload>> {
        self.own().create(key, stop)
    }

    fn put(&self, key: &str, bytes: &[u8], stop: &Stop) -> StoreResult<()> {
        match self.closed.load(Ordering::SeqCst) {
            true => Err(StoreError::new(ErrorKind::Denied, format!("write {key}"), CLOSED)),
            false => self.own().put(key, bytes, stop),
        }
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, stop: &Stop) -> StoreResult<Vec<u8>> {
        self.own().read(key, range, stop)
    }

    fn read_small(&self, key: &str, most: u64, stop: &Stop) -> StoreResult<Vec<u8>> {
        self.own().read_small(key, most, stop)
    }

    fn size(&self, key: &str, stop: &Stop) -> StoreResult<Option<u64>> {
        self.own().size(key, stop)
    }

    fn list(&self, under: &str, stop: &Stop) -> StoreResult<Vec<Object>> {
        self.own().list(under, stop)
    }

    fn remove(&self, key: &str, stop: &Stop) -> StoreResult<()> {
        self.own().remove(key, stop)
    }

    fn sweep(&self, under: &str, stop: &Stop) -> StoreResult<usize> {
        self.own().sweep(under, stop)
    }

    fn now(&self, stop: &Stop) -> StoreResult<Timestamp> {
        self.own().now(stop)
    }

    fn examine(&self, coming: &Coming, stop: &Stop) -> Vec<Finding> {
        self.own().examine(coming, stop)
    }

    fn limits(&self) -> Limits {
        self.own().limits()
    }

    fn place(&self) -> &str {
        "the stage"
    }
}

/// A holder that waits for nobody.
fn holder(owner: &str) -> Holder {
    let pace = Pace {
        patience: Duration::ZERO,
        pause: Duration::from_millis(2),
        refresh: Duration::from_secs(3600),
    };
    Holder::new(&World::real(), owner).at(pace)
}

fn take(stage: &Arc<Stage>, kind: LeaseKind, holder: &Holder) -> Result<Lease, LeaseError> {
    let store: Arc<dyn Store> = stage.clone();
    Lease::take(&store, "f/", kind, holder, &Stop::new())
}

/// Who is in the way, `None` where nobody is.
fn in_the_way(taken: Result<Lease, LeaseError>) -> Option<String> {
    match taken {
        Ok(_) => None,
        Err(LeaseError::InUse(other)) => Some(other),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn shared_leases_go_together_and_an_exclusive_one_with_no_other() {
    let (stage, one, two) = (Stage::new(), holder("one"), holder("two"));
    let first = take(&stage, LeaseKind::Shared, &one).expect("alone");
    let second = take(&stage, LeaseKind::Shared, &two).expect("both read");
    let other = in_the_way(take(&stage, LeaseKind::Exclusive, &one)).expect("two reads");
    assert!(other.contains(TWO), "{other}");
    drop(second);
    // One's own does not count.
    let removes = take(&stage, LeaseKind::Exclusive, &one).expect("one reads and removes");
    assert!(in_the_way(take(&stage, LeaseKind::Shared, &two)).is_some());
    drop((first, removes));
    assert_eq!(stage.keys(), [""; 0], "what is released is gone");
    // Another folder is another lease, also below or above.
    let store: Arc<dyn Store> = stage.clone();
    let _held = take(&stage, LeaseKind::Exclusive, &one).expect("free");
    for folder in ["", "f/g/", "e/"] {
        Lease::take(&store, folder, LeaseKind::Exclusive, &two, &Stop::new()).expect("free");
    }
}

#[test]
fn what_is_stale_is_so_by_the_clock_of_the_store() {
    let (stage, one, two) = (Stage::new(), holder("one"), holder("two"));
    let dead = take(&stage, LeaseKind::Shared, &one).expect("free");
    stage.turn(TERM);
    assert!(in_the_way(take(&stage, LeaseKind::Exclusive, &two)).is_some(), "its last second");
    stage.turn(SignedDuration::from_secs(1));
    assert_eq!(stage.keys().len(), 1);
    let taken = take(&stage, LeaseKind::Exclusive, &two).expect("nobody holds it any more");
    assert_eq!(stage.keys().len(), 1, "and its object is removed: {:?}", stage.keys());
    // Whoever comes back finds others there: what it does not know it does not disturb.
    assert!(in_the_way(take(&stage, LeaseKind::Shared, &one)).is_some());
    drop((dead, taken));
    assert_eq!(stage.keys(), [""; 0]);
}

#[test]
fn a_process_of_this_machine_that_is_gone_holds_nothing() {
    let Some(own) = process_id() else { return };
    let (stage, two) = (Stage::new(), holder("two"));
    let (gone, elsewhere) = (
        ProcessId { started: own.started + 1, ..own.clone() },
        ProcessId { boot: "another".into(), started: own.started + 1, ..own },
    );
    for (process, is_dead) in [(gone, true), (elsewhere, false)] {
        let mut killed = holder("killed");
        killed.line.process = Some(process);
        let store: Arc<dyn Store> = stage.clone();
        let inner = Inner::new(&store, "f/", LeaseKind::Exclusive, &killed);
        inner.write(&Stop::new()).expect("written");
        let read = in_the_way(take(&stage, LeaseKind::Shared, &two));
        assert_eq!(read.is_none(), is_dead, "{read:?}");
        assert_eq!(stage.keys().len(), 1, "a reader removes nothing");
        assert_eq!(in_the_way(take(&stage, LeaseKind::Exclusive, &two)).is_none(), is_dead);
        assert_eq!(stage.keys().len(), usize::from(!is_dead), "{:?}", stage.keys());
        inner.release();
    }
}

#[test]
fn nothing_is_removed_under_a_lease_that_is_old_lost_or_no_longer_alone() {
    let (stage, one, two, stop) = (Stage::new(), holder("one"), holder("two"), Stop::new());
    let lease = take(&stage, LeaseKind::Exclusive, &one).expect("free");
    lease.may_remove(&stop).expect("it is new");
    stage.turn(TRUSTED);
    lease.may_remove(&stop).expect("its last second");
    stage.turn(SignedDuration::from_secs(1));
    assert!(matches!(lease.may_remove(&stop), Err(LeaseError::Lost(_))));
    // Written anew, in another object of the same token.
    let before = stage.keys();
    lease.inner.refresh(&stop).expect("written");
    let after = stage.keys();
    assert!(before.len() == 1 && after.len() == 1 && before != after, "{before:?} {after:?}");
    lease.may_remove(&stop).expect("it is new again");
    // A reader that did not want to wait any longer.
    let store: Arc<dyn Store> = stage.clone();
    stage.memory.put("f/backup", b"1", &stop).expect("written");
    let (reading, remark) = Reading::begin(&store, &["f/", "f/", "empty/"], &two, &stop);
    assert!(remark.expect("an alert").contains(ONE), "who removes is named");
    assert!(matches!(lease.may_remove(&stop), Err(LeaseError::InUse(_))));
    assert_eq!(reading.end(), None);
    lease.may_remove(&stop).expect("alone again");
    // Others took it for dead: it is not written again.
    let own = lease.inner.state.lock().expect("no panic").newest.clone().expect("one").0;
    store.remove(&own, &stop).expect("removed");
    assert!(matches!(lease.may_remove(&stop), Err(LeaseError::Lost(_))));
    assert!(matches!(lease.inner.refresh(&stop), Err(LeaseError::Lost(_))));
    assert_eq!(stage.keys(), ["f/backup"]);
}

#[test]
fn a_removal_that_has_begun_ends_with_the_trust_in_its_lease() {
    let (stage, stop) = (Stage::new(), Stop::new());
    let lease = take(&stage, LeaseKind::Exclusive, &holder("one")).expect("free");
    let trusted = lease.until(&stop);
    assert!(!trusted.is_stopped());
    lease.inner.deadline.set(Instant::now(), Duration::ZERO);
    assert!(trusted.is_stopped() && !stop.is_stopped());
    assert!(matches!(lease.may_remove(&stop), Err(LeaseError::Lost(_))));
    lease.inner.refresh(&stop).expect("written");
    assert!(!trusted.is_stopped());
}

#[test]
fn a_store_that_takes_no_lease_stops_a_removal_and_no_reader() {
    let (stage, one, stop) = (Stage::new(), holder("one"), Stop::new());
    let store: Arc<dyn Store> = stage.clone();
    stage.memory.put("f/backup", b"1", &stop).expect("written");
    let (reading, remark) = Reading::begin(&store, &["f/"], &one, &stop);
    assert_eq!(remark, None);
    stage.closed.store(true, Ordering::SeqCst);
    assert!(matches!(take(&stage, LeaseKind::Exclusive, &one), Err(LeaseError::Store(_))));
    reading.leases[0].inner.state.lock().expect("no panic").failed = Some(CLOSED.into());
    assert!(reading.end().expect("told").contains(CLOSED));
    let (reading, remark) = Reading::begin(&store, &["f/"], &one, &stop);
    assert!(reading.leases.is_empty() && remark.expect("an alert").contains(CLOSED));
    // Nothing is there, so nothing is to be kept.
    let (_, remark) = Reading::begin(&store, &["g/"], &one, &stop);
    assert_eq!(remark, None);
    assert_eq!(stage.keys(), ["f/backup"]);
}

#[test]
fn a_thread_writes_it_anew_before_it_is_old() {
    let (stage, mut one) = (Stage::new(), holder("one"));
    one.pace.refresh = Duration::from_millis(5);
    let lease = take(&stage, LeaseKind::Shared, &one).expect("free");
    let first = stage.keys();
    while stage.keys() == first || stage.keys().len() != 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // As long as the store takes nothing it says so, and goes on trying.
    stage.closed.store(true, Ordering::SeqCst);
    while lease.failed().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    stage.closed.store(false, Ordering::SeqCst);
    while lease.failed().is_some() {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(lease);
    assert_eq!(stage.keys(), [""; 0]);
}

#[test]
fn objects_of_others_are_no_leases_and_stay() {
    let (stage, stop) = (Stage::new(), Stop::new());
    for key in ["f/vex-lease-mine.json", "f/vex-lease-exclusive-x.json", "f/vex-lease-shared"] {
        stage.memory.put(key, b"{}", &stop).expect("written");
    }
    // One of that form, whatever stands in it, holds as long as any other.
    let unread = lease_key("f/", LeaseKind::Shared, stage.own().now(&stop).expect("now"), 1);
    stage.own().put(&unread, b"{\"format\":9}", &stop).expect("written");
    let other = in_the_way(take(&stage, LeaseKind::Exclusive, &holder("one"))).expect("it holds");
    assert!(other.contains(&unread), "{other}");
    take(&stage, LeaseKind::Shared, &holder("one")).expect("both read");
    stage.turn(TERM + SignedDuration::from_secs(1));
    take(&stage, LeaseKind::Exclusive, &holder("one")).expect("it is stale");
    assert_eq!(stage.keys().len(), 3);
}

#[test]
fn whatever_the_order_nobody_removes_while_somebody_reads() {
    let (stage, readers, removers) = (Stage::new(), AtomicUsize::new(0), AtomicUsize::new(0));
    let had = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (stage, readers, removers, had) = (&stage, &readers, &removers, &had);
            scope.spawn(move || {
                let mut own = holder(&format!("thread {number}"));
                own.pace.patience = Duration::from_millis(20);
                for _ in 0..60 {
                    let kind = if number < 3 { LeaseKind::Shared } else { LeaseKind::Exclusive };
                    let Ok(lease) = take(stage, kind, &own) else { continue };
                    let (mine, theirs) = match kind {
                        LeaseKind::Shared => (readers, removers),
                        LeaseKind::Exclusive => (removers, readers),
                    };
                    let before = mine.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(theirs.load(Ordering::SeqCst), 0, "{kind:?}");
                    assert!(kind == LeaseKind::Shared || before == 0, "two remove");
                    std::thread::yield_now();
                    assert_eq!(theirs.load(Ordering::SeqCst), 0, "{kind:?}");
                    mine.fetch_sub(1, Ordering::SeqCst);
                    had[usize::from(kind == LeaseKind::Exclusive)].fetch_add(1, Ordering::SeqCst);
                    drop(lease);
                }
            });
        }
    });
    assert!(had.iter().all(|had| had.load(Ordering::SeqCst) > 0), "both kinds came: {had:?}");
    assert_eq!(stage.keys(), [""; 0]);
}
