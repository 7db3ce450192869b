//! Time, as an argument.

use jiff::{Timestamp, tz::TimeZone};

/// Tells the time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// Always the same, for tests.
    Fixed(Timestamp),
}

/// Holds the clock in debug builds, so that a test sees the pages of a day it made up.
const HELD: &str = "VEX_TEST_NOW";

impl Clock {
    /// The machine's; in debug builds the moment of `VEX_TEST_NOW`, if that is set.
    pub fn real() -> Clock {
        let held = std::env::var(HELD).ok().filter(|_| cfg!(debug_assertions));
        held.and_then(|text| text.parse().ok()).map_or(Clock::System, Clock::Fixed)
    }

    /// Now, to the microsecond.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => {
                let now = Timestamp::now();
                Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
            }
            Clock::Fixed(moment) => *moment,
        }
    }

    /// Whether the zone of the machine is known: a `TZ` that names none is no UTC. Without `TZ` and
    /// `/etc/localtime` it is UTC, as for every program.
    pub fn preflight(&self) -> Result<(), String> {
        match std::env::var_os("TZ") {
            Some(name) if TimeZone::try_system().is_err() => Err(format!(
                "unable to tell the time zone: TZ={} names none that this machine knows. Correct it, or install the \
                 zone data (package tzdata)",
                name.display()
            )),
            _ => Ok(()),
        }
    }

    /// The zone called `name`, or the machine's.
    pub fn zone(&self, name: Option<&str>) -> Result<TimeZone, jiff::Error> {
        match name {
            Some(name) => TimeZone::get(name),
            None => Ok(TimeZone::system()),
        }
    }
}
