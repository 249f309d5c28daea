//! What the envelope costs: written and read, against the same fields in plain types.

use std::hint::black_box;
use std::time::Duration;

use chrono::{DateTime, Utc};
use criterion::Criterion;
use nova_benches::post::Post;
use nova_models::{CommandRequest, CommandResponse};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct PlainRequest {
    request_id: String,
    source_service: String,
    target_service: String,
    command: Post,
    timestamp: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
struct PlainResponse {
    request_id: String,
    success: bool,
    data: Option<Post>,
    error: Option<String>,
    timestamp: DateTime<Utc>,
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    request(&mut criterion);
    response(&mut criterion);
    criterion.final_summary();
}

fn request(criterion: &mut Criterion) {
    let ours = CommandRequest::new("user-service", "content-service", Post::sample());
    let plain = PlainRequest {
        request_id: ours.request_id.to_string(),
        source_service: ours.source_service.clone(),
        target_service: ours.target_service.clone(),
        command: ours.command.clone(),
        timestamp: ours.timestamp,
    };
    let json = serde_json::to_vec(&ours).expect("JSON");
    let mut group = criterion.benchmark_group("request");
    group.bench_function("write_plain", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(&plain)).expect("JSON"));
    });
    group.bench_function("write", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(&ours)).expect("JSON"));
    });
    group.bench_function("read_plain", |bencher| {
        bencher.iter(|| serde_json::from_slice::<PlainRequest>(black_box(&json)).expect("valid"));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            serde_json::from_slice::<CommandRequest<Post>>(black_box(&json)).expect("valid")
        });
    });
    group.finish();
}

fn response(criterion: &mut Criterion) {
    let id = "0192d5a4-7c1e-7bb0-9f3c-2d8a61c4e5f7"
        .parse()
        .expect("an id");
    let ours = CommandResponse::ok(id, Post::sample());
    let plain = PlainResponse {
        request_id: ours.request_id.to_string(),
        success: ours.success,
        data: ours.data.clone(),
        error: None,
        timestamp: ours.timestamp,
    };
    let json = serde_json::to_vec(&ours).expect("JSON");
    let mut group = criterion.benchmark_group("response");
    group.bench_function("write_plain", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(&plain)).expect("JSON"));
    });
    group.bench_function("write", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(&ours)).expect("JSON"));
    });
    group.bench_function("read_plain", |bencher| {
        bencher.iter(|| serde_json::from_slice::<PlainResponse>(black_box(&json)).expect("valid"));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            serde_json::from_slice::<CommandResponse<Post>>(black_box(&json)).expect("valid")
        });
    });
    group.finish();
}
