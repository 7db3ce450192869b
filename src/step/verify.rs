//! Proves one copy: reads it back, or restores it into a scratch source and recounts it there.
//!
//! The finding, good or bad, is written beside the artifact before the step ends; the store alone
//! knows it then.

use crate::artifact::{Damage, FORMAT, Level, Manifest, ProofLine};
use crate::base::Stop;
use crate::job::SourceSpec;
use crate::pipeline::{self, Fetch, Meter};
use crate::plan::{Verify, Which};
use crate::run::{Done, Event, Say};
use crate::shelf::{Shelf, Shelved, lineage};
use crate::source::{self, Control, Owner, Private};
use crate::step::backup::watched;
use crate::step::fault::Fault;
use crate::step::files::{Assembly, facts};
use crate::step::perform::Steps;
use crate::step::restore::{choose, restore_into};

impl Steps {
    /// Performs a verification.
    pub(super) fn verify(&self, verify: &Verify, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let store = self.store(&verify.store, stop)?;
        let maker = self.made(&verify.source.name, &verify.store.name);
        let (shelf, manifest) = match (verify.which, maker) {
            (Which::ThisRun, Some(manifest)) => {
                (Shelf::new(store, verify.naming.clone(), &self.job, &verify.source.name), manifest)
            }
            (Which::ThisRun, None) => panic!("BUG: a copy to verify that was not made"),
            (Which::Latest, _) => {
                let shelf =
                    Shelf::new(store, verify.naming.clone(), &self.job, &verify.source.name);
                let latest = shelf.list(stop)?.artifacts.pop();
                let nothing = || Fault::Nothing {
                    doing: format!("verify {} in {}", verify.source.name, verify.store.name),
                    found: "there is no backup".into(),
                    hint: Some("Run the job that makes it first.".into()),
                };
                let manifest = latest.ok_or_else(nothing)?.manifest;
                (shelf, manifest)
            }
        };
        let password = self.password(verify.password.as_ref().filter(|_| manifest.sealed), stop)?;
        let meter = Meter::default();
        let fetch = Fetch {
            store: shelf.store().as_ref(),
            manifest: &manifest,
            password: password.as_ref(),
            meter: &meter,
        };
        let (level, damage) = match &verify.into {
            None => {
                let dialect =
                    source::dialect(&manifest.kind).ok_or_else(|| unknown_kind(&manifest))?;
                let read = watched(&meter, say, stop, |stop| {
                    pipeline::verify(&fetch, dialect, verify.threads, stop)
                })?;
                match verify.unpack && read.is_empty() {
                    true => (Level::Restored, self.unpacked(verify, &shelf, &fetch, say, stop)?),
                    false => (Level::Read, read),
                }
            }
            Some(into) => {
                let target = self.source(into, stop)?;
                let mut choice = choose(&manifest, &[], None, true)?;
                choice.loading.scratch = true;
                let restored = restore_into(
                    &fetch,
                    target.as_ref(),
                    &choice,
                    verify.threads,
                    &meter,
                    Some(say),
                    stop,
                )?;
                for remark in restored.remarks {
                    say.info(remark);
                }
                (Level::Restored, restored.damage)
            }
        };
        self.note_proof(
            &shelf,
            &manifest,
            level,
            verify
                .into
                .as_ref()
                .map(|i| i.name.clone())
                .or(verify.unpack.then(|| "pg_verifybackup".to_owned())),
            &damage,
            verify,
            say,
            stop,
        )?;
        if damage.is_empty() {
            return Ok(Done::well());
        }
        Err(Fault::Unproven { title: manifest.key.clone(), damage })
    }

    /// Unpacks a physical backup in the state folder, and all that it adds to, and has PostgreSQL
    /// check its files.
    fn unpacked(
        &self,
        verify: &Verify,
        shelf: &Shelf,
        fetch: &Fetch<'_>,
        say: &Say,
        stop: &Stop,
    ) -> Result<Vec<Damage>, Fault> {
        let SourceSpec::Cluster(spec) = &verify.source.spec else { return Ok(Vec::new()) };
        let all = shelf.list(stop)?.artifacts;
        let own = all.iter().find(|a| a.manifest.id == fetch.manifest.id);
        let chain = own.map_or_else(|| Err(fetch.manifest.id.clone()), |a| lineage(&all, a));
        let chain =
            chain.map_err(|id| Damage::Manifest(format!("{id}, which it adds to, is gone")))?;
        let meter = Meter::default();
        let of = |a: &Shelved| a.manifest.clone();
        let manifests: Vec<Manifest> = chain.into_iter().map(of).collect();
        let chain = manifests.iter().map(|manifest| Fetch { manifest, meter: &meter, ..*fetch });
        let chain: Vec<Fetch<'_>> = chain.collect();
        let bytes: u64 = chain.iter().map(|f| f.manifest.raw_bytes()).sum();
        let private = Private::create(&self.world.state.join("staging"))?;
        private.has_room(
            if chain.len() > 1 { bytes * 2 } else { bytes },
            "or verify without `unpack`",
        )?;
        let facts = facts(fetch, stop)?;
        let folder = private.path().join("files");
        let spaces = facts
            .tablespaces
            .iter()
            .map(|t| (t.clone(), private.path().join(format!("space-{}", t.oid))));
        let control =
            Control { tools: spec.server.tools.clone(), major: facts.major(), owner: Owner::us() };
        let assembly = Assembly { chain, folder, spaces: spaces.collect(), control };
        say.info(format!(
            "unpacks {} backups in {}",
            assembly.chain.len(),
            private.path().display()
        ));
        Ok(assembly.make(stop)?.damage)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one proof")]
    fn note_proof(
        &self,
        shelf: &Shelf,
        manifest: &Manifest,
        level: Level,
        into: Option<String>,
        damage: &[Damage],
        verify: &Verify,
        say: &Say,
        stop: &Stop,
    ) -> Result<(), Fault> {
        let damage: Vec<String> = damage.iter().map(ToString::to_string).collect();
        let proof = ProofLine {
            format: FORMAT,
            id: manifest.id.clone(),
            level,
            at: self.world.clock.now(),
            good: damage.is_empty(),
            damage: damage.clone(),
            host: self.world.host(),
            into,
        };
        shelf.prove(manifest, &proof, stop)?;
        say.event(Event::Proved {
            step: say.step(),
            id: manifest.id.clone(),
            store: verify.store.name.clone(),
            level: level.word().to_owned(),
            proven: proof.at,
            good: proof.good,
            damage,
        });
        Ok(())
    }
}

fn unknown_kind(manifest: &Manifest) -> Fault {
    Fault::Damage(Damage::Manifest(format!(
        "it is of kind {}, which this vex does not know",
        manifest.kind.escape_debug()
    )))
}
