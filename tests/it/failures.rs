//! The engine when AWS fails it: every class of error, answers that are lost, runs that are killed or stopped, locks that
//! others hold, names that others have. Whatever happened, the report says what was done, what failed and what remains,
//! and the next run ends where an undisturbed one does.

mod cut_off;
mod errors;
mod everywhere;
mod locks;
mod refusals;

use std::collections::BTreeMap;

use crate::harness::{Cloud, Inventory, Output, Project, Running, run};

/// What a stage has, without what differs from stage to stage or run to run: sorted, twins and all.
fn shape(inventory: &Inventory, stage: &str) -> Vec<String> {
    let all: Vec<&str> = inventory.lines().collect();
    // Of the APIs, those that bear the stage's name are the stage's.
    let apis: Vec<&str> = all
        .iter()
        .filter_map(|line| line.strip_prefix("apigateway api "))
        .filter_map(|rest| rest.split_once(' '))
        .filter(|(_, name)| *name == format!("echo-{stage}"))
        .map(|(id, _)| id)
        .collect();
    let mut integrations = BTreeMap::new();
    for line in &all {
        if let Some((_, rest)) = line.split_once(" integration ")
            && let Some((id, uri)) = rest.split_once(' ')
        {
            integrations.insert(id, uri.replace(stage, "STAGE"));
        }
    }
    let mut shape: Vec<String> = all
        .iter()
        .filter(|line| !line.contains("/history/"))
        .filter(|line| match line.strip_prefix("apigateway api ") {
            Some(rest) => apis.iter().any(|id| rest.starts_with(id)),
            None => line.contains(&format!("-{stage}-")) || line.contains(&format!("/{stage}/")),
        })
        .map(|line| {
            let mut line = line.replace(stage, "STAGE");
            for id in &apis {
                line = line.replace(id, "API");
            }
            for (id, uri) in &integrations {
                line = line
                    .replace(&format!("integrations/{id}"), uri)
                    .replace(&format!("integration {id} "), "integration ");
            }
            match line.split_once(" deployment ") {
                Some((api, _)) => format!("{api} deployment"),
                None => line,
            }
        })
        .collect();
    shape.sort();
    // A second snapshot of one configuration is history, which isn't in use and is pruned.
    shape.dedup_by(|one, other| one == other && one.ends_with(" deployment"));
    shape
}

/// Panics with the difference.
#[track_caller]
fn assert_same_shape(found: &[String], undisturbed: &[String]) {
    let but = |these: &[String], those: &[String]| {
        let mut rest = these.to_vec();
        for line in those {
            if let Some(at) = rest.iter().position(|found| found == line) {
                rest.remove(at);
            }
        }
        rest
    };
    assert!(
        found == undisturbed,
        "not what an undisturbed run leaves\nmore: {:#?}\nless: {:#?}",
        but(found, undisturbed),
        but(undisturbed, found)
    );
}

/// An echo project with every kind of resource that an emulator can hold, and what an undisturbed deploy of it leaves.
struct Story {
    cloud: Cloud,
    /// Its folder is shared by all stories.
    project: Project,
    /// The manifest in it that is this story's own.
    manifest: String,
    undisturbed: Vec<String>,
}

impl Story {
    fn begin() -> Self {
        Self::on(Cloud::ministack())
    }

    fn on(cloud: Cloud) -> Self {
        let mut story = Self::untold(cloud);
        let _ = story.deploy("calm").succeeds();
        story.undisturbed = story.shape("calm");
        // The whole system, so that the comparison isn't one of nothing with nothing.
        assert!(story.undisturbed.len() > 60, "{:#?}", story.undisturbed);
        story
    }

    /// Nothing is deployed yet.
    fn untold(cloud: Cloud) -> Self {
        let project = Project::shared("failures", "echo", &cloud);
        let test = std::thread::current();
        let test = test.name().unwrap_or("unnamed").replace("::", ".");
        let story = Self {
            cloud,
            manifest: format!("{test}.toml"),
            undisturbed: Vec::new(),
            project,
        };
        story.write(&story.project.read("wsless.toml"));
        story.edit("registry = false", "registry = true");
        story
    }

    fn write(&self, manifest: &str) {
        self.project.write(&self.manifest, manifest);
    }

    fn edit(&self, from: &str, to: &str) {
        self.project.edit(&self.manifest, from, to);
    }

    fn wsless<const N: usize>(&self, arguments: [&str; N]) -> Output {
        self.start(arguments).wait()
    }

    fn start<const N: usize>(&self, arguments: [&str; N]) -> Running {
        self.start_with(&arguments)
    }

    fn start_with(&self, arguments: &[&str]) -> Running {
        let manifest = ["--manifest", self.manifest.as_str()];
        self.project
            .start(arguments.iter().copied().chain(manifest))
    }

    fn deploy(&self, stage: &str) -> Output {
        self.wsless(["deploy", "--yes", "--stage", stage])
    }

    fn shape(&self, stage: &str) -> Vec<String> {
        shape(&self.cloud.inventory(), stage)
    }

    /// The stage is as an undisturbed deploy would have left it, and the next deploy finds nothing to do.
    #[track_caller]
    fn assert_whole(&self, stage: &str) {
        assert_same_shape(&self.shape(stage), &self.undisturbed);
        let mark = self.cloud.recorder.mark();
        let _ = self.deploy(stage).succeeds().says("Nothing to change");
        self.cloud.recorder.mutations_since(mark).assert_none();
    }

    /// An object of a stage in the bucket.
    fn object(&self, stage: &str, name: &str) -> Option<serde_json::Value> {
        let s3 = aws_sdk_s3::Client::new(&self.cloud.sdk());
        run(async {
            let found = s3
                .get_object()
                .bucket(BUCKET)
                .key(format!("echo/{stage}/{name}"))
                .send()
                .await
                .ok()?;
            serde_json::from_slice(&found.body.collect().await.ok()?.to_vec()).ok()
        })
    }

    /// Writes an object of a stage.
    fn put_object(&self, stage: &str, name: &str, body: &[u8]) {
        let s3 = aws_sdk_s3::Client::new(&self.cloud.sdk());
        run(s3
            .put_object()
            .bucket(BUCKET)
            .key(format!("echo/{stage}/{name}"))
            .body(body.to_vec().into())
            .send())
        .expect("an object is written");
    }
}

/// The bucket of ministack's account.
const BUCKET: &str = "wsless-000000000000-us-east-1";
