//! The dashboard and the report in Debian's Chromium: clicked through, read word for word, by
//! keyboard, in both languages, widths and themes.

mod acts;

mod backups;
mod boxes;
mod dashboard;
mod english;
mod estate_pages;
mod keyboard;
mod live;
mod login;
mod people;
mod report;
mod rules;
pub mod site;
