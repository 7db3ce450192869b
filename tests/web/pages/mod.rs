//! What people see: the report, page by page, of an estate that was made up.

mod estate;
mod report;
