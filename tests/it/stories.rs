//! The stories that users live: a project written, deployed, changed and taken away, with real clients before it.

mod changes;
mod chat;
mod control_plane;
mod echo;
mod kept;
mod least_privilege;
mod side_by_side;
mod ticker;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    Client, ClientMessage, Cloud, Kind, Project, put_client_message, run, wait_for,
};

/// The longest that anything asynchronous in a cloud may take.
const BOUND: Duration = Duration::from_secs(20);

/// One stage of a project in a cloud.
struct System<'a> {
    cloud: &'a Cloud,
    project: &'a Project,
    name: &'a str,
    stage: &'a str,
}

/// An open connection, and the id by which the cloud knows it.
struct Session {
    client: Client,
    id: String,
}

impl System<'_> {
    /// What AWS knows `thing` as.
    fn thing(&self, thing: &str) -> String {
        format!("{}-{}-{thing}", self.name, self.stage)
    }

    /// Deploys and gives the address for clients.
    #[track_caller]
    fn deploy(&self) -> String {
        self.wsless(["deploy", "--yes"]).succeeds().address()
    }

    /// Deploys what is deployed already: no call that could change anything, the bucket's included.
    #[track_caller]
    fn deploy_without_a_change(&self) {
        let mark = self.cloud.recorder.mark();
        let _ = self
            .wsless(["deploy", "--yes"])
            .succeeds()
            .says("Nothing to change");
        let calls = self.cloud.recorder.calls_since(mark);
        assert!(!calls.is_empty(), "the cloud wasn't looked at");
        calls.mutations().assert_none();
    }

    /// What deploying would do: actions by address. Planning changes nothing.
    #[track_caller]
    fn plan(&self) -> BTreeMap<String, String> {
        let mark = self.cloud.recorder.mark();
        let output = self.wsless(["plan", "--output", "json"]).succeeds();
        self.cloud.recorder.mutations_since(mark).assert_none();
        let lines = output.json_lines();
        let plan = lines.iter().find(|line| line["type"] == "plan");
        let changes = plan.expect("a line with the plan")["changes"].as_array();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        changes
            .expect("a list of changes")
            .iter()
            .map(|change| (text(&change["address"]), text(&change["action"])))
            .collect()
    }

    /// The plan of a first deploy: everything is made, nothing is found.
    #[track_caller]
    fn plan_of_creates(&self) -> BTreeMap<String, String> {
        let plan = self.plan();
        assert!(!plan.is_empty(), "nothing is planned");
        assert!(plan.values().all(|action| action == "create"), "{plan:#?}");
        plan
    }

    #[track_caller]
    fn wsless<const N: usize>(&self, arguments: [&str; N]) -> crate::harness::Output {
        self.project
            .wsless(arguments.into_iter().chain(["--stage", self.stage]))
    }

    /// Opens a connection, and reads its id from what `connect` logged. One at a time.
    #[track_caller]
    fn open(&self, address: &str) -> Session {
        let before = self.connections();
        let client = Client::connect(address);
        let id = wait_for("connect to log the connection", BOUND, || {
            self.connections()
                .into_iter()
                .find(|id| !before.contains(id))
        });
        Session { client, id }
    }

    /// The ids of all connections that `connect` has let in.
    fn connections(&self) -> Vec<String> {
        self.log_lines("connect")
            .iter()
            .filter(|line| line["message"] == "connection opened")
            .filter_map(|line| line["connectionId"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// The lines that a handler has logged as JSON.
    fn log_lines(&self, handler: &str) -> Vec<Value> {
        let logs = aws_sdk_cloudwatchlogs::Client::new(&self.cloud.sdk());
        let group = format!("/aws/lambda/{}", self.thing(handler));
        let found = run(logs.filter_log_events().log_group_name(group).send());
        found
            .expect("the events of a handler's log")
            .events
            .unwrap_or_default()
            .iter()
            .filter_map(|event| serde_json::from_str(event.message.as_deref()?).ok())
            .collect()
    }

    /// A client's message on a queued route.
    ///
    /// ministack sends nothing to SQS: there the message is put into the handler's queue, as API Gateway would.
    #[track_caller]
    fn send(&self, queue: &str, sender: &mut Session, route: &str, body: &str) {
        if self.cloud.emulator.kind() == Kind::Embedded {
            sender.client.send(body);
            return;
        }
        let message = ClientMessage::new(&sender.id, route, self.stage, body);
        put_client_message(self.cloud, &self.thing(queue), &message);
    }

    /// What a function is like now.
    #[track_caller]
    fn function(
        &self,
        thing: &str,
    ) -> aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput {
        let lambda = aws_sdk_lambda::Client::new(&self.cloud.sdk());
        run(lambda
            .get_function_configuration()
            .function_name(self.thing(thing))
            .qualifier("live")
            .send())
        .unwrap_or_else(|error| panic!("the function {thing}: {error:?}"))
    }
}

/// A plan of updates, to compare with.
fn updates<const N: usize>(addresses: [&str; N]) -> BTreeMap<String, String> {
    addresses
        .into_iter()
        .map(|address| (address.to_owned(), "update".to_owned()))
        .collect()
}

/// Every object of every bucket, as text.
fn objects(cloud: &Cloud) -> BTreeMap<String, String> {
    let s3 = aws_sdk_s3::Client::new(&cloud.sdk());
    run(async {
        let mut objects = BTreeMap::new();
        for bucket in s3.list_buckets().send().await?.buckets.unwrap_or_default() {
            let bucket = bucket.name.unwrap_or_default();
            let listed = s3.list_objects_v2().bucket(&bucket).send().await?;
            for object in listed.contents.unwrap_or_default() {
                let key = object.key.unwrap_or_default();
                let found = s3.get_object().bucket(&bucket).key(&key).send().await?;
                let body = found.body.collect().await.expect("an object's body");
                let text = String::from_utf8_lossy(&body.to_vec()).into_owned();
                objects.insert(key, text);
            }
        }
        Ok::<_, aws_sdk_s3::Error>(objects)
    })
    .expect("the objects of all buckets")
}

/// The policy that wsless gave a role; nothing if there is no such role.
fn policy(system: &System<'_>, role: &str) -> Option<Value> {
    let iam = aws_sdk_iam::Client::new(&system.cloud.sdk());
    let found = run(iam
        .get_role_policy()
        .role_name(role)
        .policy_name("wsless")
        .send());
    let document = found.ok()?.policy_document;
    let document = percent_encoding::percent_decode_str(&document)
        .decode_utf8()
        .expect("a document in UTF-8");
    Some(serde_json::from_str(&document).expect("a document in JSON"))
}
