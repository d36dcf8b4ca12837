//! The bucket `wsless-{account}-{region}`: locks, records and histories of all stages of an account and region.
//!
//! S3 is strongly consistent and writes conditionally: create only if absent, change only if the ETag is the one that was
//! read [S3 model: IfNoneMatch, IfMatch]. Every call names the account that must own the bucket, so that a bucket that
//! somebody else made under this name is never used.

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{
        BucketLocationConstraint, CreateBucketConfiguration, Delete, ObjectIdentifier,
        PublicAccessBlockConfiguration,
    },
};

use super::{resource::Permission, scope::Scope};
use crate::aws::{Aws, Class, Error, Operation, Service};

const CREATE: Operation = Operation::put(Service::S3, "CreateBucket");
const BLOCK_PUBLIC: Operation = Operation::put(Service::S3, "PutPublicAccessBlock");
const GET: Operation = Operation::read(Service::S3, "GetObject");
// A conditional write whose answer was lost is read back by whoever made it, not repeated.
const PUT_IF: Operation = Operation::create(Service::S3, "PutObject");
const PUT: Operation = Operation::put(Service::S3, "PutObject");
const DELETE: Operation = Operation::put(Service::S3, "DeleteObject");
const DELETE_MANY: Operation = Operation::put(Service::S3, "DeleteObjects");
const LIST: Operation = Operation::read(Service::S3, "ListObjectsV2");
const DELETE_BUCKET: Operation = Operation::put(Service::S3, "DeleteBucket");

/// Times that a conditional write is tried whose answer is lost each time.
const ATTEMPTS: usize = 3;
/// Objects that one DeleteObjects takes [S3 model].
const DELETE_AT_ONCE: usize = 1000;

/// The bucket, as seen by one stage.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a> {
    aws: &'a Aws,
    scope: &'a Scope,
}

/// An object, and the ETag that says which version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub body: Vec<u8>,
    /// Its ETag, quotes included.
    pub etag: String,
}

/// How a conditional write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The object has this ETag now.
    Yes(String),
    /// Somebody else was first.
    Outrun,
}

/// On what a write depends.
#[derive(Clone, Copy, Debug)]
pub enum Condition<'a> {
    /// Nothing: last writer wins.
    None,
    /// There's no such object.
    Absent,
    /// The object has this ETag.
    Unchanged(&'a str),
}

impl<'a> Bucket<'a> {
    /// The bucket of the scope's account and region.
    pub fn new(aws: &'a Aws, scope: &'a Scope) -> Self {
        Self { aws, scope }
    }

    /// Its name.
    pub fn name(&self) -> String {
        name(self.scope)
    }

    /// The stage whose objects are written and read.
    pub fn stage(&self) -> &str {
        &self.scope.stage
    }

    /// Where an object of the stage is, for people.
    pub fn place(&self, name: &str) -> String {
        format!("s3://{}/{}", self.name(), self.key(name))
    }

    /// S3's messages don't say what was denied.
    fn told(&self, error: Error, name: &str) -> Error {
        if error.class() == Class::AccessDenied {
            error.about(format!(
                "{}, in a bucket that must be this account's own",
                self.place(name)
            ))
        } else {
            error.about(self.place(name))
        }
    }

