//! Concurrency as AWS counts it: reserved for a function, or the account's 1,000 for all others.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use parking_lot::RwLock;

use super::pool::Pool;
use crate::error::{AwsError, Result};

/// Concurrent executions of an account in a region (Lambda's quotas).
const ACCOUNT_CONCURRENCY: u32 = 1000;

/// One function's processes.
#[derive(Debug, Default)]
pub(super) struct Function {
    /// By version.
    pub pools: RwLock<HashMap<String, Arc<Pool>>>,
    under_way: Arc<AtomicU32>,
}

/// An invocation's place among those that are under way; free again when it's dropped.
#[derive(Debug)]
pub(super) struct Permit {
    function: Arc<AtomicU32>,
    account: Option<Arc<AtomicU32>>,
    under_way: u32,
}

impl Function {
    /// Takes a place, if there is one.
    pub fn admit(&self, account: &Arc<AtomicU32>, reserved: Option<u32>) -> Result<Permit> {
        let limit = reserved.unwrap_or(ACCOUNT_CONCURRENCY);
        let under_way =
            take(&self.under_way, limit).ok_or_else(|| throttled(reserved.is_some()))?;
        let mut permit = Permit {
            function: Arc::clone(&self.under_way),
            account: None,
            under_way,
        };
        if reserved.is_none() {
            take(account, ACCOUNT_CONCURRENCY).ok_or_else(|| throttled(false))?;
            permit.account = Some(Arc::clone(account));
        }
        Ok(permit)
    }
}

impl Permit {
    /// How many of the function's were under way when this one was admitted, with it.
    pub fn under_way(&self) -> u32 {
        self.under_way
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.function.fetch_sub(1, Ordering::AcqRel);
        if let Some(account) = &self.account {
            account.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn take(count: &AtomicU32, limit: u32) -> Option<u32> {
    count
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < limit).then_some(count + 1)
        })
        .ok()
        .map(|before| before + 1)
}

/// Lambda's 429 (model: TooManyRequestsException with Reason and Type).
pub(super) fn throttled(reserved: bool) -> AwsError {
    let reason = if reserved {
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    } else {
        "ConcurrentInvocationLimitExceeded"
    };
    AwsError::new(429, "TooManyRequestsException", "Rate Exceeded.")
        .member("Reason", reason)
        .member("Type", "User")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(error: &AwsError) -> &str {
        error.members["Reason"].as_str().unwrap()
    }

    #[test]
    fn reserved_concurrency_is_what_there_is_and_no_more() {
        let (function, account) = (Function::default(), Arc::default());
        let first = function.admit(&account, Some(2)).unwrap();
        let _second = function.admit(&account, Some(2)).unwrap();
        let error = function.admit(&account, Some(2)).unwrap_err();
        assert_eq!(error.status, 429);
        assert_eq!(
            reason(&error),
            "ReservedFunctionConcurrentInvocationLimitExceeded"
        );
        drop(first);
        assert_eq!(function.admit(&account, Some(2)).unwrap().under_way(), 2);
        assert!(function.admit(&account, Some(0)).is_err());
        assert_eq!(account.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn functions_without_a_reservation_share_the_accounts() {
        let (one, other, account) = (Function::default(), Function::default(), Arc::default());
        let held: Vec<_> = (0..900)
            .map(|_| one.admit(&account, None).unwrap())
            .collect();
        let more: Vec<_> = (0..100)
            .map(|_| other.admit(&account, None).unwrap())
            .collect();
        let error = other.admit(&account, None).unwrap_err();
        assert_eq!(reason(&error), "ConcurrentInvocationLimitExceeded");
        assert_eq!(other.under_way.load(Ordering::Relaxed), 100);
        drop((held, more));
        assert_eq!(account.load(Ordering::Relaxed), 0);
        assert_eq!(one.under_way.load(Ordering::Relaxed), 0);
    }
}
