//! Which sources a restore into a scratch source must not reach under another name, and where
//! backups of them are.
//!
//! Pure: what was declared comes in, and asks nobody.

use crate::job::{JobFile, KeyRefs, StepDecl};
use crate::plan::chain::{chain_name, naming};
use crate::plan::graph::Guarded;
use crate::plan::reference::StorePlace;
use crate::plan::reference::{SourceRef, StoreRef};

/// The sources of a file that no restore into `into` may overwrite.
pub fn guarded(file: &JobFile, into: Option<&SourceRef>) -> Vec<Guarded> {
    let Some(into) = into else { return Vec::new() };
    let real = file.sources.iter().filter(|s| !s.scratch && s.spec.kind() == into.spec.kind());
    let of = |name: &String, spec| Guarded {
        source: SourceRef { name: name.clone(), spec },
        places: places(file, name),
    };
    real.map(|s| of(&s.name.value, s.spec.clone())).collect()
}

/// Wherever any job sends a source, its rows or its files.
fn places(file: &JobFile, source: &str) -> Vec<StorePlace> {
    let mut found = Vec::new();
    for job in &file.jobs {
        let dumps = job.steps.iter().filter_map(|step| match &step.kind {
            StepDecl::Dump(dump) => Some(dump),
            StepDecl::Verify(_)
            | StepDecl::Vacuum(_)
            | StepDecl::Exec(_)
            | StepDecl::Wal(_)
            | StepDecl::Binlog(_) => None,
        });
        for dump in dumps.filter(|dump| dump.sources.iter().any(|s| s.value == source)) {
            let words = dump.sends.iter().flat_map(|send| &send.stores);
            let stores = words.filter_map(|w| file.stores.iter().find(|s| s.name.value == w.value));
            let chain = chain_name(dump, source);
            found.extend(stores.map(|store| StorePlace {
                job: job.name.value.clone(),
                source: chain.clone(),
                store: StoreRef {
                    name: store.name.value.clone(),
                    spec: store.spec.clone(),
                    trust: file.site.trust.clone(),
                },
                naming: naming(store, &job.name.value, &chain),
                keys: KeyRefs::default(),
            }));
        }
    }
    found
}
