//! Serves the pages over a generated practice in a temporary folder, for looking at them:
//! `cargo run -p ui --example demo_pages -- ADDR PATIENTS ENCOUNTERS`. Login: ada.

#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../tests/common/mod.rs"]
mod common;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let number =
        |i: usize, default: u64| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let address = args.get(1).map_or("127.0.0.1:8099", String::as_str);
    let encounters = usize::try_from(number(3, 0)).unwrap_or(0);
    let practice = common::practice("demo", number(2, 100), encounters);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("ready http://{} password: {}", listener.local_addr()?, common::PASSWORD);
    axum::serve(listener, practice.router.clone()).await
}
