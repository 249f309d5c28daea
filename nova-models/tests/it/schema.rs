//! The schemas agree with what serde writes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jsonschema::Validator;
use nova_errors::{Effect, ErrorBody, Problem, ServiceError, Violation};
use nova_models::{
    CommandRequest, CommandResponse, CursorRequest, DependencyHealth, EndpointName, HealthState,
    HealthStatus, PageRequest, PagedResponse, RequestId, ServiceName, StreamCommand, StreamEvent,
    StreamInfo, StreamStatus,
};
use proptest::prelude::*;
use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, OpenApi};
use uuid::Uuid;

/// The types of the two documents.
macro_rules! types {
    ($($type:ty),* $(,)?) => {
        #[derive(OpenApi)]
        #[openapi(components(schemas($($type),*)))]
        struct Api;

        /// The definitions of all types, by name.
        fn definitions(contract: Contract) -> Value {
            let mut generator = generator(contract);
            $(generator.subschema_for::<$type>();)*
            json!(generator.take_definitions(true))
        }
    };
}

types! {
    CommandRequest<StreamCommand>,
    CommandResponse<StreamInfo>,
    PagedResponse<StreamInfo>,
    EndpointName,
    HealthStatus,
    Problem,
    ServiceName,
    StreamEvent,
}

fn generator(contract: Contract) -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.contract = contract)
        .into_generator()
}

fn open_api(name: &str) -> Value {
    json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": Api::openapi().components,
    })
}

/// What is written, what is read, and the OpenAPI component.
fn validators<T: JsonSchema>(component: &str) -> [Validator; 3] {
    let root = |contract| Value::from(generator(contract).into_root_schema_for::<T>());
    [
        root(Contract::Serialize),
        root(Contract::Deserialize),
        open_api(component),
    ]
    .map(|schema| {
        jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    })
}

fn assert_fit<T: JsonSchema + Serialize>(component: &str, samples: &[T]) {
    for validator in validators::<T>(component) {
        for sample in samples {
            let json = serde_json::to_value(sample).unwrap();
            if let Err(error) = validator.validate(&json) {
                panic!("{component}: {error}: {json}");
            }
        }
    }
}

fn at() -> DateTime<Utc> {
    "2025-10-28T00:00:00.5Z".parse().unwrap()
}

const STREAM: Uuid = Uuid::from_u128(1);
const USER: Uuid = Uuid::from_u128(2);

fn info(status: StreamStatus) -> StreamInfo {
    StreamInfo {
        stream_id: STREAM,
        creator_id: USER,
        title: "live cooking".to_owned(),
        status,
        viewer_count: u64::MAX,
        started_at: Some(at()),
        ended_at: None,
    }
}

fn infos() -> Vec<StreamInfo> {
    [
        StreamStatus::Scheduled,
        StreamStatus::Live,
        StreamStatus::Ended,
        StreamStatus::Unknown("paused".to_owned()),
    ]
    .map(info)
    .to_vec()
}

#[test]
fn the_json_schemas_are_those_of_the_wire_contract() {
    insta::assert_json_snapshot!("json_schema_written", definitions(Contract::Serialize));
    insta::assert_json_snapshot!("json_schema_read", definitions(Contract::Deserialize));
}

#[test]
fn the_openapi_components_are_those_of_the_wire_contract() {
    insta::assert_json_snapshot!("open_api", Api::openapi().components);
}

#[test]
fn the_parameters_of_a_page_have_their_bounds() {
    let query = || Some(utoipa::openapi::path::ParameterIn::Query);
    insta::assert_json_snapshot!("page_parameters", PageRequest::into_params(query));
    insta::assert_json_snapshot!("cursor_parameters", CursorRequest::into_params(query));
}

#[test]
fn requests_fit_their_schemas() {
    let (stream_id, user_id) = (STREAM, USER);
    let commands = [
        StreamCommand::Start { stream_id },
        StreamCommand::End { stream_id },
        StreamCommand::Join { stream_id, user_id },
        StreamCommand::Leave { stream_id, user_id },
        StreamCommand::Comment {
            stream_id,
            user_id,
            body: "hello".to_owned(),
        },
    ];
    let requests = commands.map(|it| CommandRequest::new("user-service", "streaming-service", it));
    assert_fit("CommandRequest_StreamCommand", &requests);
}

#[test]
fn answers_fit_their_schemas() {
    let id = RequestId::new;
    let broken = ServiceError::Validation(Violation::new("limit", "expected 1 to 100").into())
        .with_effect(Effect::None);
    let later = ServiceError::RateLimited("feed".into())
        .with_retry_after(std::time::Duration::from_millis(1500));
    let mut responses = vec![
        CommandResponse::failure(id(), &broken),
        CommandResponse::failure(id(), &later),
    ];
    responses.extend(
        infos()
            .into_iter()
            .map(|info| CommandResponse::ok(id(), info)),
    );
    assert_fit("CommandResponse_StreamInfo", &responses);

    let first_generation: CommandResponse<StreamInfo> =
        serde_json::from_str(include_str!("first_generation/failure.json")).unwrap();
    assert_fit("CommandResponse_StreamInfo", &[first_generation]);
    assert_fit(
        "ErrorBody",
        &[ErrorBody::from(&broken), ErrorBody::from(&later)],
    );
    assert_fit("Problem", &[Problem::from(&later).with_instance("req-1")]);
}

