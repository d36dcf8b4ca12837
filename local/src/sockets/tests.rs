use crate::{error::Result, lambda::Invoked};
use bytes::Bytes;
#[derive(Debug)]
pub(super) struct Fake;
impl Fake {
    pub fn permits(&self, _function: &str, _source_arn: &str) -> bool {
        true
    }
    pub async fn invoke(&self, _function: &str, _payload: Bytes) -> Result<Invoked> {
        todo!()
    }
}
