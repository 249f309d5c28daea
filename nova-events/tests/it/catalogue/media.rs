use nova_events::media::UploadCompleted;

use super::{at, id, record};

#[test]
fn the_events_of_media_are_those_of_the_contract() {
    let event = UploadCompleted {
        upload_id: id(1),
        media_id: id(2),
        user_id: id(3),
        file_name: "cat.png".to_owned(),
        size_bytes: 4096,
        uploaded_at: at(),
    };
    insta::assert_snapshot!(record(&event), @r#"
    nova.media.events 00000000-0000-0000-0000-000000000001
    event_id=00000000-0000-0000-0000-000000000009
    event_type=media.upload.completed
    aggregate_type=media
    aggregate_id=00000000-0000-0000-0000-000000000001
    created_at=2025-10-28T00:00:00.000000Z
    schema_version=1
    {"upload_id":"00000000-0000-0000-0000-000000000001","media_id":"00000000-0000-0000-0000-000000000002","user_id":"00000000-0000-0000-0000-000000000003","file_name":"cat.png","size_bytes":4096,"uploaded_at":"2025-10-28T00:00:00Z"}
    "#);
}
