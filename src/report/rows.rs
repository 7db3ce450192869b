//! Facts as rows of the catalog; the one place that knows both.

use crate::catalog::{ArtifactRow, BackupRow, CopyRow, Drill, ProofRow, StepRow, moment};
use crate::record::{
    ArtifactFacts, CopyFacts, DrillFacts, Failure, ProofFacts, StepEnd, StepFacts,
};

/// A step that waits.
pub fn step_row((number, facts): (usize, &StepFacts)) -> StepRow {
    StepRow {
        number,
        address: facts.address.clone(),
        verb: facts.verb.word().to_owned(),
        source: facts.source.clone().unwrap_or_default(),
        chain: facts.chain.clone().unwrap_or_default(),
        store: facts.store.clone().unwrap_or_default(),
        state: "waiting".to_owned(),
        ..StepRow::default()
    }
}

/// How a step ended.
pub fn ended_row(number: usize, end: &StepEnd) -> StepRow {
    let (state, verdict, code, message) = match end {
        StepEnd::Done { verdict, code } => {
            ("done", Some(verdict.code()), code.as_str(), String::new())
        }
        StepEnd::Failed { verdict, failure } => {
            ("failed", Some(verdict.code()), failure.code.as_str(), failure.line())
        }
        StepEnd::Skipped { missing } => {
            ("skipped", None, "", format!("{missing} did not give what it needs"))
        }
        StepEnd::Interrupted => ("interrupted", Some(3), "", String::new()),
    };
    StepRow {
        number,
        state: state.into(),
        verdict,
        code: code.to_owned(),
        message,
        ..StepRow::default()
    }
}

/// A backup that was read to its end.
pub fn backup_row(artifact: &ArtifactFacts, job: &str, file: &str, host: &str) -> BackupRow {
    let look: Vec<String> = artifact.inconsistent.iter().chain(&artifact.lost).cloned().collect();
    BackupRow {
        id: artifact.id.to_string(),
        source: artifact.source.clone(),
        chain: artifact.source.clone(),
        job: job.to_owned(),
        file: file.to_owned(),
        host: host.to_owned(),
        server: artifact.server.clone(),
        units: artifact.units.join(","),
        name: artifact.name.clone(),
        raw_bytes: artifact.raw,
        bytes: artifact.bytes,
        // Of a replica it is the moment of its data: how old a backup is counts from there.
        started: moment(artifact.moment()),
        finished: moment(artifact.finished),
        verdict: if look.is_empty() { 1 } else { 2 },
        note: look.join("; "),
    }
}

/// An artifact as the catalog keeps it.
pub fn artifact_row(artifact: &ArtifactFacts, job: &str, file: &str) -> ArtifactRow {
    let origin = artifact.origin.as_ref();
    ArtifactRow {
        id: artifact.id.to_string(),
        source: artifact.source.clone(),
        job: job.to_owned(),
        file: file.to_owned(),
        origin: origin.map(|o| o.id.clone()).unwrap_or_default(),
        sign: origin.and_then(|o| o.sign.clone()).unwrap_or_default(),
        parent: artifact.parent.as_ref().map(ToString::to_string),
        kind: artifact.kind.clone(),
        server: artifact.server.clone(),
        units: artifact.units.join(","),
        name: artifact.name.clone(),
        raw_bytes: artifact.raw,
        bytes: artifact.bytes,
        rows: artifact.rows,
        // Of a replica it is the moment of its data: how old a backup is counts from there.
        started: moment(artifact.moment()),
        finished: moment(artifact.finished),
        position: artifact.position.clone(),
        inconsistent: artifact.inconsistent.join("; "),
    }
}

/// A copy as the catalog keeps it.
pub fn copy_row(copy: &CopyFacts, at: &str) -> CopyRow {
    CopyRow {
        id: copy.id.to_string(),
        source: copy.source.clone(),
        store: copy.store.clone(),
        place: copy.place.clone(),
        bucket: copy.bucket.clone().unwrap_or_default(),
        key: copy.key.clone(),
        bytes: copy.bytes,
        started: moment(copy.started),
        finished: copy.finished.map_or_else(|| at.to_owned(), moment),
        verdict: copy.verdict.code(),
        code: copy.failure.as_ref().map(|f| f.code.clone()).unwrap_or_default(),
        message: copy.failure.as_ref().map(Failure::line).unwrap_or_default(),
    }
}

/// The row of a drill: step number `step` of a run.
pub fn drill_row((run, step): (&str, usize), drill: &DrillFacts) -> Drill {
    Drill {
        id: format!("{run}-{step}"),
        at: moment(drill.started),
        source: drill.source.clone(),
        backup: drill.backup.to_string(),
        store: drill.store.clone(),
        target: drill.target.clone(),
        verdict: drill.verdict.code(),
        tables: Some(drill.tables),
        rows: Some(drill.rows),
        rto: i64::try_from(drill.seconds).ok(),
        who: drill.host.clone(),
        message: drill.message.clone(),
    }
}

/// The row of a proof.
pub fn proof_row(proof: &ProofFacts) -> ProofRow {
    ProofRow {
        id: proof.id.to_string(),
        source: proof.source.clone(),
        store: proof.store.clone(),
        level: proof.level.word().to_owned(),
        at: moment(proof.at),
        good: proof.good,
        damage: proof.damage.join("; "),
    }
}
