//! What the site says of this machine before anything else is done: the state folder, where things
//! are staged, files of variables, folders of programs, and when the plan is to be looked over.
//!
//! Does not know what a command does. Invariant: a folder that the site names is used by every
//! command that is given the site, or none.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::Complaint;
use crate::job::Site;
use crate::syntax;
use crate::world::World;

use crate::cli::args::{Catalog, Command, Drill, Log, User, Wal};

/// The site file of a machine.
pub const MACHINE: &str = "/etc/vex/vex.kdl";

/// The code of a folder of programs that holds none of them.
pub const NO_PROGRAM: &str = "vex::tools::missing";

/// The world of a command: that of the machine, with the folders that its site names. What can't be
/// read is told by the command itself.
pub fn world_of(command: &Command) -> World {
    let world = World::real();
    let (file, site) = files_of(command);
    let machine = Path::new(MACHINE);
    let path = file.or(site).or(machine.is_file().then_some(machine));
    let reading = path.and_then(|path| syntax::read(path, file.and(site)).ok());
    let Some(site) = reading.map(|reading| reading.file.site) else { return world };
    let state = site.state.unwrap_or(world.state);
    let staging = site.staging.unwrap_or_else(|| match world.staging {
        Some(staging) => staging,
        None => state.join("staging"),
    });
    World { state, staging: Some(staging), ..world }
}

/// The job file and the site file that a command is given.
fn files_of(command: &Command) -> (Option<&Path>, Option<&Path>) {
    let (file, site): (Option<&PathBuf>, &Option<PathBuf>) = match command {
        Command::Run(a) => (Some(&a.file), &a.site),
        Command::Plan(a) => (Some(&a.file), &a.site),
        Command::Doctor(a) => (Some(&a.file), &a.site),
        Command::List(a) => (a.file.as_ref(), &a.site),
        Command::Status(a) => (a.file.as_ref(), &a.site),
        Command::History(a) => (a.file.as_ref(), &a.site),
        Command::Drill(Drill::List(a)) => (a.file.as_ref(), &a.site),
        Command::Drill(Drill::Remark(a)) => (Some(&a.file), &a.site),
        Command::Info(a) => (Some(&a.file), &a.site),
        Command::Diff(a) => (Some(&a.file), &a.site),
        Command::Peek(a) => (Some(&a.file), &a.site),
        Command::Verify(a) => (a.which.file.as_ref(), &a.which.site),
        Command::Restore(a) => (a.which.file.as_ref(), &a.which.site),
        Command::Export(a) => (a.which.file.as_ref(), &a.which.site),
        Command::Bench(a) => (Some(&a.file), &a.site),
        Command::Adopt(a) => (Some(&a.file), &a.site),
        Command::Keep(a) => (Some(&a.file), &a.site),
        Command::Copy(a) => (Some(&a.file), &a.site),
        Command::Prune(a) => (Some(&a.file), &a.site),
        Command::Catalog(Catalog::Rebuild { file, site }) => (Some(file), site),
        Command::Wal(Wal::Push(a)) => (Some(&a.file), &a.site),
        Command::Wal(Wal::Fetch(a)) => (Some(&a.file), &a.site),
        Command::Wal(Wal::Status(a)) => (Some(&a.file), &a.site),
        Command::Log(Log::Show(a)) => (Some(&a.file), &a.site),
        Command::Log(Log::Status(a)) => (Some(&a.file), &a.site),
        Command::Report(a) => (a.files.first(), &a.site),
        Command::Serve(a) => (a.files.first(), &a.site),
        Command::User(
            User::Add { site, .. }
            | User::List { site, .. }
            | User::Password { site, .. }
            | User::Remove { site, .. }
            | User::Audit { site, .. },
        ) => (None, site),
        Command::Jobs(a) => (a.files.first(), &a.site),
        Command::Schedule(a) => (Some(&a.file), &a.site),
        Command::Check(_)
        | Command::Schema(_)
        | Command::New(_)
        | Command::Fmt(_)
        | Command::Completions { .. }
        | Command::Man(_) => (None, &None),
    };
    (file.map(PathBuf::as_path), site.as_deref())
}

/// What is to be told of a site on this machine, today.
pub fn lint(site: &Site, now: Timestamp, complaints: &mut Vec<Complaint>) {
    for folder in &site.tools {
        let lacks = folder.lacks();
        if !lacks.is_empty() {
            let message =
                format!("{} holds no {}", folder.path.value.display(), lacks.join(", no "));
            let help = "Name the folder that holds the programs, not a program and not its parent.";
            let complaint = Complaint::warning(NO_PROGRAM, message);
            complaints.push(complaint.label(&folder.path.span, "not here").help(help));
        }
    }
    let today = now.to_zoned(TimeZone::system()).date();
    if let Some(review) = site.review.as_ref().filter(|review| review.value < today) {
        let message = format!("the plan of backups was to be looked over by {}", review.value);
        complaints.push(
            Complaint::warning("vex::site::review", message)
                .label(&review.span, "has passed")
                .help("Look it over: what is backed up, how often, for how long, who is told, when a restore was last tried. Then move the day."),
        );
    }
}
