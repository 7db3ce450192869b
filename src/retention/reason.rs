//! Why a copy stays or goes, as a value.
//!
//! Pure; knows no policy. The wording is that of logs and plans, which have no language.

use std::fmt;

use jiff::Timestamp;

use crate::base::Size;

/// How long somebody wished that a copy is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// Until a moment that has not come.
    Until(Timestamp),
    /// Until the pin is released.
    UntilReleased,
    /// There is a pin that can't be read: it may hold.
    Unreadable,
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pinned::Until(moment) => write!(f, "pinned until {moment}"),
            Pinned::UntilReleased => f.write_str("pinned until it is released"),
            Pinned::Unreadable => f.write_str("its pin can't be read, and may hold"),
        }
    }
}

/// Why a copy stays or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A rule keeps it; the text says which of the copies of that rule it is.
    Rule(Rule, String),
    /// It is the last that is proven.
    LastProven,
    /// The run made it that asks.
    Made,
    /// An artifact of another job adds to it.
    Needed,
    /// A head beside it can't be read, and may be that of an increment that adds to it.
    Unread,
    /// An increment that stays adds to it.
    Parent,
    /// Somebody wished it.
    Pinned(Pinned),
    /// A copy is from the future: some clock is wrong.
    Future,
    /// No copy is proven.
    NoneProven,
    /// It is not proven, and does not count.
    NotCounted,
    /// No rule keeps it.
    NoRule,
    /// It is not proven, and older than all that stays.
    NotProven,
    /// With it, what stays would take more than `max-size`, in bytes.
    TooLarge(u64),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Rule(_, text) => text,
            Reason::LastProven => "the last proven copy",
            Reason::Made => "this run made it",
            Reason::Needed => "an increment of another job adds to it",
            Reason::Unread => {
                "a head beside it can't be read, and may be that of an increment that adds to it"
            }
            Reason::Parent => "an increment that is kept adds to it",
            Reason::Pinned(pinned) => return pinned.fmt(f),
            Reason::Future => "a copy is from the future: some clock is wrong, nothing is removed",
            Reason::NoneProven => "no copy is proven",
            Reason::NotCounted => "not proven, and not counted",
            Reason::NoRule => "no rule keeps it",
            Reason::NotProven => "not proven, and older than every copy that is kept",
            Reason::TooLarge(most) => {
                return write!(f, "what is newer takes all of max-size {}", Size(*most));
            }
        })
    }
}

/// What becomes of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it stays.
    pub keep: bool,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
}

impl Judgement {
    /// The rules that keep it.
    pub fn rules(&self) -> Vec<Rule> {
        let rule = |reason: &Reason| match reason {
            Reason::Rule(rule, _) => Some(*rule),
            Reason::LastProven => Some(Rule::Last),
            Reason::Made
            | Reason::Needed
            | Reason::Unread
            | Reason::Parent
            | Reason::Pinned(_)
            | Reason::Future
            | Reason::NoneProven
            | Reason::NotCounted
            | Reason::NoRule
            | Reason::NotProven
            | Reason::TooLarge(_) => None,
        };
        self.reasons.iter().filter_map(rule).collect()
    }

    /// For one reason.
    pub(super) fn because(keep: bool, reason: Reason) -> Judgement {
        Judgement { keep, reasons: vec![reason] }
    }
}

/// A rule of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// One of the newest.
    Last,
    /// Young enough.
    Within,
    /// The newest of its hour.
    Hourly,
    /// The newest of its day.
    Daily,
    /// The newest of its week.
    Weekly,
    /// The newest of its month.
    Monthly,
    /// The newest of its year.
    Yearly,
    /// What all copies take together.
    MaxSize,
}

impl Rule {
    /// Its name in a job file.
    pub fn word(self) -> &'static str {
        match self {
            Rule::Last => "last",
            Rule::Within => "within",
            Rule::Hourly => "hourly",
            Rule::Daily => "daily",
            Rule::Weekly => "weekly",
            Rule::Monthly => "monthly",
            Rule::Yearly => "yearly",
            Rule::MaxSize => "max-size",
        }
    }
}
