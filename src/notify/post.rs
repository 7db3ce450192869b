//! Webhooks and pings: what is sent, tried again where that can help, within a bounded time. The
//! address is often a secret: it is never part of a message.

use std::time::{Duration, Instant};

use serde::Serialize;
use ureq::http::{Request, Response};
use ureq::{Agent, AsSendBody, Body};
use url::Url;

use crate::base::{SecretRef, Stop};
use crate::job::Shape;
use crate::notify::chat::{self, Message};
use crate::notify::letter::Letter;
use crate::notify::ping::{Calls, Sign, calls};
use crate::notify::signature::signature;
use crate::record::{ArtifactFacts, CopyFacts, DumpFacts, Failure, StepEnd, StepFacts, Verdict};
use crate::report::Summary;
use crate::world::{Backoff, Entropy, Trust, agents, reveal};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest that all tries of one call may take.
const WHOLE: Duration = Duration::from_secs(60);

/// How often it is tried.
const TRIES: u32 = 3;

/// What a webhook is sent, version 2.
#[derive(Serialize)]
struct Post<'a> {
    version: u32,
    file: &'a str,
    run: &'a str,
    job: &'a str,
    host: &'a str,
    verdict: Option<Verdict>,
    started: Option<String>,
    finished: Option<String>,
    steps: Vec<Step<'a>>,
    backups: Vec<Backup<'a>>,
    copies: Vec<Copy<'a>>,
    alerts: &'a [String],
    /// Why no step ran, where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a Failure>,
    /// Where the run is shown, if it is.
    #[serde(skip_serializing_if = "str::is_empty")]
    page: &'a str,
}

#[derive(Serialize)]
struct Step<'a> {
    #[serde(flatten)]
    facts: &'a StepFacts,
    #[serde(flatten)]
    end: &'a StepEnd,
}

#[derive(Serialize)]
struct Backup<'a> {
    source: Option<&'a str>,
    dump: Option<&'a DumpFacts>,
    artifact: Option<&'a ArtifactFacts>,
}

#[derive(Serialize)]
struct Copy<'a> {
    #[serde(flatten)]
    copy: &'a CopyFacts,
    proof: &'a str,
}

/// What the other side said, or why it said nothing.
type Answer = Result<Response<Body>, ureq::Error>;

/// Where a webhook goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Hook<'a> {
    /// The address.
    pub url: &'a SecretRef,
    /// The form.
    pub shape: Shape,
    /// The key of the signature.
    pub secret: Option<&'a SecretRef>,
}

/// Posts the summary as JSON; to a chat, its letter.
pub fn webhook(
    hook: &Hook<'_>,
    summary: &Summary,
    letter: Option<&Letter>,
    stop: &Stop,
) -> Result<(), String> {
    let url = hook.url;
    let fail = |why: String| format!("unable to call the webhook {url}: {why}");
    let address = reveal(url, stop).map_err(|e| fail(e.to_string()))?;
    let parsed = Url::parse(address.reveal().trim())
        .map_err(|_| fail("the address is none that begins with https://".into()))?;
    let Message { url: to, body } = match letter {
        Some(letter) => chat::message(hook.shape, parsed, letter, summary),
        None => Message { url: parsed, body: body(summary) },
    };
    let key = hook.secret.map(|secret| reveal(secret, stop)).transpose();
    let key = key.map_err(|e| fail(e.to_string()))?;
    let call = |agent: &Agent, left: Duration| {
        let mut request = Request::post(to.as_str()).header("content-type", "application/json");
        if let Some(key) = &key {
            request = request.header("x-vex-signature", signature(key.reveal(), &body));
        }
        send(agent, request.body(&body[..])?, left)
    };
    answer(tried(&call).map_err(fail)?).map_err(fail)
}

