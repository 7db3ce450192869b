//! Tokens of a Google service account: of a key file, by a signed assertion (RS256), or of the
//! metadata server of the machine.
//!
//! Does not know buckets. A token is kept until five minutes before its end. No error repeats what
//! was sent or a token.

use std::path::Path;
use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::base::{Secret, Stop};
use crate::store::contract::ErrorKind;
use crate::store::wire::call::Pace;
use crate::store::wire::fetch::{Fetched, fetch, is_passing};
use crate::store::wire::key::variable;
use crate::store::wire::refusal::Refusal;
use crate::world::{Agents, Trust, agents};

/// What a token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// Where Google gives tokens, unless the key file says another place.
const GIVER: &str = "https://oauth2.googleapis.com/token";

/// How long before its end a token is replaced.
const EARLY: SignedDuration = SignedDuration::from_mins(5);

/// Tokens of one account.
pub struct Tokens {
    agents: Agents,
    giver: Giver,
    /// Guards the token in use, and when it ends; one that asks for a new one keeps all others
    /// waiting.
    kept: Mutex<Option<(Secret, Timestamp)>>,
}

enum Giver {
    Account(Box<Account>),
    /// The address that is asked.
    Machine(String),
}

struct Account {
    email: String,
    key_id: String,
    key: RsaKeyPair,
    uri: String,
}

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    expires_in: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Denied {
    error: String,
    error_description: String,
}

impl Tokens {
    /// Of the key file of a service account.
    pub fn of_account(text: &Secret, ca: Option<&Path>, pace: Pace) -> Result<Tokens, String> {
        let no_key =
            "it is no key file of a service account (JSON with client_email and private_key)";
        let file: KeyFile = serde_json::from_str(text.reveal()).map_err(|_| no_key.to_owned())?;
        let key = Secret::new(file.private_key);
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.reveal().as_bytes());
        let der = der.map_err(|_| "its private_key is no PEM of PKCS#8".to_owned())?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
        let key = key.map_err(|e| format!("its private_key is no RSA key: {e}"))?;
        let uri = file.token_uri.unwrap_or_else(|| GIVER.to_owned());
        let email = file.client_email;
        let trust = match ca {
            _ if uri.starts_with("http://") => Trust::Listed,
            Some(path) => Trust::File(path),
            None => Trust::Machine,
        };
        let giver =
            Giver::Account(Box::new(Account { email, key_id: file.private_key_id, key, uri }));
        Tokens::new(giver, trust, pace)
    }

    /// Of the metadata server of the machine, whose host `GCE_METADATA_HOST` may name.
    pub fn of_machine(pace: Pace) -> Result<Tokens, String> {
        let host = variable("GCE_METADATA_HOST");
        let host = host.as_deref().unwrap_or("metadata.google.internal");
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        Tokens::new(Giver::Machine(format!("http://{host}/{path}")), Trust::Listed, pace)
    }

    fn new(giver: Giver, trust: Trust<'_>, pace: Pace) -> Result<Tokens, String> {
        let agents = agents(trust, pace.stall).map_err(|e| e.to_string())?;
        Ok(Tokens { agents, giver, kept: Mutex::new(None) })
    }

    /// The token to use now.
    pub fn current(&self, now: Timestamp, stop: &Stop) -> Result<Secret, Refusal> {
        let mut kept = self.kept.lock().expect("no panic while locked");
        match &*kept {
            Some((token, end)) if now + EARLY < *end => Ok(token.clone()),
            early => {
                let given = match (self.ask(now, stop), early) {
                    (Ok(given), _) => given,
                    // Good for some minutes yet.
                    (Err(refusal), Some((token, end)))
                        if now < *end && refusal.kind != ErrorKind::Stopped =>
                    {
                        drop(refusal);
                        return Ok(token.clone());
                    }
                    (Err(refusal), _) => return Err(refusal),
                };
                let end = now.saturating_add(SignedDuration::from_secs(given.expires_in));
                let token = Secret::new(given.access_token);
                let end = end.unwrap_or(now);
                *kept = Some((token.clone(), end));
                Ok(token)
            }
        }
    }

    fn ask(&self, now: Timestamp, stop: &Stop) -> Result<Given, Refusal> {
        let (whom, request) = match &self.giver {
            Giver::Account(account) => {
                let form = "application/x-www-form-urlencoded";
                let request = Request::post(&account.uri).header("content-type", form);
                (account.uri.as_str(), request.body(account.assertion(now)?))
            }
            Giver::Machine(uri) => {
                let request = Request::get(uri).header("metadata-flavor", "Google");
                (uri.as_str(), request.body(String::new()))
            }
        };
        let request = request.map_err(|_| {
            Refusal::new(ErrorKind::Failed, "the address that gives tokens has no form")
        })?;
        let asked = || format!("ask {whom} for a token");
        let Fetched { status, text } =
            fetch(&self.agents, request, stop).map_err(|refusal| refusal.before(&asked()))?;
        if status == 200 {
            let given = serde_json::from_str(text.reveal());
            return given.map_err(|_| Refusal::garbled("the answer holds none").before(&asked()));
        }
        let denied: Denied = serde_json::from_str(text.reveal()).unwrap_or_default();
        let words: String = format!("{}: {}", denied.error, denied.error_description)
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect();
        let found = format!("{status} {}", words.trim_matches([':', ' ']));
        let passing = is_passing(status);
        let kind = if passing { ErrorKind::Unreachable } else { ErrorKind::Denied };
        Err(Refusal::new(kind, found.trim_end()).passing(passing).before(&asked()))
    }
}

impl Account {
    /// The form that asks for a token: a statement of who asks, signed.
    fn assertion(&self, now: Timestamp) -> Result<String, Refusal> {
        let failed = |found: &str| Refusal::new(ErrorKind::Failed, found);
        let head = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = serde_json::json!({
            "iss": self.email, "scope": SCOPE, "aud": self.uri,
            "iat": now.as_second(), "exp": now.as_second() + 3600,
        });
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let text = format!(
            "{}.{}",
            encode(head.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| failed("the key of the service account signs nothing"))?;
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        Ok(format!("grant_type={grant}&assertion={text}.{}", encode(&signature)))
    }
}