#[test]
fn pages_fit_their_schemas() {
    let by_number = PagedResponse::new(infos(), 9, PageRequest::default());
    let request = CursorRequest::new(None, 2).unwrap();
    let by_cursor = PagedResponse::by_cursor(infos(), 4, &request, |it| it.stream_id.to_string());
    assert!(by_cursor.next_cursor.is_some());
    assert_fit("PagedResponse_StreamInfo", &[by_number, by_cursor]);
}

#[test]
fn health_fits_its_schemas() {
    let states = [
        HealthState::Healthy,
        HealthState::Degraded,
        HealthState::Unhealthy,
        HealthState::Unknown,
    ];
    let status = |status| HealthStatus {
        service_name: "user-service".to_owned(),
        status,
        version: "0.1.0".to_owned(),
        timestamp: at(),
        dependencies: BTreeMap::from([(
            "database".to_owned(),
            DependencyHealth {
                status,
                latency_ms: 2,
                message: (status != HealthState::Healthy).then(|| "no answer".to_owned()),
            },
        )]),
    };
    assert_fit("HealthStatus", &states.map(status));
}

#[test]
fn events_fit_their_schemas() {
    let (stream_id, user_id) = (STREAM, USER);
    let events = [
        StreamEvent::Started {
            stream_id,
            started_at: at(),
        },
        StreamEvent::Ended {
            stream_id,
            ended_at: at(),
            peak_viewers: 9,
        },
        StreamEvent::ViewerJoined {
            stream_id,
            user_id,
            viewer_count: 4,
        },
        StreamEvent::ViewerLeft {
            stream_id,
            user_id,
            viewer_count: 3,
        },
        StreamEvent::CommentPosted {
            stream_id,
            comment_id: Uuid::from_u128(4),
            user_id,
            body: "hello".to_owned(),
        },
    ];
    assert_fit("StreamEvent", &events);
}

#[test]
fn a_schema_refuses_what_is_not_of_its_form() {
    let command = StreamCommand::Start { stream_id: STREAM };
    let request = CommandRequest::new("user-service", "streaming-service", command);
    let request = serde_json::to_value(request).unwrap();
    let broken = [
        ("request_id", json!("a b")),
        ("request_id", json!("")),
        ("request_id", json!("a".repeat(129))),
        ("source_service", json!(null)),
        ("command", json!({"type": "explode", "stream_id": STREAM})),
        ("command", json!({"type": "start", "stream_id": "42"})),
        ("timestamp", json!("yesterday")),
    ];
    for validator in validators::<CommandRequest<StreamCommand>>("CommandRequest_StreamCommand") {
        assert!(validator.is_valid(&request));
        for (field, value) in &broken {
            let mut broken = request.clone();
            broken[field] = value.clone();
            assert!(!validator.is_valid(&broken), "{broken}");
        }
        for field in ["request_id", "source_service", "command", "timestamp"] {
            let mut without = request.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(!validator.is_valid(&without), "{field}");
        }
    }
}

/// Texts that are names, nearly names, or nothing like it.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9._~/-]{0,40}",
        "[a-z./]{0,20}",
        "[a-z0-9-]{60,68}",
        "[a-z/]{120,136}",
        ".{0,12}",
        "[a-z]{1,5}\n",
    ]
}

#[test]
fn the_schema_of_a_name_takes_what_the_name_takes() {
    let ids = validators::<RequestId>("RequestId");
    let services = validators::<ServiceName>("ServiceName");
    let endpoints = validators::<EndpointName>("EndpointName");
    proptest!(|(text in any_text())| {
        let json = json!(text);
        for (validators, is_name) in [
            (&ids, text.parse::<RequestId>().is_ok()),
            (&services, text.parse::<ServiceName>().is_ok()),
            (&endpoints, text.parse::<EndpointName>().is_ok()),
        ] {
            for validator in validators {
                prop_assert_eq!(validator.is_valid(&json), is_name, "{:?}", text);
            }
        }
    });
}

#[test]
fn a_name_that_is_read_is_checked() {
    assert!(serde_json::from_value::<EndpointName>(json!("../admin")).is_err());
    assert!(serde_json::from_value::<ServiceName>(json!("A")).is_err());
    let name: EndpointName = serde_json::from_value(json!("streams/info")).unwrap();
    assert_eq!(json!(name), json!("streams/info"));
}
