//! The wording of every complaint about what a job means, in one place.

use crate::base::{Complaint, Span, Spanned, suggest};
use crate::job::Engine;

/// Whether an earlier complaint already says that `word` was meant, so that its absence is no news.
pub fn is_meant(complaints: &[Complaint], word: &str) -> bool {
    let told = format!("Did you mean `{word}`?");
    complaints.iter().any(|c| c.help.as_deref() == Some(&told))
}

/// Whether something was written that could not be taken, so that what seems missing may stand
/// there.
pub fn has_gaps(complaints: &[Complaint]) -> bool {
    complaints.iter().any(|c| matches!(c.code, "vex::node::unknown" | "vex::name::missing"))
}

/// A name nobody declared.
pub fn undefined<'a>(
    what: &str,
    word: &Spanned<String>,
    known: impl Iterator<Item = &'a str>,
) -> Complaint {
    let known: Vec<&str> = known.collect();
    let near = suggest(&word.value, known.iter().copied());
    let help = match (near, known.is_empty()) {
        (Some(near), _) => format!("Did you mean `{near}`?"),
        (None, true) => format!("No {what} is declared."),
        (None, false) => format!("Declared: {}.", known.join(", ")),
    };
    // An address in the place of a name may hold a password.
    let called = if word.value.contains("://") {
        "by an address".into()
    } else {
        format!("called `{}`", word.value)
    };
    Complaint::error("vex::name::undefined", format!("there is no {what} {called}"))
        .label(&word.span, format!("no such {what}"))
        .help(help)
}

/// Something declared and never used.
pub fn unused(what: &str, name: &Spanned<String>) -> Complaint {
    Complaint::warning(
        "vex::name::unused",
        format!("{what} `{}` is not used by any job", name.value),
    )
    .label(&name.span, "never used")
    .help("Use it, remove it, or declare it in a file that is included.")
}

/// Steps that wait for each other.
pub fn cycle(steps: &[(String, Option<Span>)]) -> Complaint {
    let mut names: Vec<&str> = steps.iter().map(|(n, _)| n.as_str()).collect();
    names.extend(steps.first().map(|(n, _)| n.as_str()));
    let mut complaint = Complaint::error(
        "vex::plan::cycle",
        format!("steps wait for each other: {}", names.join(" -> ")),
    );
    for (index, (name, span)) in steps.iter().enumerate() {
        if let Some(span) = span {
            complaint = complaint.label(span, format!("{name} waits for {}", names[index + 1]));
        }
    }
    complaint.help("Remove one of the `after`.")
}

/// A step named twice in one job.
pub fn step_twice(address: &str, first: &Span, second: &Span) -> Complaint {
    Complaint::error("vex::plan::twice", format!("two steps are `{address}`"))
        .label(second, "the same step again")
        .label(first, "first here")
        .help("Put them into one step, or into two jobs.")
}

/// A dump that goes nowhere.
pub fn sent_nowhere(span: &Span) -> Complaint {
    Complaint::error("vex::plan::nowhere", "this dump is sent nowhere")
        .label(span, "no `send`")
        .help("Add `send \"store\"` inside its braces.")
}

/// A verify of a store the chain does not send to.
pub fn verify_unsent(word: &Spanned<String>) -> Complaint {
    Complaint::error("vex::plan::verify", format!("this chain does not send to `{}`", word.value))
        .label(&word.span, "nothing to verify there")
        .help("Add a `send` for it, or verify a store that is sent to.")
}

/// A restore drill into a source that is not for drills.
pub fn not_scratch(word: &Spanned<String>) -> Complaint {
    Complaint::error("vex::plan::scratch", format!("`{}` is not declared as scratch", word.value))
        .label(&word.span, "would be overwritten")
        .help("Declare it with `scratch=#true` only if everything in it may be lost; `into=\"scratch\"` restores into a server that vex makes.")
}

/// A restore drill into what is backed up.
pub fn scratch_is_real(word: &Spanned<String>, real: &Spanned<String>) -> Complaint {
    Complaint::error(
        "vex::plan::scratch",
        format!("`{}` and `{}` are one place", word.value, real.value),
    )
    .label(&word.span, "a drill would overwrite it")
    .label(&real.span, "this is not scratch")
    .help("A scratch source is a server or a file of its own.")
}

