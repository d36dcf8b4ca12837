#[derive(Debug)]
pub(super) struct Fake;
