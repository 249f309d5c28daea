use nova_errors::{Effect, ErrorBody, Problem, ServiceError, Violation};
use proptest::prelude::*;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Value, json};

use crate::any_error::any_error;

/// The JSON Schema of `T`, of what is written or of what is read.
fn json_schema<T: schemars::JsonSchema>(contract: Contract) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|it| it.contract = contract);
    settings.into_generator().into_root_schema_for::<T>().into()
}

/// The OpenAPI components, and a reference to one of them: a JSON Schema by itself.
fn open_api(name: &str) -> Value {
    #[derive(utoipa::OpenApi)]
    #[openapi(components(schemas(ErrorBody, Problem)))]
    struct Api;

    let api = <Api as utoipa::OpenApi>::openapi();
    json!({
        "$ref": format!("#/components/schemas/{name}"),
        "components": api.components,
    })
}

#[test]
fn the_schemas_are_those_of_the_wire_contract() {
    insta::assert_json_snapshot!("error_body", json_schema::<ErrorBody>(Contract::Serialize));
    insta::assert_json_snapshot!("problem", json_schema::<Problem>(Contract::Serialize));
    insta::assert_json_snapshot!("open_api", open_api("Problem"));
}

#[test]
fn what_the_schemas_leave_out_may_be_left_out() {
    let code_alone = json!({"code": "not_found"});
    let read = json_schema::<ErrorBody>(Contract::Deserialize);
    assert!(jsonschema::is_valid(&read, &code_alone));
    let written = json_schema::<ErrorBody>(Contract::Serialize);
    assert!(!jsonschema::is_valid(&written, &code_alone));
}

#[test]
fn every_error_is_written_as_its_schemas_say() {
    let bodies = [
        json_schema::<ErrorBody>(Contract::Serialize),
        json_schema::<ErrorBody>(Contract::Deserialize),
        open_api("ErrorBody"),
    ]
    .map(|schema| jsonschema::validator_for(&schema).unwrap());
    let problems = [
        json_schema::<Problem>(Contract::Serialize),
        json_schema::<Problem>(Contract::Deserialize),
        open_api("Problem"),
    ]
    .map(|schema| jsonschema::validator_for(&schema).unwrap());

    proptest!(|(error in any_error(), instance in proptest::option::of(".*"))| {
        let body = serde_json::to_value(ErrorBody::from(&error))?;
        let mut problem = Problem::from(&error);
        problem.instance = instance;
        let problem = serde_json::to_value(problem)?;
        for validator in &bodies {
            prop_assert!(validator.is_valid(&body), "{body}");
        }
        for validator in &problems {
            prop_assert!(validator.is_valid(&problem), "{problem}");
        }
    });
}

#[test]
fn a_schema_refuses_what_is_not_of_its_form() {
    let error = ServiceError::Validation(Violation::new("limit", "expected 1 to 100").into())
        .with_effect(Effect::None);
    let body = serde_json::to_value(ErrorBody::from(&error)).unwrap();
    for schema in [
        json_schema::<ErrorBody>(Contract::Serialize),
        open_api("ErrorBody"),
    ] {
        assert!(jsonschema::is_valid(&schema, &body));
        for field in ["code", "message", "retryable", "effect", "violations"] {
            let mut broken = body.clone();
            broken[field] = json!(7);
            assert!(!jsonschema::is_valid(&schema, &broken), "{field}");
        }
    }
}
