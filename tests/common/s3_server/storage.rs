//! What a good service does: `s3s-fs`, with what it lacks added.
//!
//! Added here: a folder is no object; pages as small as a test wants, keys in URL encoding,
//! `NoSuchUpload`, a list of uploads, and writes under a condition one after the other (`s3s-fs`
//! looks and writes in two steps). `s3s-fs` does not check the CRC32C of parts either: `proxy`
//! does. Parts are written, and put together, by `parts`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use super::parts;

/// Uploads under way, by name.
pub type Uploads = Arc<Mutex<BTreeMap<String, Pending>>>;

/// An upload under way.
pub struct Pending {
    pub key: String,
    pub began: SystemTime,
    /// The parts that came, by number.
    pub parts: BTreeMap<i32, parts::Part>,
    pub announced: parts::Announced,
}

/// The service.
pub struct Storage {
    root: PathBuf,
    files: FileSystem,
    page: usize,
    uploads: Uploads,
    /// Held while something becomes visible.
    turn: tokio::sync::Mutex<()>,
}

impl Storage {
    pub fn new(root: &Path, page: usize, uploads: Uploads) -> Storage {
        Storage {
            root: root.to_owned(),
            files: FileSystem::new(root).unwrap(),
            page,
            uploads,
            turn: tokio::sync::Mutex::new(()),
        }
    }

    fn object(&self, bucket: &str, key: &str) -> S3Result<()> {
        match self.root.join(bucket).join(key).is_dir() {
            true => Err(s3_error!(NoSuchKey)),
            false => Ok(()),
        }
    }

    fn known(&self, id: &str) -> S3Result<()> {
        match self.uploads.lock().unwrap().contains_key(id) {
            true => Ok(()),
            false => Err(s3_error!(NoSuchUpload, "The specified upload does not exist.")),
        }
    }
}

fn encoded(key: &str) -> String {
    url::form_urlencoded::byte_serialize(key.as_bytes()).collect()
}

#[async_trait::async_trait]
impl S3 for Storage {
    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(req).await
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.object(&req.input.bucket, &req.input.key)?;
        self.files.head_object(req).await
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.object(&req.input.bucket, &req.input.key)?;
        let condition = req.input.if_match.clone();
        let place = self.root.join(&req.input.bucket).join(&req.input.key);
        let mut answer = self.files.get_object(req).await?;
        // A range is read at once, not in the small pieces of `s3s-fs`.
        if let Some(range) = answer.output.content_range.clone() {
            answer.output.body = Some(parts::range(place, range).await?);
        }
        if let (Some(ETagCondition::ETag(wanted)), Some(found)) = (condition, &answer.output.e_tag)
            && wanted.value() != found.value()
        {
            return Err(s3_error!(PreconditionFailed));
        }
        Ok(answer)
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.files.delete_object(req).await
    }

    async fn put_object(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let _turn = self.turn.lock().await;
        self.files.put_object(req).await
    }

    async fn list_objects_v2(
        &self,
        mut req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        req.input.max_keys = Some(self.page as i32);
        let mut answer = self.files.list_objects_v2(req).await?;
        if answer.output.encoding_type.is_some() {
            for object in answer.output.contents.iter_mut().flatten() {
                object.key = object.key.as_deref().map(encoded);
            }
        }
        Ok(answer)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let key = req.input.key.clone();
        let answer = self.files.create_multipart_upload(req).await?;
        let id = answer.output.upload_id.clone().unwrap();
        self.uploads.lock().unwrap().insert(
            id,
            Pending {
                key,
                began: SystemTime::now(),
                parts: BTreeMap::new(),
                announced: BTreeMap::new(),
            },
        );
        Ok(answer)
    }

    async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let UploadPartInput { body, upload_id, part_number, content_length, .. } = req.input;
        let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let at = match self.uploads.lock().unwrap().get_mut(&upload_id) {
            Some(pending) => content_length
                .and_then(|n| parts::announce(&mut pending.announced, part_number, n as u64)),
            None => return Err(s3_error!(NoSuchUpload)),
        };
        let part =
            parts::write(&self.root, &upload_id, part_number, (at, content_length), body).await?;
        let e_tag = Some(ETag::Strong(part.e_tag()));
        match self.uploads.lock().unwrap().get_mut(&upload_id) {
            Some(pending) => pending.parts.insert(part_number, part),
            None => return Err(s3_error!(NoSuchUpload)),
        };
        Ok(S3Response::new(UploadPartOutput { e_tag, ..Default::default() }))
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        self.known(&req.input.upload_id)?;
        self.files.list_parts(req).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let _turn = self.turn.lock().await;
        let id = req.input.upload_id.clone();
        self.known(&id)?;
        let input = req.input;
        let taken = self.root.join(&input.bucket).join(&input.key).exists();
        if taken && input.if_none_match.as_ref().is_some_and(ETagCondition::is_any) {
            return Err(s3_error!(
                PreconditionFailed,
                "At least one of the preconditions you specified did not hold."
            ));
        }
        let named = input.multipart_upload.and_then(|m| m.parts).unwrap_or_default();
        let sent =
            self.uploads.lock().unwrap().get(&id).map(|u| u.parts.clone()).unwrap_or_default();
        let e_tag =
            parts::complete(&self.root, (&input.bucket, &input.key), &id, &named, &sent).await?;
        self.uploads.lock().unwrap().remove(&id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(e_tag)),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let id = req.input.upload_id.clone();
        self.known(&id)?;
        let answer = self.files.abort_multipart_upload(req).await?;
        self.uploads.lock().unwrap().remove(&id);
        Ok(answer)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = (
            input.key_marker.clone().unwrap_or_default(),
            input.upload_id_marker.clone().unwrap_or_default(),
        );
        let uploads = self.uploads.lock().unwrap();
        let mut found: Vec<_> =
            uploads.iter().map(|(id, u)| ((u.key.clone(), id.clone()), u.began)).collect();
        found.sort();
        found.retain(|(place, _)| place.0.starts_with(&prefix) && *place > after);
        let truncated = found.len() > self.page;
        found.truncate(self.page);
        let last = found.last().filter(|_| truncated).map(|(place, _)| place.clone());
        let url = input.encoding_type.is_some();
        let shown = |key: &str| if url { encoded(key) } else { key.to_owned() };
        let uploads = found.iter().map(|((key, id), began)| MultipartUpload {
            key: Some(shown(key)),
            upload_id: Some(id.clone()),
            initiated: Some(Timestamp::from(*began)),
            ..Default::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            is_truncated: Some(truncated),
            next_key_marker: last.as_ref().map(|(key, _)| shown(key)),
            next_upload_id_marker: last.map(|(_, id)| id),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}