    /// Makes the bucket if it isn't there, closed to the public.
    pub async fn ensure(&self) -> Result<(), Error> {
        let region = &self.scope.identity.region;
        // us-east-1 is the default, and refused as a constraint [S3 model].
        let configuration = (region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region.as_str()))
                .build()
        });
        let created = self
            .aws
            .call(CREATE, || {
                self.aws
                    .s3
                    .create_bucket()
                    .bucket(self.name())
                    .set_create_bucket_configuration(configuration.clone())
                    .send()
            })
            .await;
        match created {
            Ok(_) => {}
            Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => {}
            Err(error) => return Err(error.about(format!("the bucket {}", self.name()))),
        }
        self.aws
            .call(BLOCK_PUBLIC, || {
                self.aws
                    .s3
                    .put_public_access_block()
                    .bucket(self.name())
                    .expected_bucket_owner(&self.scope.identity.account)
                    .public_access_block_configuration(
                        PublicAccessBlockConfiguration::builder()
                            .block_public_acls(true)
                            .ignore_public_acls(true)
                            .block_public_policy(true)
                            .restrict_public_buckets(true)
                            .build(),
                    )
                    .send()
            })
            .await?;
        Ok(())
    }

    /// Reads an object of the stage; nothing if it, or the bucket, isn't there.
    pub async fn get(&self, name: &str) -> Result<Option<Object>, Error> {
        let answer = self
            .aws
            .call(GET, || {
                self.aws
                    .s3
                    .get_object()
                    .bucket(self.name())
                    .key(self.key(name))
                    .expected_bucket_owner(&self.scope.identity.account)
                    .send()
            })
            .await;
        match answer {
            Ok(object) => {
                let etag = object.e_tag.clone().unwrap_or_default();
                let body = object.body.collect().await.map_err(|error| {
                    Error::unexpected(GET, format!("the answer broke off: {error}"))
                })?;
                Ok(Some(Object {
                    body: body.to_vec(),
                    etag,
                }))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.told(error, name)),
        }
    }

    /// Writes an object of the stage, on a condition.
    ///
    /// A conditional write whose answer was lost is looked at, and repeated while its condition still holds.
    pub async fn put(
        &self,
        name: &str,
        body: Vec<u8>,
        condition: Condition<'_>,
    ) -> Result<Written, Error> {
        let mut is_unsure = false;
        let mut attempt = 1;
        loop {
            let error = match self.put_once(name, &body, condition).await {
                Ok(etag) => return Ok(Written::Yes(etag)),
                Err(error) => error,
            };
            // If-Match on an object that's gone is a 404 [S3 model].
            let is_outrun = error.status() == Some(412) || gone(&error, condition);
            let is_lost =
                error.class() == Class::Ambiguous && !matches!(condition, Condition::None);
            if is_outrun && !is_unsure {
                return Ok(Written::Outrun);
            }
            let may_repeat = is_lost && attempt < ATTEMPTS;
            if !(is_outrun || may_repeat) {
                return Err(self.told(error, name));
            }
            // What stands there now tells who wrote last.
            let holds = match (self.get(name).await?, condition) {
                (Some(found), _) if found.body == body => return Ok(Written::Yes(found.etag)),
                (Some(found), Condition::Unchanged(etag)) => found.etag == etag,
                (found, Condition::Absent) => found.is_none(),
                _ => false,
            };
            if !holds || is_outrun {
                return Ok(Written::Outrun);
            }
            is_unsure = true;
            attempt += 1;
        }
    }

    /// Writes once, and returns the ETag.
    async fn put_once(
        &self,
        name: &str,
        body: &[u8],
        condition: Condition<'_>,
    ) -> Result<String, Error> {
        let operation = if matches!(condition, Condition::None) {
            PUT
        } else {
            PUT_IF
        };
        let written = self
            .aws
            .call(operation, || {
                let request = self
                    .aws
                    .s3
                    .put_object()
                    .bucket(self.name())
                    .key(self.key(name))
                    .content_type("application/json")
                    .expected_bucket_owner(&self.scope.identity.account)
                    .body(ByteStream::from(body.to_vec()));
                match condition {
                    Condition::None => request,
                    Condition::Absent => request.if_none_match("*"),
                    Condition::Unchanged(etag) => request.if_match(etag),
                }
                .send()
            })
            .await?;
        Ok(written.e_tag.unwrap_or_default())
    }

    /// Deletes an object of the stage if it's still the one with this ETag. Says whether it was.
    pub async fn delete(&self, name: &str, etag: &str) -> Result<bool, Error> {
        let answer = self
            .aws
            .call(DELETE, || {
                self.aws
                    .s3
                    .delete_object()
                    .bucket(self.name())
                    .key(self.key(name))
                    .if_match(etag)
                    .expected_bucket_owner(&self.scope.identity.account)
                    .send()
            })
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(412) || error.is_not_found() => Ok(false),
            Err(error) => Err(self.told(error, name)),
        }
    }

    /// The names of the stage's objects that begin with `prefix`, sorted.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let root = self.key("");
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let answer = self
                .aws
                .call(LIST, || {
                    self.aws
                        .s3
                        .list_objects_v2()
                        .bucket(self.name())
                        .prefix(self.key(prefix))
                        .expected_bucket_owner(&self.scope.identity.account)
                        .set_continuation_token(token.clone())
                        .send()
                })
                .await;
            let page = match answer {
                Ok(page) => page,
                Err(error) if error.is_not_found() => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            names.extend(
                page.contents()
                    .iter()
                    .filter_map(|object| object.key()?.strip_prefix(&root).map(str::to_owned)),
            );
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(names);
            }
        }
    }

    /// Removes everything of the stage, and the bucket too if no other stage has anything in it.
    pub async fn remove_stage(&self) -> Result<(), Error> {
        let names = self.list("").await?;
        for names in names.chunks(DELETE_AT_ONCE) {
            let objects = names
                .iter()
                .map(|name| ObjectIdentifier::builder().key(self.key(name)).build())
                .collect::<Result<Vec<_>, _>>()
                .and_then(|objects| {
                    Delete::builder()
                        .set_objects(Some(objects))
                        .quiet(true)
                        .build()
                })
                .map_err(|error| Error::unexpected(DELETE_MANY, error.to_string()))?;
            self.aws
                .call(DELETE_MANY, || {
                    self.aws
                        .s3
                        .delete_objects()
                        .bucket(self.name())
                        .delete(objects.clone())
                        .expected_bucket_owner(&self.scope.identity.account)
                        .send()
                })
                .await?;
        }
        let deleted = self
            .aws
            .call(DELETE_BUCKET, || {
                self.aws
                    .s3
                    .delete_bucket()
                    .bucket(self.name())
                    .expected_bucket_owner(&self.scope.identity.account)
                    .send()
            })
            .await;
        match deleted {
            Err(error)
                if !error.is_not_found()
                    && error.code() != Some("BucketNotEmpty")
                    && error.status() != Some(409) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn key(&self, name: &str) -> String {
        key(self.scope, name)
    }
}

fn name(scope: &Scope) -> String {
    let identity = &scope.identity;
    format!("wsless-{}-{}", identity.account, identity.region)
}

fn key(scope: &Scope, name: &str) -> String {
    format!("{}/{}/{name}", scope.project, scope.stage)
}

/// What the identity that deploys must be allowed for the bucket and the stage's objects in it.
pub fn permissions(scope: &Scope) -> [Permission; 2] {
    let bucket = format!("arn:{}:s3:::{}", scope.identity.partition, name(scope));
    let objects = format!("{bucket}/{}", key(scope, "*"));
    [
        Permission::on(
            "s3",
            &[
                "CreateBucket",
                "DeleteBucket",
                "ListBucket",
                "PutBucketPublicAccessBlock",
            ],
            [bucket],
        ),
        Permission::on("s3", &["DeleteObject", "GetObject", "PutObject"], [objects]),
    ]
}

fn gone(error: &Error, condition: Condition<'_>) -> bool {
    matches!(condition, Condition::Unchanged(_))
        && error.is_not_found()
        && error.code() != Some("NoSuchBucket")
}
