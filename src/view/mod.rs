//! What people see: models of shown text from the catalog, charts, and pages as functions from a
//! model and a language to text.
//!
//! The same for the dashboard and the report. Knows no socket and no file. Invariant: a template
//! never formats; every word, number and moment of a page is made here.

mod address;
mod bench;
mod dashboard;
mod details;
mod difference;
mod drills;
mod estate;
mod format;
mod frame;
mod held;
mod history;
mod jobs;
mod lanes;
mod letter;
mod list;
mod live;
mod log;
mod metrics;
pub mod pages;
mod people;
mod run;
mod seek;
mod site;
mod sources;
mod status;
mod svg;
mod template;
mod todo;
mod why;

pub use address::{Address, Base, SCRIPT, STYLE};
pub use bench::{Measured, Stages, ratios, tables};
pub use dashboard::{Dashboard, dashboard};
pub use details::{Parts, details};
pub use difference::{Difference, Inventory, differences};
pub use drills::{digest, evidence, sheet};
pub use estate::{Source, since, sources};
pub use format::{Reader, age};
pub use frame::{Choice, Viewer, pages_of};
pub use held::{GROWTH_DAYS, ShownStore, stores};
pub use history::{Past, PastParts, past};
pub use jobs::{due, jobs};
pub use letter::{ChatModel, LetterBlock, LetterModel, color, one_line, write_chat};
pub use list::{Asked, cells, columns, csv, json, row, search_text};
pub use metrics::{Gauges, MeasuredJob};
pub use people::{
    Ask, Done, Field, Login, Lost, Question, Typed, audit, audit_heads, audit_line, user_form,
    users,
};
pub use run::{RunParts, run, runs, runs_query};
pub use seek::sought;
pub use site::{Made, Sink, report};
pub use status::{Standing, standing, verdict};
pub use why::{drilled, ended, failed, hint, level, why, word};
