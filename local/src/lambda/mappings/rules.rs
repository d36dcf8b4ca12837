//! What may be said of a mapping, and what not. Pure.

use serde_json::Value;

use super::filter;
use crate::{
    error::Result,
    lambda::{
        check::{Members, Said, invalid},
        state::EventSource,
    },
};

/// The most filters of a mapping, after AWS has raised the quota.
const FILTERS: usize = 10;

/// What a call says of a mapping; none: nothing.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) is_enabled: Option<bool>,
    pub(super) batch_size: Option<u32>,
    pub(super) window_s: Option<u32>,
    pub(super) max_concurrency: Said<u32>,
    pub(super) reports_item_failures: Option<bool>,
    pub(super) filters: Option<Vec<String>>,
}

impl Asked {
    /// Reads it, noting what breaks the model's constraints.
    pub(super) fn read(members: &mut Members<'_>) -> Result<Self> {
        let batch_size = number(members, "BatchSize", "batchSize", 1, 10_000)?;
        let window_s = number(
            members,
            "MaximumBatchingWindowInSeconds",
            "maximumBatchingWindowInSeconds",
            0,
            300,
        )?;
        let max_concurrency = match members.map("ScalingConfig")? {
            None => Said::Nothing,
            Some(scaling) => {
                let most = Members::new(scaling).number("MaximumConcurrency")?;
                if let Some(most) = most {
                    members.range("scalingConfig.maximumConcurrency", most, 2, 1000);
                }
                most.and_then(|most| u32::try_from(most).ok()).into()
            }
        };
        let types = members.texts("FunctionResponseTypes")?;
        for kind in types.iter().flatten() {
            members.one_of("functionResponseTypes", kind, &["ReportBatchItemFailures"]);
        }
        let filters = filters(members)?;
        unsupported(members)?;
        Ok(Self {
            is_enabled: members.flag("Enabled")?,
            batch_size,
            window_s,
            max_concurrency,
            reports_item_failures: types.map(|types| !types.is_empty()),
            filters,
        })
    }

    /// Changes what is said.
    pub(super) fn apply(&self, mapping: &mut EventSource) {
        set(&mut mapping.is_enabled, self.is_enabled);
        set(&mut mapping.batch_size, self.batch_size);
        set(&mut mapping.window_s, self.window_s);
        mapping.max_concurrency = self.max_concurrency.over(mapping.max_concurrency);
        set(
            &mut mapping.reports_item_failures,
            self.reports_item_failures,
        );
        if let Some(filters) = &self.filters {
            mapping.filters.clone_from(filters);
        }
    }
}

fn set<T>(held: &mut T, asked: Option<T>) {
    if let Some(asked) = asked {
        *held = asked;
    }
}

fn number(
    members: &mut Members<'_>,
    name: &str,
    field: &str,
    least: i64,
    most: i64,
) -> Result<Option<u32>> {
    let number = members.number(name)?;
    if let Some(number) = number {
        members.range(field, number, least, most);
    }
    Ok(number.and_then(|number| u32::try_from(number).ok()))
}

fn filters(members: &mut Members<'_>) -> Result<Option<Vec<String>>> {
    let Some(criteria) = members.map("FilterCriteria")? else {
        return Ok(None);
    };
    let filters = match criteria.get("Filters") {
        Some(Value::Array(filters)) => filters.as_slice(),
        _ => &[],
    };
    if filters.len() > FILTERS {
        return Err(invalid(format!(
            "Filters cannot have more than {FILTERS} items."
        )));
    }
    filters
        .iter()
        .map(|filter| {
            let pattern = filter
                .get("Pattern")
                .and_then(Value::as_str)
                .unwrap_or_default();
            members.length("filterCriteria.filters.pattern", pattern, 0, 4096);
            if filter::is_pattern(pattern) {
                Ok(pattern.to_owned())
            } else {
                Err(invalid("Invalid filter pattern definition."))
            }
        })
        .collect::<Result<_>>()
        .map(Some)
}

/// What only streams and brokers have, which there are none of here.
fn unsupported(members: &Members<'_>) -> Result<()> {
    if let Some(destinations) = members.map("DestinationConfig")?
        && destinations
            .values()
            .any(|one| one.as_object().is_some_and(|one| !one.is_empty()))
    {
        return Err(invalid(
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    for name in [
        "AmazonManagedKafkaEventSourceConfig",
        "BisectBatchOnFunctionError",
        "DocumentDBEventSourceConfig",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "ParallelizationFactor",
        "ProvisionedPollerConfig",
        "Queues",
        "SelfManagedEventSource",
        "SelfManagedKafkaEventSourceConfig",
        "SourceAccessConfigurations",
        "StartingPosition",
        "StartingPositionTimestamp",
        "Topics",
        "TumblingWindowInSeconds",
    ] {
        if members.value(name).is_some() {
            return Err(invalid(format!(
                "Unsupported {name} parameter for given event source mapping type."
            )));
        }
    }
    Ok(())
}

/// What must be right of a mapping on its own.
pub(super) fn check(mapping: &EventSource) -> Result<()> {
    if mapping.batch_size > 10 && mapping.window_s == 0 {
        return Err(invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    Ok(())
}
