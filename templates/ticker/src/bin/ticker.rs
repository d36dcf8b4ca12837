#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), wsless_handlers::Error> {
    wsless_handlers::serve(handlers::ticker).await
}
