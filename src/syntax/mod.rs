//! From text to a [`JobFile`], or every complaint about its form.
//!
//! Does not know what a plan is: names stay words. Reads files (the job file, its includes, its
//! site file) and asks nobody else.

mod address;
mod fault;
mod fmt;
mod kdl;
mod kinds;
mod load;
mod mask;
mod mistakes;
mod node;
mod odd;
mod policy;
mod problem;
mod read;
mod reference;
mod scan;
mod site;
mod source;
mod step;
mod store;
mod table;
mod take;
mod value;

pub use address::{is_store_address, store_address, target_address};
pub use fmt::{Unformatted, format};
pub use load::load;
pub use read::{read, read_one};
pub use reference::{reference, reference_json};
pub use value::parse_duration;
