//! Whose requests they are: the keys that were declared, or the machine's own.
//!
//! Does not sign. The machine's own are looked for in this order: the environment, the profile, a
//! container's, an instance's; a declared profile is the only place that is asked. Keys that expire
//! are looked for again five minutes before. Web identity (`AWS_WEB_IDENTITY_TOKEN_FILE`) is not
//! covered: it needs a call over TLS that the crate, built without TLS, can't make.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use crate::base::{Secret, SecretRef, Stop};
use crate::job::S3Spec;
use crate::world::reveal;

/// How long before their end keys are replaced.
const EARLY: SignedDuration = SignedDuration::from_mins(5);

/// An access key and its secret.
pub struct Keys {
    /// Public half.
    pub access: String,
    /// Secret half.
    pub secret: Secret,
    /// Token of a session, for keys that were lent.
    pub token: Option<Secret>,
    /// When they end.
    pub expires: Option<Timestamp>,
}

/// Where keys come from.
pub struct Credentials {
    /// Whether they can be looked for again.
    lent: bool,
    profile: Option<String>,
    /// Guards the keys in use.
    keys: Mutex<Arc<Keys>>,
}

impl Credentials {
    /// Finds the keys a job declared, or the machine's; an error says why there are none.
    pub fn open(spec: &S3Spec, stop: &Stop) -> Result<Credentials, String> {
        let find = |reference: &SecretRef| reveal(reference, stop).map_err(|e| chain(&e));
        let keys = match (&spec.access_key, &spec.secret_key) {
            (Some(access), Some(secret)) => Keys {
                access: find(access)?.reveal().to_owned(),
                secret: find(secret)?,
                token: spec.session_token.as_ref().map(find).transpose()?,
                expires: None,
            },
            (None, None) => look(spec.profile.as_deref())?,
            (Some(_), None) => return Err("an access key was given, but no secret key".into()),
            (None, Some(_)) => return Err("a secret key was given, but no access key".into()),
        };
        let lent = spec.access_key.is_none();
        Ok(Credentials { lent, profile: spec.profile.clone(), keys: Mutex::new(Arc::new(keys)) })
    }

    /// The keys to use now.
    pub fn current(&self, now: Timestamp) -> Result<Arc<Keys>, String> {
        let mut keys = self.keys.lock().expect("no panic while locked");
        let ends = keys.expires.is_some_and(|end| now + EARLY >= end);
        if self.lent && ends {
            *keys = Arc::new(look(self.profile.as_deref())?);
        }
        Ok(keys.clone())
    }
}

/// The machine's own keys.
fn look(profile: Option<&str>) -> Result<Keys, String> {
    use s3::creds::Credentials as Found;
    let found = match profile {
        Some(name) => Found::from_profile(profile)
            .map_err(|e| format!("profile {name:?} has no credentials: {e}"))?,
        None => Found::default().map_err(|_| nowhere())?,
    };
    let (Some(access), Some(secret)) = (found.access_key, found.secret_key) else {
        return Err(nowhere());
    };
    let expires = found.expiration.and_then(|e| Timestamp::from_second(e.0.unix_timestamp()).ok());
    let token = found.session_token.or(found.security_token).map(Secret::new);
    Ok(Keys { access, secret: Secret::new(secret), token, expires })
}

fn nowhere() -> String {
    let mut found =
        "no access key was given, and the environment, ~/.aws/credentials, container and instance have none".to_owned();
    if std::env::var_os("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() {
        found.push_str(" (web identity is not supported)");
    }
    found
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
