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

impl Clock {
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

    /// The zone called `name`, or the machine's.
    pub fn zone(&self, name: Option<&str>) -> Result<TimeZone, jiff::Error> {
        match name {
            Some(name) => TimeZone::get(name),
            None => Ok(TimeZone::system()),
        }
    }
}
