//! Whose stage it is: the names, paths and tags by which everything a stage owns is found again.

use std::collections::BTreeMap;

use crate::aws::Identity;

/// The tag that names the project.
pub const PROJECT_TAG: &str = "wsless:project";
/// The tag that names the stage.
pub const STAGE_TAG: &str = "wsless:stage";
/// The tag that names the region, on what isn't a region's: IAM roles.
pub const REGION_TAG: &str = "wsless:region";

/// A project's stage in an account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The project's name.
    pub project: String,
    /// The stage's name.
    pub stage: String,
    /// The account and region.
    pub identity: Identity,
}

#[cfg(test)]
impl Scope {
    /// A stage of nobody's, for tests.
    pub fn example() -> Self {
        Self {
            project: "chat".into(),
            stage: "dev".into(),
            identity: Identity {
                account: "123456789012".into(),
                partition: "aws".into(),
                region: "eu-west-1".into(),
                arn: String::new(),
            },
        }
    }
}

impl Scope {
    /// `{project}-{stage}-{thing}`: what AWS knows `thing` as.
    pub fn name(&self, thing: &str) -> String {
        format!("{}{thing}", self.prefix())
    }

    /// What all names of the stage begin with.
    ///
    /// Another stage's may begin with it too (`a-b` of `c`, `b-c` of `a`): tags decide, see [`Scope::owns`].
    pub fn prefix(&self) -> String {
        format!("{}-{}-", self.project, self.stage)
    }

    /// The thing that AWS knows as `name`, if the name is of this stage's form.
    pub fn thing<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.prefix())
    }

    /// The IAM path of the stage's roles.
    pub fn role_path(&self) -> String {
        format!("/wsless/{}/{}/", self.project, self.stage)
    }

    /// The tags that say whose a resource is.
    pub fn tags(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (PROJECT_TAG.to_owned(), self.project.clone()),
            (STAGE_TAG.to_owned(), self.stage.clone()),
        ])
    }

    /// Whether a resource with these tags is the stage's.
    pub fn owns(&self, tags: &BTreeMap<String, String>) -> bool {
        self.tags()
            .iter()
            .all(|(key, value)| tags.get(key) == Some(value))
    }

    /// `arn:{partition}:{service}:{region}:{account}:{rest}`.
    pub fn arn(&self, service: &str, rest: &str) -> String {
        let Identity {
            partition,
            region,
            account,
            ..
        } = &self.identity;
        format!("arn:{partition}:{service}:{region}:{account}:{rest}")
    }

    /// The ARNs of all the stage's things of a service: `rest` comes before their names, such as `function:`.
    pub fn every_arn(&self, service: &str, rest: &str) -> String {
        self.arn(service, &format!("{rest}{}*", self.prefix()))
    }

    /// The ARN of an API Gateway path, which has no account in it [SAR]: `/apis/*`.
    pub fn api_gateway_arn(&self, path: &str) -> String {
        let Identity {
            partition, region, ..
        } = &self.identity;
        format!("arn:{partition}:apigateway:{region}::{path}")
    }

    /// The ARN of the stage's role for `thing`.
    pub fn role_arn(&self, thing: &str) -> String {
        let Identity {
            partition, account, ..
        } = &self.identity;
        format!(
            "arn:{partition}:iam::{account}:role{}{}",
            self.role_path(),
            self.name(thing)
        )
    }

    /// The ARN of the stage's function for `thing`, without a qualifier.
    pub fn function_arn(&self, thing: &str) -> String {
        self.arn("lambda", &format!("function:{}", self.name(thing)))
    }
}
