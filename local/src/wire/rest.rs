//! The REST protocols: which operation a method and a path are.

/// One operation's place, as in AWS's model.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET`.
    pub method: &'static str,
    /// `/2015-03-31/functions/{FunctionName}/aliases/{Name}`: the names are the members'. A last `{name+}` takes the rest
    /// of the path, slashes and all.
    pub path: &'static str,
    /// AWS's name of it.
    pub operation: &'static str,
}

impl Route {
    /// An operation at a place.
    pub const fn new(method: &'static str, path: &'static str, operation: &'static str) -> Self {
        Self {
            method,
            path,
            operation,
        }
    }
}
