//! What an administrator asks of a job: a run now, or another schedule. Each is asked back first,
//! and noted in the audit.
//!
//! Invariants: a job is named by its digest, and only one that a run declared can be named; no step
//! of a restore is started from here.

use jiff::tz::TimeZone;

use crate::catalog::{KnownJob, Override, RunRequest};
use crate::job::Schedule;
use crate::view::{Choice, Field, Question, Viewer, pages};
use crate::web::dashboard::{Page, Trouble};
use crate::web::exchange::{Method, Request, Response};
use crate::web::session::Asker;
use crate::web::show::job_of;
use crate::web::state::{State, jobs_by_digest};

/// Where a question leads back to.
const BACK: &str = "/execucoes";

impl State {
    fn job(&self, digest: &str) -> Result<KnownJob, Trouble> {
        let known = self.known()?;
        jobs_by_digest(&known.estate).remove(digest).ok_or(Trouble::Missing)
    }

    pub(super) fn run_now(
        &self,
        request: &Request,
        asker: &Asker,
        viewer: &Viewer,
        digest: &str,
    ) -> Page {
        let job = self.job(digest)?;
        let name = [("job", job.job.as_str()), ("host", job.host.as_str())];
        let question = Question {
            title: viewer.say("run-ask", &name),
            about: job.file.clone(),
            text: viewer.say("run-ask-about", &name),
            k: "run",
            action: request.path.clone(),
            back: BACK.to_owned(),
            yes: viewer.say("run-now", &[]),
            fields: Vec::new(),
        };
        if request.method == Method::Get {
            return Ok(Response::html(pages::question(viewer, &question)));
        }
        let target = format!("{} ({})", job.job, job.host);
        let begun = if job.host == self.desk.host() {
            self.desk.run(&job.file, &job.job)
        } else {
            let wish = RunRequest {
                number: 0,
                host: job.host.clone(),
                file: job.file.clone(),
                job: job.job.clone(),
                step: String::new(),
                who: asker.session.account.login.clone(),
                at: self.moment(),
            };
            self.with(|catalog| catalog.request_run(&wish))?;
            Ok(())
        };
        let after = begun.as_ref().err().cloned().unwrap_or_default();
        self.note(request, asker, "action-run", &target, ("", &after));
        self.forget();
        Ok(answered(viewer, begun, "run-failed", question))
    }

    /// Reads a backup back and recounts it, on this machine; never into anything but what the job
    /// file names for that, and nothing is restored over production.
    pub(super) fn prove(
        &self,
        request: &Request,
        asker: &Asker,
        viewer: &Viewer,
        number: i64,
    ) -> Page {
        let known = self.known()?;
        let found = self.with(|catalog| {
            let Some(backup) = catalog.backup(number)? else { return Ok(None) };
            let copies = catalog.copies_of(&backup.id, Some(&backup.chain))?;
            Ok(Some((backup, copies)))
        })?;
        let (backup, copies) = found.ok_or(Trouble::Missing)?;
        let copy = copies.iter().find(|c| c.is_there()).ok_or(Trouble::Missing)?;
        let own = job_of(&known.estate, (self.desk.host(), &backup.file, &backup.job));
        own.filter(|job| job.host == self.desk.host()).ok_or(Trouble::Missing)?;
        let words = [("source", backup.chain.as_str()), ("store", copy.store.as_str())];
        let question = Question {
            title: viewer.say("drill-ask", &words),
            about: format!("{}, {}", backup.chain, viewer.reader.moment_of(Some(&backup.started))),
            text: viewer.say("drill-ask-about", &words),
            k: "run",
            action: request.path.clone(),
            back: format!("/backups/{number}"),
            yes: viewer.say("drill-now", &[]),
            fields: Vec::new(),
        };
        if request.method == Method::Get {
            return Ok(Response::html(pages::question(viewer, &question)));
        }
        let begun = self.desk.verify(&backup.file, &backup.chain, &copy.store, &backup.id);
        let after = begun.as_ref().err().cloned().unwrap_or_default();
        let target = format!("{} {} ({})", backup.chain, backup.id, copy.store);
        self.note(request, asker, "action-drill", &target, ("", &after));
        self.forget();
        Ok(answered(viewer, begun, "drill-failed", question))
    }

