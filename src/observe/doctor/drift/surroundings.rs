//! The registry's table, log groups, alarms, and the account's logging role.

use super::Case;
use crate::{
    engine::plan::Action,
    observe::doctor::{Area, Finding},
    resource::{account_logging, alarm, log_group, table},
};

pub(super) fn finding(case: &Case<'_>) -> Option<Finding> {
    match case.change.address.kind() {
        table::KIND => table(case),
        log_group::KIND => log_group(case),
        alarm::KIND => alarm(case),
        account_logging::KIND => Some(case.finding(
            "doctor::account-logging",
            Area::Monitoring,
            "the access log isn't written",
            "API Gateway has no role in this account to write logs with",
        )),
        _ => None,
    }
}

fn table(case: &Case<'_>) -> Option<Finding> {
    if case.is_missing() {
        return Some(case.finding(
            "doctor::table-missing",
            Area::Connections,
            "nobody can connect, and broadcasts and rooms reach nobody",
            "the registry of connections was deleted",
        ));
    }
    if case.change.action == Action::Replace {
        return Some(case.finding(
            "doctor::table-keys",
            Area::Connections,
            "handlers fail: the registry of connections has other keys than they use",
            "the table was made by something else",
        ));
    }
    case.field("ttl_attribute")?;
    Some(case.finding(
        "doctor::table-ttl",
        Area::Connections,
        "broadcasts get slower and fail: the registry fills with connections that are long gone",
        "the table has no time to live, which removes those whose $disconnect never came",
    ))
}

fn log_group(case: &Case<'_>) -> Option<Finding> {
    let whose = match case.name() {
        log_group::ACCESS => "the access log".to_owned(),
        thing => format!("the log of {thing}"),
    };
    if case.is_missing() {
        return Some(case.finding(
            "doctor::log-group-missing",
            Area::Monitoring,
            format!("{whose} is empty"),
            "the log group was deleted; the role may not make another, which would keep everything for ever",
        ));
    }
    case.field("retention_days")?;
    Some(case.finding(
        "doctor::log-retention",
        Area::Monitoring,
        format!("{whose} is kept for another time than wsless.toml says: what is kept for ever costs ever more"),
        "the log group's retention was changed",
    ))
}

fn alarm(case: &Case<'_>) -> Option<Finding> {
    let thing = case.name();
    if case.is_missing() {
        return Some(case.finding(
            "doctor::alarm-missing",
            Area::Monitoring,
            format!("nobody is told what the alarm {thing} would tell"),
            "the alarm was deleted",
        ));
    }
    // aws-facts 7 row 43: nothing checks that the metric exists.
    let of_metric = ["dimensions", "metric", "namespace", "statistic"];
    if of_metric.iter().any(|path| case.field(path).is_some()) {
        return Some(case.finding(
            "doctor::alarm-metric",
            Area::Monitoring,
            format!("the alarm {thing} never goes off"),
            "it watches a metric that is another, or that there isn't",
        ));
    }
    case.field("actions")?;
    Some(case.finding(
        "doctor::alarm-actions",
        Area::Monitoring,
        format!("the alarm {thing} tells others than wsless.toml says, or nobody"),
        "its actions were changed",
    ))
}
