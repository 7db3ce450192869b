//! Whose requests they are: the keys that were declared, or the machine's own.
//!
//! Does not sign. The machine's own are looked for in the order of AWS's own programs: the
//! environment, a web identity, the profile, a container's, an instance's; a declared profile is
//! the only place that is asked, and a place that the environment names is the last one. Keys that
//! end are looked for again five minutes before; while that fails, they are used to their end.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use s3::creds::Credentials as Found;

use crate::base::{Secret, SecretRef, Stop};
use crate::job::S3Spec;
use crate::store::contract::ErrorKind;
use crate::store::s3::keys::Keys;
use crate::store::s3::{identity, instance};
use crate::store::wire::key::{self, variable};
use crate::store::wire::refusal::Refusal;
use crate::world::{Agents, Backoff, Clock, Entropy, Trust, World, agents};

/// How long before their end keys are replaced.
const EARLY: SignedDuration = SignedDuration::from_mins(5);

/// How long whoever lends keys may be silent.
const STALL: Duration = Duration::from_secs(20);

/// Variables that say that a container has keys.
const CONTAINER: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];

/// Where keys come from.
pub struct Credentials {
    /// Where they can be looked for again.
    machine: Option<Machine>,
    /// Guards the keys in use.
    keys: Mutex<Arc<Keys>>,
}

/// The machine's own keys.
struct Machine {
    agents: Agents,
    profile: Option<String>,
    region: String,
    clock: Clock,
    entropy: Entropy,
}

impl Credentials {
    /// Finds the keys a job declared, or the machine's; an error says why there are none.
    pub fn open(spec: &S3Spec, world: &World, stop: &Stop) -> Result<Credentials, Refusal> {
        let denied = |found: String| Refusal::new(ErrorKind::Denied, found);
        let find = |reference: &SecretRef| key::find(reference, stop).map_err(denied);
        let (keys, machine) = match (&spec.access_key, &spec.secret_key) {
            (Some(access), Some(secret)) => {
                let access = find(access)?.reveal().to_owned();
                let token = spec.session_token.as_ref().map(find).transpose()?;
                (Keys { access, secret: find(secret)?, token, expires: None }, None)
            }
            (None, None) => {
                let machine = Machine::new(spec, world)?;
                (machine.look(stop)?, Some(machine))
            }
            (Some(_), None) => {
                return Err(denied("an access key was given, but no secret key".into()));
            }
            (None, Some(_)) => {
                return Err(denied("a secret key was given, but no access key".into()));
            }
        };
        Ok(Credentials { machine, keys: Mutex::new(Arc::new(keys)) })
    }

    /// The keys to use now.
    pub fn current(&self, now: Timestamp, stop: &Stop) -> Result<Arc<Keys>, Refusal> {
        let mut keys = self.keys.lock().expect("no panic while locked");
        let ends = keys.expires.filter(|end| now + EARLY >= *end);
        if let (Some(machine), Some(end)) = (&self.machine, ends) {
            match machine.look(stop) {
                Ok(fresh) => *keys = Arc::new(fresh),
                Err(refusal) if now >= end || refusal.kind == ErrorKind::Stopped => {
                    return Err(refusal);
                }
                Err(_) => {}
            }
        }
        Ok(keys.clone())
    }
}

impl Machine {
    fn new(spec: &S3Spec, world: &World) -> Result<Machine, Refusal> {
        let plain = |name: &str| variable(name).is_some_and(|url| url.starts_with("http://"));
        let trust = match (&spec.ca, variable(identity::TOKEN_FILE)) {
            (_, None) => Trust::Listed,
            (_, Some(_)) if plain("AWS_ENDPOINT_URL_STS") => Trust::Listed,
            (None, Some(_)) => Trust::Machine,
            (Some(path), Some(_)) if variable("AWS_ENDPOINT_URL_STS").is_some() => {
                Trust::File(Path::new(path))
            }
            (Some(_), Some(_)) => Trust::Machine,
        };
        let agents =
            agents(trust, STALL).map_err(|e| Refusal::new(ErrorKind::Failed, e.to_string()))?;
        Ok(Machine {
            agents,
            profile: spec.profile.clone(),
            region: variable("AWS_REGION").unwrap_or_else(|| spec.region.clone()),
            clock: world.clock.clone(),
            entropy: world.entropy.clone(),
        })
    }

    /// Looks for keys, a few times where that may help.
    fn look(&self, stop: &Stop) -> Result<Keys, Refusal> {
        let mut backoff = Backoff::new(4, Duration::from_millis(200), Duration::from_secs(5));
        loop {
            match self.once(stop) {
                Err(refusal) if refusal.again => {
                    backoff.note(&refusal.found);
                    if !backoff.wait(&self.entropy, stop)? {
                        return Err(refusal.after(backoff.history()));
                    }
                }
                done => return done,
            }
        }
    }

    fn once(&self, stop: &Stop) -> Result<Keys, Refusal> {
        let denied = |found: String| Refusal::new(ErrorKind::Denied, found);
        if let Some(name) = &self.profile {
            let found = Found::from_profile(Some(name));
            return found
                .map_err(|e| denied(format!("profile {name:?} has no credentials: {e}")))
                .and_then(keys);
        }
        if variable("AWS_ACCESS_KEY_ID").is_some() {
            return Found::from_env().map_err(|e| denied(e.to_string())).and_then(keys);
        }
        if variable(identity::TOKEN_FILE).is_some() {
            return identity::assume(&self.agents, &self.region, self.clock.now(), stop);
        }
        let profile = variable("AWS_PROFILE");
        match (Found::from_profile(profile.as_deref()), profile) {
            (Ok(found), _) => return keys(found),
            (Err(e), Some(name)) => {
                return Err(denied(format!("profile {name:?} has no credentials: {e}")));
            }
            (Err(_), None) => {}
        }
        if CONTAINER.iter().any(|name| variable(name).is_some()) {
            let found = Found::from_container_credentials_provider();
            let refused = |e| denied(format!("the container has no credentials: {e}"));
            return found.map_err(refused).and_then(keys);
        }
        if instance::is_there() {
            return instance::ask(&self.agents, stop);
        }
        Err(nowhere())
    }
}

/// What rust-s3 found, as keys.
fn keys(found: Found) -> Result<Keys, Refusal> {
    let (Some(access), Some(secret)) = (found.access_key, found.secret_key) else {
        return Err(nowhere());
    };
    let expires = found.expiration.and_then(|e| Timestamp::from_second(e.0.unix_timestamp()).ok());
    let token = found.session_token.or(found.security_token).map(Secret::new);
    Ok(Keys { access, secret: Secret::new(secret), token, expires })
}

fn nowhere() -> Refusal {
    let found = "no access key was given, and the environment, ~/.aws/credentials, container and instance have none";
    Refusal::new(ErrorKind::Denied, found)
}
