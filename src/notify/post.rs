//! Webhooks and pings. The address is often a secret: it is never part of a message.

use std::time::Duration;

use serde::Serialize;
use ureq::Body;
use ureq::http::Response;

use crate::base::{SecretRef, Stop};
use crate::notify::ping::{Calls, calls};
use crate::record::{ArtifactFacts, CopyFacts, DumpFacts, StepEnd, StepFacts, Verdict};
use crate::report::Summary;
use crate::world::{Trust, agents, reveal};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same for a whole call: one that says a little now and then has an end as well.
const LONGEST: Duration = Duration::from_secs(120);

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

/// Posts the summary as JSON.
pub fn webhook(url: &SecretRef, summary: &Summary, stop: &Stop) -> Result<(), String> {
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
        page: &summary.page,
    };
    let json = serde_json::to_vec(&body).expect("BUG: a summary that is not JSON");
    let fail = |why: String| format!("unable to call the webhook {url}: {why}");
    let address = reveal(url, stop).map_err(|e| fail(e.to_string()))?;
    let agents = agents(Trust::Machine, PATIENCE).map_err(|e| fail(e.to_string()))?;
    // A run that was stopped is told as well; only patience ends this.
    let agent = agents.take(&Stop::new());
    let request = agent.post(address.reveal()).header("content-type", "application/json");
    let request = request.config().timeout_global(Some(LONGEST)).build();
    answer(request.send(&json)).map_err(fail)
}

/// Pings: the address after Sucesso or Alerta, its path and `/fail` after Erro.
pub fn ping(url: &SecretRef, verdict: Verdict, stop: &Stop) -> Result<(), String> {
    let fail = |why: String| format!("unable to ping {url}: {why}");
    let address = reveal(url, stop).map_err(|e| fail(e.to_string()))?;
    let Calls { first, second } =
        calls(address.reveal(), verdict).map_err(|why| fail(why.to_owned()))?;
    let agents = agents(Trust::Machine, PATIENCE).map_err(|e| fail(e.to_string()))?;
    // A run that was stopped is told as well; only patience ends this.
    let agent = agents.take(&Stop::new());
    let call = |url: &url::Url| {
        agent.get(url.as_str()).config().timeout_global(Some(LONGEST)).build().call()
    };
    let answered = call(&first);
    match second {
        // Nobody there knows `/fail`: a monitor with a page for every path, or none for this one.
        Some(own) if answered.as_ref().is_ok_and(|a| !a.status().is_success() || is_page(a)) => {
            answer(call(&own)).map_err(fail)
        }
        Some(_) | None => answer(answered).map_err(fail),
    }
}

/// Whether an answer is a page for people.
fn is_page(response: &Response<Body>) -> bool {
    let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("text/html"))
}

/// Whether the other side took it; the crate's own errors may hold the address, so only their kind
/// is told.
fn answer(result: Result<Response<Body>, ureq::Error>) -> Result<(), String> {
    match result {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("it answered {}", response.status())),
        Err(ureq::Error::Io(error)) => Err(error.kind().to_string()),
        Err(ureq::Error::Timeout(_)) => Err("no answer in time".into()),
        Err(ureq::Error::HostNotFound) => Err("the host is not found".into()),
        Err(_) => Err("the address or the answer is wrong".into()),
    }
}
