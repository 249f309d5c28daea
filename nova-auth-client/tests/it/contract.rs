use std::fmt::Write as _;

use nova_auth_client::proto::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorSet, MethodDescriptorProto};

#[test]
fn the_contract_has_these_methods_and_fields() {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let file = files
        .iter()
        .find(|file| file.package() == "nova.auth.v1")
        .unwrap();
    let mut contract = String::new();
    for service in &file.service {
        writeln!(contract, "service {}", service.name()).unwrap();
        for method in &service.method {
            writeln!(contract, "  {}", describe_method(method)).unwrap();
        }
    }
    for message in &file.message_type {
        describe_message(message, &mut contract);
    }
    insta::assert_snapshot!(contract);
}

fn describe_method(method: &MethodDescriptorProto) -> String {
    let stream = if method.server_streaming() {
        "stream "
    } else {
        ""
    };
    let (input, output) = (short(method.input_type()), short(method.output_type()));
    format!("{}({input}) -> {stream}{output}", method.name())
}

fn describe_message(message: &DescriptorProto, contract: &mut String) {
    writeln!(contract, "message {}", message.name()).unwrap();
    for field in &message.field {
        let kind = match field.type_name() {
            "" => format!("{:?}", field.r#type()).to_lowercase(),
            name => short(name).to_owned(),
        };
        let label = format!("{:?}", field.label()).to_lowercase();
        let choice = if field.oneof_index.is_some() {
            " of a choice"
        } else {
            ""
        };
        let (number, name) = (field.number(), field.name());
        writeln!(contract, "  {number}: {name}, {label} {kind}{choice}").unwrap();
    }
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
