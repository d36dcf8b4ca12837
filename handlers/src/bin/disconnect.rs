//! The built-in handler `disconnect`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), wsless_handlers::Error> {
    wsless_handlers::builtin::disconnect().await
}
