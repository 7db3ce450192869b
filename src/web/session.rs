//! Who is signed in: sessions by a random token of which only the digest is kept.
//!
//! Invariants: a token is new at each login; a session ends when it is idle, when it is old, and
//! when its user is removed or changed; what is compared is compared in constant time.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::base::Secret;
use crate::catalog::{ADMINISTRATOR, Account, AuditRow, CLIENT, Session, moment};
use crate::web::exchange::Request;
use crate::web::password;
use crate::web::sessions::BELIEVED;
use crate::web::state::{State, lock};

/// The cookie of a session.
pub const COOKIE: &str = "vex";

/// How long a session may be idle.
const IDLE: Duration = Duration::from_secs(1800);

/// How often its use is noted.
const NOTED: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The session.
    pub session: Session,
    /// The digest of its token; empty where a proxy signed in.
    pub token: String,
}

impl Asker {
    /// Whether it is an administrator.
    pub fn is_admin(&self) -> bool {
        self.session.account.is_admin()
    }
}

/// Why somebody is not signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A field is empty.
    Empty,
    /// Login or password is wrong; nobody is told which.
    Wrong,
    /// Too many tried.
    Slow(Duration),
    /// The catalog is away.
    Away(String),
}

/// 256 random bits as text.
fn random() -> String {
    let mut bytes = [0_u8; 32];
    // Without random numbers nobody may sign in, whoever asks.
    getrandom::fill(&mut bytes).expect("BUG: the operating system has no random numbers");
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn digest(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub fn same(a: &str, b: &str) -> bool {
    let (a, b) = (Sha256::digest(a.as_bytes()), Sha256::digest(b.as_bytes()));
    a.iter().zip(b.iter()).fold(0, |sum, (x, y)| sum | (x ^ y)) == 0
}

impl State {
    /// Who asks; `None` for nobody.
    pub fn asker(&self, request: &Request) -> Option<Asker> {
        if let Some(user) = &request.proxy_user {
            return Some(self.of_proxy(user));
        }
        let token = digest(request.cookie(COOKIE)?);
        let now = self.now();
        let known = self.sessions.get(&token);
        let believed = known.as_ref().filter(|(_, at)| at.elapsed() < BELIEVED);
        let session = match believed {
            Some((session, _)) => Some(session.clone()),
            None => match self.with(|catalog| catalog.session(&token)) {
                Ok(found) => found,
                // While the catalog is away, who was signed in stays so.
                Err(_) => known.map(|(session, _)| session),
            },
        };
        let session = session.filter(|s| self.lasts(s, now));
        let Some(mut session) = session else {
            self.sessions.forget(&token);
            return None;
        };
        let last: Option<Timestamp> = session.seen.parse().ok();
        if last.is_none_or(|last| now.duration_since(last) > signed(NOTED)) {
            session.seen = moment(now);
            // A use that can't be noted ends the session early, no more.
            drop(self.with(|catalog| catalog.see_session(&token, &session.seen)));
        }
        self.sessions.believe(&token, &session);
        Some(Asker { session, token })
    }

    /// Whom a trusted proxy names: an account of that login, else one with the privilege that the
    /// site file gives. While the catalog is away nobody knows whether an account says less: then
    /// it is the lower one.
    fn of_proxy(&self, user: &str) -> Asker {
        let asked = self.with(|catalog| catalog.account_named(user));
        let is_known = asked.is_ok();
        let known = asked.unwrap_or(None);
        let privilege = if self.settings.proxy_admin && is_known { ADMINISTRATOR } else { CLIENT };
        let account = known.unwrap_or_else(|| Account {
            login: user.to_owned(),
            privilege: privilege.to_owned(),
            ..Account::default()
        });
        // The proxy signs in anew for each request; its forms are guarded by their origin.
        let csrf = digest(&format!("proxy {user}"));
        Asker { session: Session { account, csrf, ..Session::default() }, token: String::new() }
    }

    fn lasts(&self, session: &Session, now: Timestamp) -> bool {
        let within = |text: &str, most: Duration| {
            text.parse::<Timestamp>().is_ok_and(|at| now.duration_since(at) <= signed(most))
        };
        within(&session.created, self.settings.session) && within(&session.seen, IDLE)
    }

    /// Signs in; returns the token of the session.
    pub fn sign_in(&self, peer: IpAddr, login: &str, password: &Secret) -> Result<String, Refusal> {
        let login = login.trim();
        if login.is_empty() || password.reveal().is_empty() {
            return Err(Refusal::Empty);
        }
        let begun = lock(&self.throttle).begin(peer, login, Instant::now());
        let count = begun.map_err(Refusal::Slow)?;
        let result = self.sign_in_now(peer, login, password, count);
        match &result {
            Ok(_) => lock(&self.throttle).succeed(peer, login),
            Err(Refusal::Wrong) => {}
            Err(Refusal::Empty | Refusal::Slow(_) | Refusal::Away(_)) => {
                lock(&self.throttle).undo(peer, login);
            }
        }
        result
    }

    fn sign_in_now(
        &self,
        peer: IpAddr,
        login: &str,
        password: &Secret,
        count: u32,
    ) -> Result<String, Refusal> {
        let known = self.with(|catalog| catalog.account_named(login)).map_err(Refusal::Away)?;
        let hash = known.as_ref().map(|a| a.password.as_str());
        let Some(good) = password::verify(password, hash) else {
            return Err(Refusal::Slow(Duration::from_secs(2)));
        };
        let Some(account) = known.filter(|_| good) else {
            self.refused(peer, login, count);
            return Err(Refusal::Wrong);
        };
        let (token, now) = (random(), self.moment());
        let session = Session { account, csrf: random(), created: now.clone(), seen: now.clone() };
        let old = (self.now() - signed(self.settings.session), self.now() - signed(IDLE));
        self.with(|catalog| {
            catalog.end_old_sessions(&moment(old.0), &moment(old.1))?;
            catalog.begin_session(&digest(&token), &session, &peer.to_string())?;
            catalog.note(&AuditRow {
                at: now.clone(),
                who: session.account.login.clone(),
                peer: peer.to_string(),
                action: "action-login".into(),
                ..AuditRow::default()
            })
        })
        .map_err(Refusal::Away)?;
        self.sessions.believe(&digest(&token), &session);
        Ok(token)
    }

    /// Notes a failure in the audit now and then: a flood of them is no flood of rows.
    fn refused(&self, peer: IpAddr, login: &str, count: u32) {
        if !count.is_power_of_two() {
            return;
        }
        let login: String = login.chars().filter(|c| !c.is_control()).take(50).collect();
        let row = AuditRow {
            at: self.moment(),
            who: login,
            peer: peer.to_string(),
            action: "action-refused".into(),
            after: count.to_string(),
            ..AuditRow::default()
        };
        self.note_when_it_is_there(row);
    }

    /// Ends the session that a request came with, as it has another one now. While the catalog is away
    /// that one ends by its age.
    pub fn leave_behind(&self, request: &Request) {
        let Some(token) = request.cookie(COOKIE).map(digest) else { return };
        self.sessions.forget(&token);
        drop(self.with(|catalog| catalog.end_session(&token)));
    }

    /// Signs out; the error says that the catalog is away, and the session still there.
    pub fn sign_out(&self, asker: &Asker, peer: IpAddr) -> Result<(), String> {
        self.sessions.forget(&asker.token);
        let row = AuditRow {
            at: self.moment(),
            who: asker.session.account.login.clone(),
            peer: peer.to_string(),
            action: "action-logout".into(),
            ..AuditRow::default()
        };
        self.with(|catalog| {
            catalog.end_session(&asker.token)?;
            catalog.note(&row)
        })
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::lang::Lang;
    use crate::web::desk::Desk;
    use crate::web::exchange::Method;
    use crate::web::state::Settings;
    use crate::world::Clock;

    use super::*;

    #[test]
    fn tokens_are_long_and_new() {
        let (a, b) = (random(), random());
        assert_eq!((a.len(), b.len()), (64, 64));
        assert!(a != b && same(&a, &a) && !same(&a, &b) && !same(&a, ""));
    }

    struct Idle;

    impl Desk for Idle {
        fn host(&self) -> &str {
            "here"
        }

        fn run(&self, _: &str, _: &str) -> Result<(), String> {
            Ok(())
        }

        fn verify(&self, _: &str, _: &str, _: &str, _: &str) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn a_catalog_that_is_away_makes_nobody_an_administrator() {
        let settings = Settings {
            lang: Lang::En,
            zone: TimeZone::UTC,
            session: IDLE,
            proxy_admin: true,
            file: String::new(),
            clock: Clock::System,
        };
        let away = State::new(settings, Box::new(Idle), Box::new(|| Err("away".into())));
        let mut request = Request::new(Method::Get, "/").expect("a request");
        request.proxy_user = Some("bia".into());
        assert!(!away.asker(&request).expect("signed in by the proxy").is_admin());
    }
}
