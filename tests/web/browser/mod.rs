//! The dashboard and the report in Debian's Chromium: clicked through, read word for word, by
//! keyboard, in both languages, widths and themes.

mod acts;
mod backups;
mod dashboard;
mod login;
mod people;
mod rules;
mod site;
