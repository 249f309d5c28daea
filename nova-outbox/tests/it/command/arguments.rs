use super::{Operated, command, run};

const SECRET: &str = "s3cr3t-p4ss";

#[tokio::test]
async fn a_password_is_never_shown() {
    let urls = [
        // Nobody listens there.
        format!("postgres://user:{SECRET}@127.0.0.1:1/db"),
        format!("postgres://user:{SECRET}@127.0.0.1:port/db"),
        format!("postgres://user@127.0.0.1:1/db?password={SECRET}&sslmode={SECRET}"),
        format!("mysql://user:{SECRET}@127.0.0.1/db"),
        SECRET.to_owned(),
        format!("sqlite://{SECRET}?mode={SECRET}"),
    ];
    for url in &urls {
        for arguments in [
            &["stats"][..],
            &["--help"],
            &["stats", "--nonsense"],
            &["list", "--help"],
        ] {
            let ran = run(url, arguments).await;
            assert!(
                !ran.out.contains(SECRET) && !ran.err.contains(SECRET),
                "{ran:?}"
            );
        }
        let given = run("", &["--database-url", url, "stats"]).await;
        assert!(given.code == 1 || given.code == 2, "{given:?}");
        assert!(!given.err.contains(SECRET), "{given:?}");
    }
}

#[tokio::test]
async fn wrong_arguments_end_it_with_two_and_a_database_that_is_away_with_one() {
    let operated = Operated::sqlite().await;
    for wrong in [
        &["replay"][..],
        &["replay", "--all", "--aggregate-id", "a"],
        &["replay", "--all", "00000000-0000-0000-0000-000000000000"],
        &["replay", "no-id"],
        &["replay", "--all", "--batch", "0"],
        &["list", "--state", "lost"],
        &["list", "--limit", "0"],
        &["list", "--limit", "10001"],
        &["purge", "--older-than", "soon"],
        &["purge"],
        &["show"],
        &["no-command"],
        &[],
    ] {
        let ran = operated.run(wrong).await;
        assert_eq!(ran.code, 2, "{wrong:?}: {ran:?}");
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{ran:?}");
    }
    run("", &["stats"]).await.ended(2);
    run("postgres://127.0.0.1:1/db", &["stats"]).await.ended(1);
}

#[tokio::test]
async fn completions_need_no_database() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run("", &["completions", shell]).await.ended(0);
        assert!(
            ran.out.contains("nova-outbox") && ran.out.contains("replay"),
            "{shell}"
        );
    }
}

#[tokio::test]
async fn the_exit_codes_are_in_the_help() {
    let help = run("", &["--help"]).await.ended(0).out;
    for line in [
        "0    done",
        "3    `doctor`",
        "5    not confirmed",
        "130  interrupted",
    ] {
        assert!(help.contains(line), "{line} is not in\n{help}");
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let operated = Operated::sqlite().await;
    operated
        .service
        .enqueue((0..5_000).map(|n| crate::sample::event("a", n)))
        .await;
    let mut child = command(&operated.url, &["list", "--limit", "10000"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = tokio::task::spawn_blocking(move || child.wait()).await;
    assert_eq!(ended.unwrap().unwrap().code(), Some(0));
}
