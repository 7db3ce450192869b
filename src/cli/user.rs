//! `vex user`: who may sign in to the dashboard. The first administrator is made here and nowhere
//! else.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::base::Secret;
use crate::catalog::{ADMINISTRATOR, Account, AuditRow, CLIENT, Catalog, Changed, moment};
use crate::cli::args::{Format, Privilege, User};
use crate::cli::exit::Exit;
use crate::cli::report::{sites, zone};
use crate::cli::wiring::{App, complain, open_catalog, tell};
use crate::lang::Lang;
use crate::view::Reader;
use crate::web::{LONGEST, SHORTEST, hash_password};

/// Who acts here, in the audit.
const HERE: &str = "vex user";

/// Characters that turn the direction of what follows, and separators of lines.
const TURNS: [char; 11] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}', '\u{2028}', '\u{2029}',
];

/// Does what was asked.
pub fn user(args: &User, app: &App) -> Exit {
    let done = match args {
        User::Add { login, name, privilege, password_file, site } => {
            let name = name.as_deref().unwrap_or(login);
            add(app, (login, name, *privilege), password_file.as_deref(), site.as_deref())
        }
        User::List { site, format } => list(app, site.as_deref(), *format),
        User::Password { login, password_file, site } => {
            change_password(app, login, password_file.as_deref(), site.as_deref())
        }
        User::Remove { login, site } => remove(app, login, site.as_deref()),
        User::Audit { verify, site, format } => audit(app, *verify, site.as_deref(), *format),
    };
    done.unwrap_or_else(|exit| exit)
}

fn catalog(app: &App, site: Option<&Path>) -> Result<(Catalog, Reader), Exit> {
    let (file, _) = sites(&[], site)?;
    let catalog = open_catalog(&app.world, &file, &app.stop).map_err(|why| said(&why))?;
    Ok((catalog, Reader { lang: Lang::En, zone: zone(&file) }))
}

fn said(why: &dyn std::fmt::Display) -> Exit {
    complain(&why.to_string());
    Exit::Error
}

/// The privilege of a word.
fn named(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Administrator => ADMINISTRATOR,
        Privilege::Client => CLIENT,
    }
}

/// A row of the audit of what is done here.
fn row(app: &App, action: &str, target: &str, (before, after): (String, String)) -> AuditRow {
    AuditRow {
        number: 0,
        at: moment(app.world.clock.now()),
        who: HERE.to_owned(),
        peer: app.world.host(),
        action: action.to_owned(),
        target: target.to_owned(),
        before,
        after,
    }
}

fn add(
    app: &App,
    (login, name, privilege): (&str, &str, Privilege),
    file: Option<&Path>,
    site: Option<&Path>,
) -> Result<Exit, Exit> {
    let (mut catalog, _) = catalog(app, site)?;
    let login = login.trim();
    if login.is_empty() || login.chars().count() > 50 || login.chars().any(char::is_control) {
        complain("a login has 1 to 50 characters, none of them a control character");
        return Err(Exit::Usage);
    }
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        complain("a name has at most 100 characters, none of them a control character");
        return Err(Exit::Usage);
    }
    let account = Account {
        name: name.to_owned(),
        login: login.to_owned(),
        password: hashed(&password(file)?)?,
        privilege: named(privilege).to_owned(),
        created: moment(app.world.clock.now()),
        ..Account::default()
    };
    match catalog.add_account(&account).map_err(|e| said(&e))? {
        Changed::Done => {}
        Changed::Taken => {
            complain(&format!("the login {login} is taken"));
            return Err(Exit::Error);
        }
        Changed::LastAdmin | Changed::Missing => {
            complain(&format!("the catalog has no privilege {}", account.privilege));
            return Err(Exit::Error);
        }
    }
    let after = format!("{name}, {}", account.privilege);
    let noted = row(app, "action-add-user", login, (String::new(), after));
    catalog.note(&noted).map_err(|e| said(&e))?;
    tell(&format!("{login} can sign in as {}", account.privilege));
    Ok(Exit::Success)
}

fn list(app: &App, site: Option<&Path>, format: Format) -> Result<Exit, Exit> {
    let (mut catalog, reader) = catalog(app, site)?;
    for account in catalog.accounts().map_err(|e| said(&e))? {
        let Account { name, login, privilege, created, last_seen, .. } = account;
        tell(&match format {
            Format::Json => serde_json::json!({
                "version": 1, "login": login, "name": name, "privilege": privilege, "created": created,
                "last-seen": last_seen,
            })
            .to_string(),
            Format::Human => {
                let seen = reader.moment_of(last_seen.as_deref());
                line(&format!("{login:<24} {privilege:<14} {seen:<20} {name}"))
            }
        });
    }
    Ok(Exit::Success)
}

