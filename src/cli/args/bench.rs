//! What is typed behind `vex bench`.

use std::path::PathBuf;

use crate::base::Size;
use crate::cli::args::word::{Format, Language};

/// `vex bench`.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// The job file.
    pub file: PathBuf,
    /// A source of MySQL or MariaDB of it; databases are made on its server, and removed.
    pub source: String,
    /// The store that backups are sent to, and removed from.
    #[arg(long, value_name = "STORE")]
    pub to: String,
    /// The volumes.
    #[arg(long, value_name = "SIZE", value_delimiter = ',', value_parser = size, default_value = "1GiB,5GiB,10GiB")]
    pub sizes: Vec<Size>,
    /// How often each is backed up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// Connections.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// The site file [default: vex.kdl beside the job file, then /etc/vex/vex.kdl]
    #[arg(long)]
    pub site: Option<PathBuf>,
    /// Language of the tables: pt-BR or en [default: VEX_LANG, the site file's, the locale's]
    #[arg(long)]
    pub lang: Option<Language>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// A volume as job files write sizes.
fn size(text: &str) -> Result<Size, String> {
    let size = Size::parse(text).filter(|size| size.0 >= 1 << 20);
    size.ok_or_else(|| "write a size of 1MiB or more, such as `64MiB` or `5GiB`".to_owned())
}