/// A restore drill into another kind of source.
pub fn other_kind(word: &Spanned<String>, into: &str, source: &str) -> Complaint {
    Complaint::error(
        "vex::plan::scratch",
        format!("a {source} backup can't be restored into {into}"),
    )
    .label(&word.span, format!("this is {into}"))
    .help(format!("Name a scratch source of kind {source}, or `scratch`: vex makes one then."))
}

/// Files of a cluster that would be restored into a source.
pub fn files_into(into: &Spanned<String>) -> Complaint {
    Complaint::error("vex::plan::files", format!("files are not restored into the source {}", into.value))
        .label(&into.span, "a physical backup is a data directory, not a database")
        .help(
            "Write `unpack=#true` instead: it is unpacked in the state folder, and `pg_verifybackup` proves it there; `into=\"scratch\"` starts a server on it besides.",
        )
}

/// Pieces of RMAN that were to be restored or unpacked.
pub fn hashes_only(span: &Span) -> Complaint {
    Complaint::error("vex::plan::files", "the pieces of RMAN are read back, and neither unpacked nor asked")
        .label(span, "this is of an oracle source")
        .help("`into=` names a scratch instance in which RMAN validates them; a restore is `vex restore … --mode FULL`.")
}

/// Something to be unpacked that is no physical backup.
pub fn unpacks_nothing(span: &Span) -> Complaint {
    Complaint::error("vex::plan::files", "only a physical backup is unpacked".to_owned())
        .label(span, "this reads a dump")
        .help("A dump is proven by reading it; `into=SOURCE` restores it into a scratch source.")
}

/// An engine that reads another kind of source.
pub fn other_engine(engine: &Spanned<Engine>, word: &Spanned<String>, kind: &str) -> Complaint {
    let message = format!("the engine {} does not read {kind}", engine.value.word());
    Complaint::error("vex::plan::engine", message)
        .label(&engine.span, format!("reads {}", engine.value.reads().unwrap_or("everything")))
        .label(&word.span, format!("this is {kind}"))
        .help("Dump it with the engine `native`, in a `dump` of its own.")
}

/// An Oracle database in a step that can't read it.
pub fn needs_rman(word: &Spanned<String>) -> Complaint {
    Complaint::error("vex::plan::rman", "an oracle source is backed up by `rman`")
        .label(&word.span, "this is oracle")
        .help(format!("Write `rman \"{}\" level=0 {{ send … }}`.", word.value))
}

/// A vacuum of a source that knows none.
pub fn no_vacuum(word: &Spanned<String>, kind: &str) -> Complaint {
    Complaint::error("vex::plan::vacuum", format!("a {kind} source can't be vacuumed"))
        .label(&word.span, format!("this is {kind}"))
        .help("Name a source of kind postgres, or remove the step.")
}

/// A log of a source that has none.
pub fn no_wal(word: &Spanned<String>, kind: &str) -> Complaint {
    Complaint::error(
        "vex::plan::wal",
        format!("a {kind} source has no write-ahead log of its own to keep"),
    )
    .label(&word.span, format!("this is {kind}"))
    .help("Name a source of kind postgres, or remove the step.")
}

/// The binary log of a source that has none.
pub fn no_binlog(word: &Spanned<String>, kind: &str) -> Complaint {
    Complaint::error("vex::plan::binlog", format!("a {kind} source has no binary log"))
        .label(&word.span, format!("this is {kind}"))
        .help("Name a source of kind mysql; the log of PostgreSQL is kept by `wal`.")
}

/// A second place for the log of a server: it has one.
pub fn second_log(word: &Spanned<String>, first: &Span, verb: &str) -> Complaint {
    let code = if verb == "wal" { "vex::plan::wal-twice" } else { "vex::plan::binlog-twice" };
    Complaint::error(code, format!("the log of `{}` is kept twice", word.value))
        .label(&word.span, "here")
        .label(first, "and here")
        .help(format!("Write one `{verb}` for it in the whole file, with every `send` in it."))
}