    pub(super) fn schedule(
        &self,
        request: &Request,
        asker: &Asker,
        viewer: &Viewer,
        digest: &str,
    ) -> Page {
        let job = self.job(digest)?;
        let held = self.held(&job)?;
        if request.method == Method::Get {
            let page = schedule_question(request, viewer, &job, held.as_ref(), "");
            return Ok(Response::html(pages::question(viewer, &page)));
        }
        let state = request.form().get("estado").unwrap_or_default();
        let fields = request.form().get("horario").unwrap_or_default().trim();
        let before = held.as_ref().map_or_else(|| job.schedule.clone(), shown);
        let wish = Override {
            host: job.host.clone(),
            file: job.file.clone(),
            job: job.job.clone(),
            state: state.to_owned(),
            schedule: if state == "on" { fields.to_owned() } else { String::new() },
            who: asker.session.account.login.clone(),
            at: self.moment(),
        };
        let after = match state {
            "on" => {
                if let Some(why) = self.nonsense(viewer, &job, fields) {
                    let held = Override { schedule: fields.to_owned(), ..wish };
                    let page = schedule_question(request, viewer, &job, Some(&held), &why);
                    return Ok(Response::html(pages::question(viewer, &page)).with_status(422));
                }
                self.with(|catalog| catalog.set_override(&wish))?;
                shown(&wish)
            }
            "off" => {
                self.with(|catalog| catalog.set_override(&wish))?;
                shown(&wish)
            }
            "file" => {
                self.with(|c| c.undo_override(&job.host, &job.file, &job.job))?;
                job.schedule.clone()
            }
            _ => return Ok(Response::plain(400)),
        };
        let target = format!("{} ({})", job.job, job.host);
        self.note(request, asker, "action-schedule", &target, (&before, &after));
        self.forget();
        Ok(Response::redirect(BACK))
    }

    /// Why cron fields are no schedule of a job: they can't be read, or no day has such a moment.
    fn nonsense(&self, viewer: &Viewer, job: &KnownJob, fields: &str) -> Option<String> {
        let schedule = match Schedule::parse(fields) {
            Ok(schedule) => schedule,
            // What the parser says is of one language.
            Err(_) => return Some(viewer.say("schedule-unread", &[])),
        };
        let zone = TimeZone::get(&job.zone).unwrap_or_else(|_| self.settings.zone.clone());
        let next = schedule.next(self.now(), &zone);
        next.is_none().then(|| viewer.say("schedule-never", &[]))
    }

    /// What the dashboard holds against the schedule of a job's file.
    fn held(&self, job: &KnownJob) -> Result<Option<Override>, Trouble> {
        let all = self.with(crate::catalog::Catalog::overrides)?;
        let same = |o: &Override| o.host == job.host && o.file == job.file && o.job == job.job;
        Ok(all.into_iter().find(same))
    }
}

/// Leads back where something began; else the page of its question says why it did not.
fn answered(
    viewer: &Viewer,
    begun: Result<(), String>,
    failed: &str,
    question: Question,
) -> Response {
    match begun {
        Ok(()) => Response::redirect(&question.back),
        Err(text) => {
            let page = Question { title: viewer.say(failed, &[]), text, k: "er", ..question };
            Response::html(pages::question(viewer, &page)).with_status(409)
        }
    }
}

/// An override in one word, for the audit.
fn shown(held: &Override) -> String {
    if held.state == "off" { "off".to_owned() } else { held.schedule.clone() }
}

fn schedule_question(
    request: &Request,
    viewer: &Viewer,
    job: &KnownJob,
    held: Option<&Override>,
    why: &str,
) -> Question {
    let state = held.map_or("file", |h| h.state.as_str());
    let option = |(value, key): (&str, &str)| Choice {
        value: value.to_owned(),
        label: viewer.say(key, &[]),
        on: value == state,
    };
    let options = [("file", "schedule-file"), ("on", "schedule-on"), ("off", "schedule-off")];
    let fields = held.filter(|h| h.state == "on").map_or(&job.schedule, |h| &h.schedule);
    let file = if job.schedule.is_empty() { "—" } else { &job.schedule };
    Question {
        title: viewer.say("schedule-ask", &[("job", &job.job)]),
        about: format!("{}, {}", job.host, job.file),
        text: viewer.say("schedule-ask-about", &[("schedule", file)]),
        k: "no",
        action: request.path.clone(),
        back: BACK.to_owned(),
        yes: viewer.say("save", &[]),
        fields: vec![
            Field {
                name: "estado",
                label: viewer.say("schedule-state", &[]),
                options: options.into_iter().map(option).collect(),
                ..Field::default()
            },
            Field {
                name: "horario",
                label: viewer.say("schedule-fields", &[]),
                value: fields.clone(),
                error: match why {
                    "" => String::new(),
                    why => viewer.say("schedule-bad", &[("why", why)]),
                },
                ..Field::default()
            },
        ],
    }
}
