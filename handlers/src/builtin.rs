//! The built-in handlers. Their binaries are in `src/bin`; this is all they do.

mod lanes;
mod push;

use crate::{Error, Reply, serve};

pub use push::push;

/// `$connect`, where no handler of the user's is named for it: checks the origin, writes the registry, chooses a
/// subprotocol. All of that is what [`serve`] does around any handler of `$connect`.
pub async fn connect() -> Result<(), Error> {
    serve(|_, _| async { Ok(Reply::accept()) }).await
}

/// `$disconnect`, where no handler of the user's is named for it: takes the connection out of the registry.
pub async fn disconnect() -> Result<(), Error> {
    serve(|_, _| async { Ok(Reply::none()) }).await
}
