//! The control plane on moto.

use crate::harness::{Cloud, Project};

#[test]
fn what_ministack_drops_is_kept_as_it_was_sent() {
    let cloud = Cloud::moto();
    let project = Project::init("echo", &cloud);
    let deployed = project.wsless(["deploy", "--yes"]);
    println!("{deployed}");
    println!("{}", cloud.recorder.calls());
}
