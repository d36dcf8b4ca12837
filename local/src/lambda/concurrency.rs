//! Reserved concurrency, and what the account has of it.

use serde_json::json;

use super::{
    arn::{LATEST, Shape, Subject},
    check::{Members, invalid, not_found},
    code::{UNZIPPED, ZIPPED},
    control,
};
use crate::{
    call::{Answer, Call},
    error::Result,
};

/// What the account may run at a time.
pub(super) const ACCOUNT_LIMIT: u32 = 1000;
/// What of it can't be reserved.
const UNRESERVED: u32 = 100;
/// What the account may store of code: 75 GB.
const STORAGE: u64 = 80_530_636_800;

/// `PutFunctionConcurrency`.
pub(super) fn put(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Plain)?;
    let asked = members.number("ReservedConcurrentExecutions")?;
    match asked {
        Some(asked) => members.range("reservedConcurrentExecutions", asked, 0, i64::MAX),
        None => members.missing("reservedConcurrentExecutions"),
    }
    members.finish()?;
    let subject = unqualified(subject)?;
    let mut state = control::of(call).state.write();
    let missing = || not_found(format!("Function not found: {}:{LATEST}", subject.arn));
    let own = state
        .functions
        .get(&subject.name)
        .ok_or_else(missing)?
        .reserved
        .unwrap_or(0);
    let available = state.unreserved().saturating_add(own);
    let reserved = asked
        .and_then(|asked| u32::try_from(asked).ok())
        .filter(|asked| available.saturating_sub(*asked) >= UNRESERVED)
        .ok_or_else(|| {
            invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{UNRESERVED}]."
            ))
        })?;
    let function = state.functions.get_mut(&subject.name).ok_or_else(missing)?;
    function.reserved = Some(reserved);
    Ok(json!({ "ReservedConcurrentExecutions": reserved }).into())
}

fn unqualified(subject: Option<Subject>) -> Result<Subject> {
    subject
        .filter(|subject| subject.qualifier.is_none())
        .ok_or_else(|| {
            invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
            )
        })
}

/// `GetFunctionConcurrency`.
pub(super) fn get(call: &Call) -> Result<Answer> {
    let subject = unqualified(Some(Subject::of(call, Shape::Plain)?))?;
    let state = control::of(call).state.read();
    let function = state
        .functions
        .get(&subject.name)
        .ok_or_else(|| subject.missing())?;
    Ok(match function.reserved {
        Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
        None => json!({}),
    }
    .into())
}

/// `DeleteFunctionConcurrency`.
pub(super) fn delete(call: &Call) -> Result<Answer> {
    let subject = unqualified(Some(Subject::of(call, Shape::Plain)?))?;
    let mut state = control::of(call).state.write();
    state
        .functions
        .get_mut(&subject.name)
        .ok_or_else(|| subject.missing())?
        .reserved = None;
    Ok(Answer::empty(204))
}

/// `GetAccountSettings`.
pub(super) fn account(call: &Call) -> Answer {
    let state = control::of(call).state.read();
    let size: u64 = state
        .functions
        .values()
        .flat_map(super::state::Function::releases)
        .map(|release| release.settings.code_size)
        .fold(0, u64::saturating_add);
    json!({
        "AccountLimit": {
            "TotalCodeSize": STORAGE,
            "CodeSizeUnzipped": UNZIPPED,
            "CodeSizeZipped": ZIPPED,
            "ConcurrentExecutions": ACCOUNT_LIMIT,
            "UnreservedConcurrentExecutions": state.unreserved(),
        },
        "AccountUsage": {
            "TotalCodeSize": size,
            "FunctionCount": state.functions.len(),
        },
    })
    .into()
}