/// The summary, for programs.
fn body(summary: &Summary) -> Vec<u8> {
    let copies = summary.copies().map(|c| Copy { copy: &c.copy, proof: c.proof_word() });
    let backups = summary.backups.iter().map(|(step, backup)| Backup {
        source: summary.plan.get(*step).and_then(|f| f.chain.as_deref()),
        dump: backup.dump.as_ref(),
        artifact: backup.artifact.as_ref(),
    });
    let body = Post {
        version: 2,
        file: &summary.file,
        run: &summary.id,
        job: &summary.job,
        host: &summary.host,
        verdict: summary.verdict,
        started: summary.started.map(|t| t.to_string()),
        finished: summary.finished.map(|t| t.to_string()),
        steps: summary.steps.iter().map(|s| Step { facts: &s.facts, end: &s.end }).collect(),
        backups: backups.collect(),
        copies: copies.collect(),
        alerts: &summary.alerts,
        refused: summary.refused.as_ref(),
        page: &summary.page,
    };
    serde_json::to_vec(&body).expect("BUG: a summary that is not JSON")
}

/// Pings; with a text it is a POST that holds it.
pub fn ping(url: &SecretRef, sign: Sign, text: Option<&[u8]>, stop: &Stop) -> Result<(), String> {
    let fail = |why: String| format!("unable to ping {url}: {why}");
    let address = reveal(url, stop).map_err(|e| fail(e.to_string()))?;
    let Calls { first, second } =
        calls(address.reveal(), sign).map_err(|why| fail(why.to_owned()))?;
    let Some(first) = first else { return Ok(()) };
    let call = |url: &Url| {
        tried(&|agent, left| match text {
            Some(text) => {
                let request = Request::post(url.as_str()).header("content-type", "text/plain");
                send(agent, request.body(text)?, left)
            }
            None => send(agent, Request::get(url.as_str()).body(())?, left),
        })
    };
    let answered = call(&first);
    match second {
        // Nobody there knows `/fail`: a monitor with a page for every path, or none for this one.
        Some(own) if answered.as_ref().is_ok_and(|a| !a.status().is_success() || is_page(a)) => {
            answer(call(&own).map_err(fail)?).map_err(fail)
        }
        // A monitor that has no word for a start says so to every run.
        Some(_) | None if sign == Sign::Start => answered.map(drop).map_err(fail),
        Some(_) | None => answer(answered.map_err(fail)?).map_err(fail),
    }
}

/// Sends a request whose answer must be there in the time that is left.
fn send<S: AsSendBody>(
    agent: &Agent,
    request: Request<S>,
    left: Duration,
) -> Result<Response<Body>, ureq::Error> {
    agent.run(agent.configure_request(request).timeout_global(Some(left)).build())
}

/// Calls until there is an answer that another try would not change, or the time is over.
fn tried(call: &dyn Fn(&Agent, Duration) -> Answer) -> Result<Response<Body>, String> {
    let agents = agents(Trust::Machine, PATIENCE).map_err(|e| e.to_string())?;
    // A run that was stopped is told as well; only patience ends this.
    let stop = Stop::new();
    let deadline = Instant::now() + WHOLE;
    let mut backoff = Backoff::new(TRIES, Duration::from_secs(2), Duration::from_secs(8));
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        let answered = call(&agents.take(&stop), left);
        let again = match &answered {
            Ok(answer) => answer.status().is_server_error() || answer.status().as_u16() == 429,
            Err(error) => !matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_)),
        };
        let may = again && Instant::now() < deadline;
        if !may || !backoff.wait(&Entropy::Os, &stop).unwrap_or(false) {
            return answered.map_err(|error| words(&error));
        }
    }
}

/// Whether an answer is a page for people.
fn is_page(response: &Response<Body>) -> bool {
    let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("text/html"))
}

/// Whether the other side took it.
fn answer(response: Response<Body>) -> Result<(), String> {
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("it answered {status}")),
    }
}

/// Why there is no answer; the crate's own errors may hold the address, so only their kind is told.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.kind().to_string(),
        ureq::Error::Timeout(_) => "no answer in time".into(),
        ureq::Error::HostNotFound => "the host is not found".into(),
        _ => "the address or the answer is wrong".into(),
    }
}
