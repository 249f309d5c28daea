use std::process::Command;

const SETTINGS: [&str; 3] = ["DATABASE_URL", "AUTH_SERVICE_URL", "KAFKA_BROKERS"];

fn service() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nova-content-service"));
    command.env_clear();
    command
}

/// What the service says when it does not start.
fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_start_without_settings_names_all_that_are_missing() {
    let log = refusal(service());
    for setting in SETTINGS {
        assert!(log.contains(&format!("{setting} is not set")), "{log}");
    }
}

#[test]
fn a_setting_that_cannot_be_read_is_named_and_its_value_is_not_shown() {
    let mut command = service();
    command
        .env("DATABASE_URL", "mysql://root:hunter2@localhost/posts")
        .env("AUTH_SERVICE_URL", "http://localhost:8084")
        .env("KAFKA_BROKERS", "localhost:9092")
        .env("NOVA_BIND", "everywhere");
    let log = refusal(command);
    assert!(log.contains("NOVA_BIND"), "{log}");

    let mut command = service();
    command
        .env("DATABASE_URL", "mysql://root:hunter2@localhost/posts")
        .env("AUTH_SERVICE_URL", "http://localhost:8084")
        .env("KAFKA_BROKERS", "localhost:9092")
        .env("NOVA_BIND", "127.0.0.1:0");
    let log = refusal(command);
    assert!(log.contains("DATABASE_URL"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}
