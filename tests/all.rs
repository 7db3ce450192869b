//! One test binary: every file below is a module of it.
#![allow(missing_docs, reason = "a test is named after what it claims")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but clippy does not see that helpers are tests"
)]

mod accounts;
mod artifact;
mod bank;
mod catalog;
mod check;
mod commands;
mod contract;
mod crash;
mod damage;
mod ddl;
mod docs;
mod doctor;
mod engines;
mod export;
mod fallback;
mod fidelity;
mod frozen;
mod identity;
mod listing;
mod map;
mod matrix;
mod mysql;
mod mysql_restore;
mod mysql_state;
mod notify;
mod origin;
mod output;
mod pages;
mod pg_connect;
mod pg_doctor;
mod physical;
mod physical_chain;
mod physical_standby;
mod policy;
mod pooler;
mod postgres;
mod postgres_archive;
mod postgres_binary;
mod postgres_engine;
mod postgres_globals;
mod postgres_restore;
mod postgres_traps;
mod quickstart;
mod records;
mod run_job;
mod s3_run;
mod s3_server;
mod s3_way;
mod scale;
mod seal;
mod secrets;
mod servers;
mod shop;
mod slices;
mod space;
mod sqlite;
mod vacuum;
mod web_front;
mod without_vex;
mod zoo;
