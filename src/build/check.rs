//! Whether a build could begin: what it needs is looked for, and nothing is built.

use std::path::absolute;

use super::{
    Error, Request, builder,
    project::Project,
    toolchain::{LinkerChoice, Toolchain},
};

/// What would build, in words; or why nothing would.
pub async fn check(request: &Request) -> Result<String, Error> {
    let folder = absolute(&request.project_dir).unwrap_or_else(|_| request.project_dir.clone());
    let project = Project::read(&folder).await?;
    project.select(&request.binaries)?;
    let choice = LinkerChoice::from_environment()?;
    let toolchain = Toolchain::find(&folder, request.platform, choice, &builder()?).await?;
    let rustc = toolchain.rustc.lines().next().unwrap_or("rustc");
    Ok(format!(
        "{rustc}, linked by {} for {}",
        toolchain.linker, toolchain.target
    ))
}
