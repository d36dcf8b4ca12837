//! A cloud to deploy to: an emulator, the recorder before it, and the keys that tests use.

use aws_config::{BehaviorVersion, Region, SdkConfig};

use super::emulator::{Emulator, MinistackOptions};
use super::inventory::Inventory;
use super::recorder::Recorder;
use super::run;

/// The region of every test's cloud.
pub const REGION: &str = "us-east-1";

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_access_key: String,
}

impl Credentials {
    /// The emulators' root key, whose signature nobody looks at.
    pub fn root() -> Self {
        Self {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
        }
    }
}

/// An emulator with a recorder before it. Dropped, both are gone.
#[derive(Debug)]
pub struct Cloud {
    /// What the binary is told to be AWS.
    pub recorder: Recorder,
    /// What is behind it.
    pub emulator: Emulator,
    credentials: Credentials,
}

impl Cloud {
    /// ministack, everything allowed.
    pub fn ministack() -> Self {
        Self::new(Emulator::ministack(MinistackOptions::default()))
    }

    /// ministack that verifies signatures and enforces policies, entered with the key of an IAM user
    /// who may do what this policy document says.
    pub fn ministack_with_auth(policy: &serde_json::Value) -> Self {
        let mut cloud = Self::new(Emulator::ministack(MinistackOptions { auth: true }));
        cloud.credentials = cloud.iam_user("deployer", policy);
        cloud
    }

    /// moto: the control plane only.
    pub fn moto() -> Self {
        Self::new(Emulator::moto())
    }

    /// The embedded cloud, as the binary under test runs it.
    pub fn embedded() -> Self {
        Self::embedded_with(&[])
    }

    /// The same with further arguments of `wsless local`.
    pub fn embedded_with(arguments: &[&str]) -> Self {
        Self::new(Emulator::embedded(arguments))
    }

    fn new(emulator: Emulator) -> Self {
        Self {
            recorder: Recorder::start(emulator.port()),
            emulator,
            credentials: Credentials::root(),
        }
    }

    /// The key that the binary gets.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The binary uses this key from now on.
    pub fn use_credentials(&mut self, credentials: Credentials) {
        self.credentials = credentials;
    }

    /// Makes an IAM user with one inline policy, and a key for it.
    pub fn iam_user(&self, name: &str, policy: &serde_json::Value) -> Credentials {
        let iam = aws_sdk_iam::Client::new(&self.sdk());
        run(async {
            iam.create_user().user_name(name).send().await?;
            iam.put_user_policy()
                .user_name(name)
                .policy_name("test")
                .policy_document(policy.to_string())
                .send()
                .await?;
            let made = iam.create_access_key().user_name(name).send().await?;
            let key = made.access_key.expect("CreateAccessKey gives a key");
            Ok::<_, aws_sdk_iam::Error>(Credentials {
                access_key_id: key.access_key_id,
                secret_access_key: key.secret_access_key,
            })
        })
        .expect("an IAM user is made")
    }

    /// What an AWS client needs to find this cloud, as environment variables.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.recorder.endpoint()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", self.credentials.access_key_id.clone()),
            (
                "AWS_SECRET_ACCESS_KEY",
                self.credentials.secret_access_key.clone(),
            ),
            // The emulators have no instance metadata; without this a missing key costs a second.
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }

    /// An SDK configuration with the root key, past the recorder: what a test does itself isn't recorded.
    pub fn sdk(&self) -> SdkConfig {
        sdk(&self.emulator.endpoint(), &Credentials::root())
    }

    /// An SDK configuration with the root key for a cloud that a test has only the address of.
    pub fn sdk_at(endpoint: &str) -> SdkConfig {
        sdk(endpoint, &Credentials::root())
    }

    /// An SDK configuration as the binary has it: its key, through the recorder.
    pub fn recorded_sdk(&self) -> SdkConfig {
        sdk(&self.recorder.endpoint(), &self.credentials)
    }

    /// Everything in the cloud.
    pub fn inventory(&self) -> Inventory {
        Inventory::take(self)
    }
}

fn sdk(endpoint: &str, credentials: &Credentials) -> SdkConfig {
    let keys = aws_credential_types::Credentials::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        None,
        None,
        "tests",
    );
    run(aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(keys)
        .load())
}
