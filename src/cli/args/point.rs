//! How the files of a PostgreSQL cluster come back, and where its recovery ends, as it is typed.

use std::path::PathBuf;

/// What its arguments stand under.
const POINT: &str = "Point in time of a PostgreSQL cluster (--into pgdata:DIR)";

/// Points that only PostgreSQL's log knows.
#[derive(Debug, clap::Args)]
pub struct Point {
    /// End before this place in the log, such as 16/B374D848.
    #[arg(long, help_heading = POINT, value_name = "LSN", conflicts_with_all = ["until", "until_xid", "until_name"])]
    pub until_lsn: Option<String>,
    /// End before this transaction was committed or rolled back.
    #[arg(long, help_heading = POINT, value_name = "XID", conflicts_with_all = ["until", "until_name"])]
    pub until_xid: Option<u32>,
    /// End at the restore point that pg_create_restore_point() made.
    #[arg(long, help_heading = POINT, value_name = "NAME", conflicts_with = "until")]
    pub until_name: Option<String>,
    /// Follow this timeline [default: the newest that comes from the backup's own]
    #[arg(long, help_heading = POINT, value_name = "NUMBER")]
    pub timeline: Option<u32>,
    /// MySQL, MariaDB: end before the transaction of this GTID, such as 0-1-4711.
    #[arg(long, help_heading = POINT, value_name = "GTID", conflicts_with_all = ["until", "until_lsn", "until_xid", "until_name"])]
    pub until_gtid: Option<String>,
    /// MySQL, MariaDB: end before the first transaction that was not whole at this byte of a file,
    /// such as binlog.000042:4711.
    #[arg(long, help_heading = POINT, value_name = "FILE:POS", conflicts_with_all = ["until", "until_lsn", "until_xid", "until_name", "until_gtid"])]
    pub until_position: Option<String>,
    /// MySQL, MariaDB: the address of this machine at which the target reads the log; not encrypted
    /// [default: loopback, where the target is on this machine]
    #[arg(long, help_heading = POINT, value_name = "ADDRESS")]
    pub serve: Option<std::net::IpAddr>,
}

/// What `vex restore --into pgdata:DIR` is told besides.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files of a PostgreSQL cluster (--into pgdata:DIR)")]
pub struct Files {
    /// Stop the server that runs there, with pg_ctl, once the files are unpacked and checked.
    #[arg(long)]
    pub stop: bool,
    /// Start the server with pg_ctl, wait until it lets connections in, and read its log.
    #[arg(long)]
    pub start: bool,
    /// Whose the files are [default: the owner of DIR, else of the folder it is in]
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    /// Another folder for a tablespace; may be repeated.
    #[arg(long, value_name = "OLD=NEW")]
    pub tablespace: Vec<String>,
    /// A folder for the configuration files that were outside of the data directory [default:
    /// DIR.config-TIME]
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// A setting for --start that is in no configuration file, such as port=5433; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "start")]
    pub set: Vec<String>,
}
