//! Words that every floor may say. Imports nothing of ours.

mod address;
mod complaint;
mod error;
mod finding;
mod glob;
mod id;
mod path;
mod process_id;
mod secret;
mod size;
mod span;
mod stop;
mod words;

pub use address::{holds_login, secret_parts, show_address};
pub use complaint::{Complaint, Severity, suggest};
pub use error::{Error, ErrorKind, NativeCode, OfSource, OfStore, Tries};
pub use finding::{Finding, Grade};
pub use glob::Glob;
pub use id::Id;
pub use path::beside;
pub use process_id::ProcessId;
pub use secret::{Secret, SecretRef};
pub use size::Size;
pub use span::{Span, Spanned, Text};
pub use stop::{Deadline, Hooked, Stop, Stopped};
pub use words::without_number;
