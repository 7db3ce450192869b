//! A bucket of Google's as a store.
//!
//! Sends nothing. Whose requests they are, is looked for in this order: what the job was given, the
//! file that `GOOGLE_APPLICATION_CREDENTIALS` names, the metadata server of the machine.

use crate::base::{Secret, SecretRef, Stop};
use crate::job::GcsSpec;
use crate::store::contract::{Error, ErrorKind, Result};
use crate::store::gcs::dialect::{Google, Right};
use crate::store::gcs::sign::Signer;
use crate::store::gcs::token::Tokens;
use crate::store::s3::{Address, Flavor, S3};
use crate::store::wire::ask::Wire;
use crate::store::wire::call::Pace;
use crate::store::wire::key::{find, find_text, variable};
use crate::world::World;

/// The service.
const ENDPOINT: &str = "https://storage.googleapis.com";

/// Opens the bucket; finds the key, sends nothing to the bucket.
pub fn open(spec: &GcsSpec, world: &World, pace: Pace, stop: &Stop) -> Result<S3> {
    let place = format!("gs://{}", spec.bucket);
    let failed = |kind, found: String| Error::new(kind, format!("open {place}"), found);
    let endpoint = spec.endpoint.as_deref().unwrap_or(ENDPOINT);
    let address =
        Address::at(endpoint, &spec.bucket, true).map_err(|e| failed(ErrorKind::Failed, e))?;
    let right = right(spec, pace, stop).map_err(|e| failed(ErrorKind::Denied, e))?;
    let dialect = Box::new(Google { address, right });
    let mut wire = Wire::open(dialect, place.clone(), spec.ca.as_deref(), world, pace)?;
    let class = spec.storage_class.clone();
    wire.labels = class.into_iter().map(|class| ("x-goog-storage-class", class)).collect();
    Ok(S3::over(wire, Flavor::Google { claims: spec.claim }))
}

fn right(spec: &GcsSpec, pace: Pace, stop: &Stop) -> std::result::Result<Right, String> {
    let ca = spec.ca.as_deref();
    match (&spec.access_key, &spec.secret_key, &spec.service_account) {
        (Some(access), Some(secret), None) => {
            let access = find(access, stop)?.reveal().to_owned();
            Ok(Right::Hmac(Signer::new(access, find(secret, stop)?)))
        }
        (None, None, Some(reference)) => account(reference, ca, pace, stop),
        (None, None, None) => match variable("GOOGLE_APPLICATION_CREDENTIALS") {
            Some(path) => account(&SecretRef::File(path.into()), ca, pace, stop),
            None => Ok(Right::Token(Box::new(Tokens::of_machine(pace)?))),
        },
        (Some(_), None, _) => Err("an access key was given, but no secret key".into()),
        (None, Some(_), _) => Err("a secret key was given, but no access key".into()),
        (Some(_), Some(_), Some(_)) => Err("keys and a service account were given".into()),
    }
}

fn account(
    reference: &SecretRef,
    ca: Option<&std::path::Path>,
    pace: Pace,
    stop: &Stop,
) -> std::result::Result<Right, String> {
    let text: Secret = find_text(reference, stop)?;
    let tokens = Tokens::of_account(&text, ca, pace);
    tokens
        .map(|tokens| Right::Token(Box::new(tokens)))
        .map_err(|found| format!("{reference}: {found}"))
}
