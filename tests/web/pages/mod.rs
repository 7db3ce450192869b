//! What people see: the report, page by page, of an estate that was made up.

pub mod estate;
pub mod report;