/// A text of the catalog on one line of a terminal: somebody may have written into the catalog what
/// this program refuses.
fn line(text: &str) -> String {
    let shown = |c: char| match c.is_control() || TURNS.contains(&c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

fn known(catalog: &mut Catalog, login: &str) -> Result<Account, Exit> {
    match catalog.account_named(login).map_err(|e| said(&e))? {
        Some(account) => Ok(account),
        None => {
            complain(&format!("there is no user {login}; vex user list shows them"));
            Err(Exit::Usage)
        }
    }
}

fn change_password(
    app: &App,
    login: &str,
    file: Option<&Path>,
    site: Option<&Path>,
) -> Result<Exit, Exit> {
    let (mut catalog, _) = catalog(app, site)?;
    let mut account = known(&mut catalog, login)?;
    account.password = hashed(&password(file)?)?;
    let at = moment(app.world.clock.now());
    catalog.change_account(&account, "", &at).map_err(|e| said(&e))?;
    let noted = row(app, "action-change-user", login, (String::new(), "senha alterada".into()));
    catalog.note(&noted).map_err(|e| said(&e))?;
    tell(&format!("{login} has another password; open sessions have ended"));
    Ok(Exit::Success)
}

fn remove(app: &App, login: &str, site: Option<&Path>) -> Result<Exit, Exit> {
    let (mut catalog, _) = catalog(app, site)?;
    let account = known(&mut catalog, login)?;
    match catalog.remove_account(account.id).map_err(|e| said(&e))? {
        Changed::LastAdmin => {
            complain(&format!("{login} is the last administrator; add another one first"));
            return Err(Exit::Error);
        }
        Changed::Done | Changed::Taken | Changed::Missing => {}
    }
    let before = format!("{}, {}", account.name, account.privilege);
    let noted = row(app, "action-remove-user", login, (before, String::new()));
    catalog.note(&noted).map_err(|e| said(&e))?;
    tell(&format!("{login} is removed; open sessions have ended"));
    Ok(Exit::Success)
}

fn audit(app: &App, verify: bool, site: Option<&Path>, format: Format) -> Result<Exit, Exit> {
    let (mut catalog, reader) = catalog(app, site)?;
    if verify {
        return match catalog.check_audit(None).map_err(|e| said(&e))? {
            Ok(last) => {
                tell(&match last {
                    Some((number, digest)) => {
                        format!("the audit is whole up to row {number}, digest {digest}")
                    }
                    None => "the audit has no rows".to_owned(),
                });
                Ok(Exit::Success)
            }
            Err(number) => {
                complain(&format!(
                    "row {number} of the audit does not follow from the one before it"
                ));
                Err(Exit::Damage)
            }
        };
    }
    let (mut rows, _) = catalog.audit(&[], (0, u64::from(u32::MAX))).map_err(|e| said(&e))?;
    rows.reverse();
    for r in rows {
        tell(&match format {
            Format::Json => serde_json::json!({
                "version": 1, "number": r.number, "at": r.at, "who": r.who, "peer": r.peer, "action": r.action,
                "target": r.target, "before": r.before, "after": r.after,
            })
            .to_string(),
            Format::Human => {
                let action = reader.lang.known(&r.action).unwrap_or(r.action);
                let at = reader.moment_of(Some(&r.at));
                let what = format!("{action}: {} [{}] -> [{}]", r.target, r.before, r.after);
                line(&format!("{at} {} ({}) {what}", r.who, r.peer))
            }
        });
    }
    Ok(Exit::Success)
}

fn hashed(password: &Secret) -> Result<String, Exit> {
    let length = password.reveal().chars().count();
    if length < SHORTEST || password.reveal().len() > LONGEST {
        complain(&format!(
            "a password has at least {SHORTEST} characters, and at most {LONGEST} bytes"
        ));
        return Err(Exit::Usage);
    }
    hash_password(password).ok_or_else(|| said(&"unable to hash the password"))
}

/// The password: the first line of a file, or what is typed twice on the terminal.
fn password(file: Option<&Path>) -> Result<Secret, Exit> {
    if let Some(path) = file {
        let unable = |e: std::io::Error| said(&format!("unable to read {}: {e}", path.display()));
        let file = std::fs::File::open(path).map_err(unable)?;
        let mut line = String::new();
        BufReader::new(file).read_line(&mut line).map_err(unable)?;
        return Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        complain("the password is typed on a terminal; without one, name --password-file FILE");
        return Err(Exit::Usage);
    }
    let first = typed("Password: ")?;
    let again = typed("Again: ")?;
    if first.reveal() != again.reveal() {
        complain("the two passwords differ");
        return Err(Exit::Usage);
    }
    Ok(first)
}

/// What the terminal was before a password was typed; put back whatever happens.
struct Echo(Termios);

impl Drop for Echo {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0).unwrap_or_default();
    }
}

fn typed(ask: &str) -> Result<Secret, Exit> {
    let unable = |e: &dyn std::fmt::Display| said(&format!("unable to read the terminal: {e}"));
    let before = tcgetattr(std::io::stdin()).map_err(|e| unable(&e))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(std::io::stdin(), OptionalActions::Now, &silent).map_err(|e| unable(&e))?;
    let _echo = Echo(before);
    let mut error = std::io::stderr().lock();
    drop(write!(error, "{ask}").and_then(|()| error.flush()));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| unable(&e))?;
    drop(writeln!(error));
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