/// Two chains whose keys could meet.
pub fn collision(folder: &str, first: (&str, &Span), second: (&str, &Span)) -> Complaint {
    let place = if folder.is_empty() { "at the root".into() } else { format!("under `{folder}`") };
    let message = format!("`{}` and `{}` would write the same keys {place}", first.0, second.0);
    let complaint = Complaint::error("vex::key::collision", message);
    let complaint = match first.1.start == second.1.start {
        true => complaint.label(first.1, "both go there"),
        false => complaint
            .label(second.1, format!("{} goes there", second.0))
            .label(first.1, format!("{} goes there too", first.0)),
    };
    complaint.help("Give one store another `prefix`, or a `key` with `{job}` and `{source}`.")
}

/// A store that keeps everything for ever.
pub fn no_keep(name: &Spanned<String>) -> Complaint {
    Complaint::warning("vex::store::keep", format!("store `{}` has no `keep`", name.value))
        .label(&name.span, "grows for ever")
        .help("Say what to keep, such as `keep daily=7 weekly=4 monthly=12`.")
}

/// A job whose backups nobody reads back.
pub fn no_verify(job: &Spanned<String>) -> Complaint {
    Complaint::warning("vex::job::verify", format!("nothing in job `{}` is verified", job.value))
        .label(&job.span, "no `verify`")
        .help("Add `verify \"store\"` to its dumps: a backup that was never read back is a hope.")
}

/// A dump of accounts that nobody has sealed.
pub fn open_accounts(word: &Spanned<String>) -> Complaint {
    Complaint::warning(
        "vex::archive::accounts",
        format!("the accounts of `{}` are stored unsealed", word.value),
    )
    .label(&word.span, "its users, roles and the hashes of their passwords")
    .help("Add `archive { password … }` to the dump or the job, or leave `accounts` out.")
}

/// A job without a step that takes part.
pub fn empty_job(job: &Spanned<String>) -> Complaint {
    Complaint::error("vex::job::empty", format!("job `{}` has no step", job.value))
        .label(&job.span, "does nothing")
        .help("Add a `dump`, a `verify` or an `exec` inside its braces.")
}

/// A step on something that is switched off.
pub fn switched_off(what: &str, word: &Spanned<String>) -> Complaint {
    Complaint::warning("vex::plan::off", format!("{what} `{}` is switched off", word.value))
        .label(&word.span, "does not take part")
        .help("The steps on it do not run.")
}

/// A store named twice in one chain.
pub fn store_twice(first: &Spanned<String>, second: &Spanned<String>) -> Complaint {
    Complaint::error("vex::plan::twice", format!("this chain sends to `{}` twice", second.value))
        .label(&second.span, "again")
        .label(&first.span, "first")
        .help("Keep one of the two.")
}

/// A mail without a mail server.
pub fn no_mail(span: &Span) -> Complaint {
    Complaint::error("vex::notify::mail", "there is no mail server")
        .label(span, "a mail is wanted here")
        .help("Add `mail host=\"…\" from=\"…\"`, best in the site file.")
}

/// A late notice that never can come.
pub fn never_late(span: &Span) -> Complaint {
    Complaint::warning("vex::notify::late", "no job says when it is late")
        .label(span, "never told")
        .help("Give a job both `schedule` and `within`. `vex run` itself can't notice that it did not run.")
}

/// A patience without a schedule.
pub fn within_alone(job: &Spanned<String>) -> Complaint {
    Complaint::warning(
        "vex::job::within",
        format!("job `{}` has `within` but no `schedule`", job.value),
    )
    .label(&job.span, "is never due, so never late")
    .help("Add its `schedule`, or remove `within`.")
}

/// A step that waits for itself.
pub fn name_waits_for_itself(word: &Spanned<String>) -> Complaint {
    Complaint::error("vex::plan::cycle", format!("`{}` waits for itself", word.value))
        .label(&word.span, "is this step")
        .help("Remove it from `after`.")
}

/// A verification that reads bytes only.
pub fn verify_unopened(span: &Span) -> Complaint {
    Complaint::warning(
        "vex::plan::unopened",
        "this verification proves bytes and no rows: the archive is sealed for recipients of age",
    )
    .label(span, "no `identity` opens it")
    .help("Add `identity=(file)\"…\"`, or prove backups by a drill where an identity is.")
}
