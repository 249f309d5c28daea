//! Commands that take effect once.

use nova_errors::{ServiceError, Violation};
use nova_service::{
    Command, CommandReply, CommandTransaction, IdempotencyLayer, ServiceLayer, SqlIdempotencyStore,
    migrate_idempotency,
};
use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use tempfile::TempDir;

use super::handlers::Dropped;
use super::server::{Framework, Running};
use super::{Case, ID, JSON, answers_of};

/// Charges so many cents, and tells how many charges there are.
async fn charge(
    mut tx: CommandTransaction<Sqlite>,
    command: Command<i64>,
) -> Result<CommandReply<i64>, ServiceError> {
    sqlx::query("INSERT INTO charges (cents) VALUES ($1)")
        .bind(*command)
        .execute(&mut **tx)
        .await?;
    match *command {
        13 => panic!("unlucky"),
        0 => Err(ServiceError::Validation(
            Violation::new("cents", "expected more than 0").into(),
        )),
        -1 => Err(ServiceError::ServiceUnavailable("bank".into())),
        _ => {
            let charges = sqlx::query_scalar("SELECT count(*) FROM charges");
            Ok(command.reply(charges.fetch_one(&mut **tx).await?))
        }
    }
}

async fn pool(folder: &TempDir, framework: Framework) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join(format!("{framework:?}.db")))
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        .connect_with(options)
        .await
        .unwrap();
    migrate_idempotency(&pool).await.unwrap();
    sqlx::query("CREATE TABLE charges (cents INTEGER NOT NULL)")
        .execute(&pool)
        .await
        .unwrap();
    pool
}

async fn start(framework: Framework, pool: SqlitePool) -> Running {
    let once = IdempotencyLayer::new(SqlIdempotencyStore::new(pool));
    let layer = ServiceLayer::new("billing-service");
    match framework {
        Framework::Axum => {
            let commands = nova_service::CommandRouter::new("billing-service")
                .command("charges/create", charge)
                .layer(once)
                .build()
                .unwrap();
            Running::serve(Dropped::default(), |listener, shutdown| {
                nova_service::serve(listener, layer.wrap(commands), shutdown)
            })
            .await
        }
        #[cfg(feature = "actix")]
        Framework::Actix => {
            use actix_web::{App, HttpServer};
            use nova_service::actix;

            let commands = actix::CommandRouter::new("billing-service")
                .command("charges/create", charge)
                .layer(once)
                .build()
                .unwrap();
            let app = move || App::new().service(commands.clone()).wrap(layer.clone());
            Running::serve(Dropped::default(), |listener, shutdown| {
                let server = HttpServer::new(app)
                    .workers(1)
                    .disable_signals()
                    .listen(listener.into_std().unwrap())
                    .unwrap()
                    .run();
                actix::serve(server, shutdown)
            })
            .await
        }
    }
}

const CHARGE: &str = "POST /api/v1/billing-service/charges/create";

#[tokio::test]
async fn commands_take_effect_once_on_both() {
    let folder = TempDir::new().unwrap();
    let (mut running, mut pools) = (Vec::new(), Vec::new());
    for framework in Framework::ALL {
        let pool = pool(&folder, *framework).await;
        running.push((*framework, start(*framework, pool.clone()).await));
        pools.push(pool);
    }
    let command = |id: &str, cents: i64| {
        format!(
            r#"{{"request_id":"{id}","source_service":"user-service","target_service":"billing-service","command":{cents},"timestamp":"2025-10-28T00:00:00Z"}}"#
        )
        .into()
    };
    let first: &[(&str, &str)] = &[JSON, ("idempotency-key", "\"first\"")];
    let fails: &[(&str, &str)] = &[JSON, ("idempotency-key", "\"fails\"")];
    let may_pass: &[(&str, &str)] = &[JSON, ("idempotency-key", "\"may pass\"")];
    let panics: &[(&str, &str)] = &[JSON, ("idempotency-key", "\"panics\"")];
    let large = "x".repeat(3 << 20);
    let cases: [Case; 16] = [
        ("new", CHARGE, first, command("req-1", 5)),
        ("repeated", CHARGE, first, command("req-2", 5)),
        ("with another command", CHARGE, first, command("req-3", 6)),
        ("without a key", CHARGE, &[JSON], command("req-4", 5)),
        ("without a key again", CHARGE, &[JSON], command("req-4", 5)),
        ("fails for good", CHARGE, fails, command("req-5", 0)),
        ("failed for good", CHARGE, fails, command("req-6", 0)),
        ("fails for now", CHARGE, may_pass, command("req-7", -1)),
        (
            "fails for now again",
            CHARGE,
            may_pass,
            command("req-8", -1),
        ),
        ("panics", CHARGE, panics, command("req-9", 13)),
        ("has panicked", CHARGE, panics, command("req-10", 13)),
        ("malformed", CHARGE, first, "{".into()),
        ("no JSON", CHARGE, &[ID], command("req-1", 5)),
        ("too large", CHARGE, &[JSON, ID], large.into()),
        (
            "key without quotes",
            CHARGE,
            &[JSON, ("idempotency-key", "first")],
            command("req-11", 5),
        ),
        (
            "wrong method",
            "GET /api/v1/billing-service/charges/create",
            &[ID],
            "".into(),
        ),
    ];
    insta::assert_snapshot!(answers_of(running, &cases).await);
    for pool in pools {
        let charges = sqlx::query_scalar::<_, i64>("SELECT cents FROM charges");
        let charges = charges.fetch_all(&pool).await.unwrap();
        assert_eq!(charges, [5, 5, 5], "one with a key, two without");
    }
}
