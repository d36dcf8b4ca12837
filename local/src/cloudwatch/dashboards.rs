//! Dashboards: kept and checked as far as a body can be checked without drawing it.
//!
//! They're the account's, not a region's: the default region's CloudWatch holds them all [CloudWatch model, PutDashboard].

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    alarm::tags,
    input::{Members, invalid, missing},
    page,
};
use crate::{
    ACCOUNT, DEFAULT_REGION,
    call::{Answer, Call, timestamp},
    clock::Millis,
    cloud::Region,
    error::{AwsError, Result},
};

/// AWS's limit of widgets.
const MOST_WIDGETS: usize = 500;
/// No more dashboards are kept.
const MOST: usize = 5000;
/// A body isn't longer than this.
const LONGEST_BODY: usize = 1 << 20;

/// One dashboard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dashboard {
    /// Its body as it was put.
    pub body: String,
    /// When that was.
    pub modified: Millis,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Dashboards by name.
pub type Dashboards = Mutex<BTreeMap<String, Dashboard>>;

/// A dashboard's ARN.
pub fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}")
}

fn home(call: &Call) -> Result<std::sync::Arc<Region>> {
    call.cloud.region(DEFAULT_REGION)
}

/// Does something with a dashboard's tags.
pub fn with_tags<T>(
    call: &Call,
    resource: &str,
    act: impl FnOnce(&mut BTreeMap<String, String>) -> T,
) -> Result<Option<T>> {
    let home = home(call)?;
    let mut dashboards = home.cloudwatch.dashboards().lock();
    Ok(resource
        .strip_prefix(&arn(""))
        .and_then(|name| dashboards.get_mut(name))
        .map(|dashboard| act(&mut dashboard.tags)))
}

fn name(members: Members<'_>) -> Result<&str> {
    let name = members
        .text("DashboardName")?
        .ok_or_else(|| missing("DashboardName"))?;
    let shaped = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !shaped {
        return Err(invalid(
            "The value for field DashboardName contains invalid characters. \
             It can only contain alphanumerics, dash (-) and underscore (_).\n",
        ));
    }
    if !(1..=255).contains(&name.len()) {
        return Err(invalid(
            "The value for field DashboardName must have a length of 1 to 255.",
        ));
    }
    Ok(name)
}

fn not_found(name: &str) -> AwsError {
    AwsError::new(
        404,
        "DashboardNotFoundError",
        format!("Dashboard {name} does not exist"),
    )
    .query("ResourceNotFound")
}

/// PutDashboard.
pub fn put(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let name = name(members)?;
    let body = members
        .text("DashboardBody")?
        .ok_or_else(|| missing("DashboardBody"))?;
    let tags = tags(members.list("Tags")?)?;
    let checked = check(body);
    if !checked.errors.is_empty() {
        let list = Value::Array(checked.errors);
        return Err(AwsError::new(
            400,
            "DashboardInvalidInputError",
            format!(
                "The dashboard body is invalid, there are {} validation errors: {list}",
                list.as_array().map_or(0, Vec::len)
            ),
        )
        .query("InvalidParameterInput")
        .member("dashboardValidationMessages", list));
    }
    let home = home(call)?;
    let mut dashboards = home.cloudwatch.dashboards().lock();
    if dashboards.len() >= MOST && !dashboards.contains_key(name) {
        return Err(invalid(format!("There can be {MOST} dashboards at most")));
    }
    // Tags are taken only when it's made [CloudWatch model].
    let tags = dashboards
        .get(name)
        .map_or(tags, |known| known.tags.clone());
    dashboards.insert(
        name.to_owned(),
        Dashboard {
            body: body.to_owned(),
            modified: Millis::now(),
            tags,
        },
    );
    Ok(json!({ "DashboardValidationMessages": checked.warnings }).into())
}

/// GetDashboard.
pub fn get(call: &Call) -> Result<Answer> {
    let name = name(Members::of(&call.input))?;
    let home = home(call)?;
    let dashboards = home.cloudwatch.dashboards().lock();
    let dashboard = dashboards.get(name).ok_or_else(|| not_found(name))?;
    Ok(json!({
        "DashboardArn": arn(name),
        "DashboardBody": dashboard.body,
        "DashboardName": name,
    })
    .into())
}

