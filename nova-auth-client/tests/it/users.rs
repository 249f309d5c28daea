use nova_auth_client::AuthClient;
use nova_errors::ErrorKind;
use uuid::Uuid;

use crate::network::start;
use crate::scripted_service::Script;

#[tokio::test(start_paused = true)]
async fn users_are_found_by_their_ids() {
    let (auth, network) = start(Script::new());
    let alice = Uuid::from_u128(1);
    let user = auth.get_user(alice).await.unwrap();
    assert_eq!((user.user_id, user.username.as_str()), (alice, "alice"));
    let users = auth.get_users_by_ids(&[alice, Uuid::nil()]).await.unwrap();
    assert_eq!(users, [user]);
    assert!(auth.check_user_exists(alice).await.unwrap());

    let error = auth.get_user(Uuid::nil()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!auth.check_user_exists(Uuid::nil()).await.unwrap());

    network.cut();
    let error = auth.get_user(alice).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceUnavailable);
    assert_eq!(auth.get_users_by_ids(&[]).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn more_ids_than_fit_are_refused() {
    let (auth, _network) = start(Script::new());
    let ids = vec![Uuid::from_u128(1); AuthClient::MAX_IDS];
    assert_eq!(auth.get_users_by_ids(&ids).await.unwrap().len(), ids.len());
    let more = vec![Uuid::from_u128(1); AuthClient::MAX_IDS + 1];
    let error = auth.get_users_by_ids(&more).await.unwrap_err();
    assert_eq!(error.violations()[0].field, "user_ids");
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_page_by_page() {
    let (auth, _network) = start(Script::new());
    let first = auth.list_users(None, 7).await.unwrap();
    assert_eq!(first.users[0].user_id, Uuid::from_u128(7));
    assert_eq!(first.total, 2);
    let cursor = first.next_cursor.unwrap();
    let last = auth.list_users(Some(&cursor), 7).await.unwrap();
    assert_eq!(last.next_cursor, None);
    for limit in [0, 101] {
        let error = auth.list_users(None, limit).await.unwrap_err();
        assert_eq!(error.violations()[0].field, "limit");
    }
}
