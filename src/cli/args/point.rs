//! Where a recovery ends, as it is typed.

/// Points that only PostgreSQL's log knows.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Point in time of a PostgreSQL cluster (--into pgdata:DIR)")]
pub struct Point {
    /// End before this place in the log, such as 16/B374D848.
    #[arg(long, value_name = "LSN", conflicts_with_all = ["until", "until_xid", "until_name"])]
    pub until_lsn: Option<String>,
    /// End before this transaction was committed or rolled back.
    #[arg(long, value_name = "XID", conflicts_with_all = ["until", "until_name"])]
    pub until_xid: Option<u32>,
    /// End at the restore point that pg_create_restore_point() made.
    #[arg(long, value_name = "NAME", conflicts_with = "until")]
    pub until_name: Option<String>,
    /// Follow this timeline [default: the newest that comes from the backup's own]
    #[arg(long, value_name = "NUMBER")]
    pub timeline: Option<u32>,
}
