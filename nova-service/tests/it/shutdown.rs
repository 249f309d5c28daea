use std::process::Command;

use nova_service::Shutdown;

#[tokio::test]
async fn a_signal_asks_for_the_shutdown() {
    let shutdown = Shutdown::on_signal().unwrap();
    assert!(!shutdown.is_requested());
    let kill = format!("kill -TERM {}", std::process::id());
    let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(status.success());
    shutdown.requested().await;
}