/// ListDashboards.
pub fn list(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let prefix = members.text("DashboardNamePrefix")?.unwrap_or_default();
    let home = home(call)?;
    let dashboards = home.cloudwatch.dashboards().lock();
    let found = dashboards
        .iter()
        .filter(|(name, _)| name.starts_with(prefix));
    let (page, next) = page::cut(found, members.text("NextToken")?, 1000, |(name, _)| {
        (*name).clone()
    })
    .ok_or_else(|| invalid("The value for field NextToken is invalid."))?;
    let mut answer = json!({
        "DashboardEntries": page.iter().map(|(name, dashboard)| json!({
            "DashboardName": name,
            "DashboardArn": arn(name),
            "LastModified": timestamp(dashboard.modified),
            "Size": dashboard.body.len(),
        })).collect::<Vec<_>>(),
    });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer.into())
}

/// DeleteDashboards: all, or none if one isn't there.
pub fn delete(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let names = members.texts("DashboardNames", 100, 255)?;
    if names.is_empty() {
        return Err(missing("DashboardNames"));
    }
    let home = home(call)?;
    let mut dashboards = home.cloudwatch.dashboards().lock();
    if let Some(unknown) = names.iter().find(|name| !dashboards.contains_key(*name)) {
        return Err(not_found(unknown));
    }
    for name in &names {
        dashboards.remove(name);
    }
    Ok(json!({}).into())
}

/// What is wrong with a body: errors, with which it isn't taken, and warnings.
#[derive(Default)]
struct Checked {
    errors: Vec<Value>,
    warnings: Vec<Value>,
}

impl Checked {
    fn error(&mut self, path: impl Into<String>, message: &str) {
        self.errors
            .push(json!({ "DataPath": path.into(), "Message": message }));
    }

    fn warning(&mut self, path: impl Into<String>, message: &str) {
        self.warnings
            .push(json!({ "DataPath": path.into(), "Message": message }));
    }

    fn needs(&mut self, path: impl Into<String>, property: &str) {
        self.error(path, &format!("Should have required property '{property}'"));
    }
}

fn check(body: &str) -> Checked {
    let mut checked = Checked::default();
    if body.len() > LONGEST_BODY {
        checked.error("", "The dashboard body is too long");
        return checked;
    }
    let Ok(Value::Object(body)) = serde_json::from_str(body) else {
        checked.error("", "The dashboard body must be a valid JSON object");
        return checked;
    };
    match body.get("widgets") {
        Some(Value::Array(widgets)) if widgets.len() > MOST_WIDGETS => {
            checked.error("/widgets", "Should NOT have more than 500 items");
        }
        Some(Value::Array(widgets)) => {
            for (index, widget) in widgets.iter().enumerate() {
                check_widget(&mut checked, &format!("/widgets/{index}"), widget);
            }
        }
        Some(_) => checked.error("/widgets", "Should be array"),
        None => checked.needs("", "widgets"),
    }
    checked
}

fn check_widget(checked: &mut Checked, path: &str, widget: &Value) {
    let Some(members) = widget.as_object() else {
        checked.error(path, "Should be object");
        return;
    };
    for (name, least, most) in [
        ("x", 0, 23),
        ("y", 0, i64::MAX),
        ("width", 1, 24),
        ("height", 1, 1000),
    ] {
        let fits = |value: &Value| {
            value
                .as_i64()
                .is_some_and(|value| (least..=most).contains(&value))
        };
        if members.get(name).is_some_and(|value| !fits(value)) {
            checked.error(
                format!("{path}/{name}"),
                &format!("Should be an integer from {least} to {most}"),
            );
        }
    }
    let Some(kind) = members.get("type").and_then(Value::as_str) else {
        checked.needs(path, "type");
        return;
    };
    let Some(properties) = members.get("properties").and_then(Value::as_object) else {
        checked.needs(path, "properties");
        return;
    };
    let at = format!("{path}/properties");
    match kind {
        "metric" => {
            if !properties.contains_key("metrics") && !properties.contains_key("annotations") {
                checked.needs(&at, "metrics");
            }
            if properties
                .get("metrics")
                .is_some_and(|metrics| !metrics.is_array())
            {
                checked.error(format!("{at}/metrics"), "Should be array");
            }
            if !properties.contains_key("region") {
                checked.needs(&at, "region");
            }
        }
        "text" => {
            if !properties.get("markdown").is_some_and(Value::is_string) {
                checked.needs(&at, "markdown");
            }
        }
        "log" | "alarm" | "explorer" | "custom" => {}
        _ => checked.warning(format!("{path}/type"), "Unknown widget type"),
    }
}
