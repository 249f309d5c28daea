use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode};
use nova_errors::ErrorKind;
use serde_json::{Value, json};

use crate::service::Service;

/// The header `{"alg":"none","typ":"at+jwt"}`.
const ALG_NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";

/// All that a forger could know, and more: the signing key, for tokens that are wrong in one respect alone.
struct Forger {
    service: Service,
    genuine: String,
    public: Jwk,
    signing: EncodingKey,
    claims: Value,
}

impl Forger {
    async fn new() -> Self {
        let service = Service::start().await;
        let genuine = service.arrive("alice").await.access;
        let (_, keys) = service.get("/.well-known/jwks.json").await;
        let keys: JwkSet = serde_json::from_value(keys).unwrap();
        let pkcs8: Vec<u8> = sqlx::query_scalar("SELECT pkcs8 FROM signing_keys")
            .fetch_one(&service.pool)
            .await
            .unwrap();
        let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&genuine)
            .unwrap()
            .claims;
        Self {
            service,
            genuine,
            public: keys.keys[0].clone(),
            signing: EncodingKey::from_ed_der(&pkcs8),
            claims,
        }
    }

    fn header(&self, algorithm: Algorithm) -> Header {
        let mut header = Header::new(algorithm);
        header.typ = Some("at+jwt".to_owned());
        header.kid.clone_from(&self.public.common.key_id);
        header
    }

    /// Signed with the real key, with some claims changed, or left out where they are null.
    fn signed(&self, changes: &Value) -> String {
        let mut claims = self.claims.clone();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        encode(&self.header(Algorithm::EdDSA), &claims, &self.signing).unwrap()
    }

    async fn assert_refused(&self, token: &str, code: &str) {
        let error = self.service.auth.verify_token(token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error:?}");
        assert_eq!(error.code(), code, "{error:?}");
    }
}

#[tokio::test]
async fn a_token_that_was_touched_is_refused() {
    let forger = Forger::new().await;
    let signed = forger.signed(&json!({}));
    let verified = forger.service.auth.verify_token(&signed).await;
    verified.expect("the forger can sign");
    let (message, signature) = forger.genuine.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let other = forger.signed(&json!({ "jti": "00000000-0000-0000-0000-000000000000" }));
    let (other_message, _) = other.rsplit_once('.').unwrap();
    let upside_down: String = signature.chars().rev().collect();
    for token in [
        format!("{other_message}.{signature}"),
        format!("{message}.{upside_down}"),
        format!("{message}."),
        format!("{message}.{signature}A"),
        format!("{ALG_NONE}.{payload}."),
        format!("{ALG_NONE}.{payload}.{signature}"),
    ] {
        let error = forger.service.auth.verify_token(&token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{token}");
    }
    for token in [
        header,
        message,
        &format!("{}.x", forger.genuine),
        "a.b.c",
        "..",
        "junk",
    ] {
        let error = forger.service.auth.verify_token(token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{token}");
    }
    forger
        .service
        .auth
        .verify_token(&forger.genuine)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_signed_with_another_key_or_algorithm_is_refused() {
    let forger = Forger::new().await;
    let public = DecodingKey::from_jwk(&forger.public).unwrap();
    let secret = EncodingKey::from_secret(public.try_get_as_bytes().unwrap());
    let confused = encode(&forger.header(Algorithm::HS256), &forger.claims, &secret).unwrap();
    forger
        .assert_refused(&confused, "authentication.forged")
        .await;

    let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let own = EncodingKey::from_ed_der(pkcs8.as_ref());
    let mut header = forger.header(Algorithm::EdDSA);
    let claimed = encode(&header, &forger.claims, &own).unwrap();
    forger
        .assert_refused(&claimed, "authentication.forged")
        .await;

    // The key that comes along in the token is not to be trusted.
    header.jwk = Some(Jwk::from_encoding_key(&own, Algorithm::EdDSA).unwrap());
    let brought_along = encode(&header, &forger.claims, &own).unwrap();
    forger
        .assert_refused(&brought_along, "authentication.forged")
        .await;
    for kid in [
        Some("unknown".to_owned()),
        Some("../../etc".to_owned()),
        None,
    ] {
        header.kid = kid;
        let unknown = encode(&header, &forger.claims, &own).unwrap();
        forger
            .assert_refused(&unknown, "authentication.forged")
            .await;
    }
}

#[tokio::test]
async fn a_token_for_another_purpose_time_or_person_is_refused() {
    let forger = Forger::new().await;
    let past = json!({ "iat": 1_700_000_000, "exp": 1_700_000_900 });
    forger
        .assert_refused(&forger.signed(&past), "authentication.expired")
        .await;
    for changes in [
        json!({ "aud": "elsewhere" }),
        json!({ "iss": "somebody" }),
        json!({ "aud": null }),
        json!({ "iss": null }),
        json!({ "exp": null }),
        json!({ "exp": "never" }),
        json!({ "sub": "alice" }),
    ] {
        let token = forger.signed(&changes);
        let error = forger.service.auth.verify_token(&token).await.unwrap_err();
        assert_eq!(error.code(), "authentication.forged", "{changes}");
    }
    let nobody = "00000000-0000-0000-0000-000000000000";
    for changes in [json!({ "sub": nobody }), json!({ "jti": nobody })] {
        let token = forger.signed(&changes);
        forger
            .assert_refused(&token, "authentication.revoked")
            .await;
    }
    let mut header = forger.header(Algorithm::EdDSA);
    header.typ = Some("JWT".to_owned());
    let untyped = encode(&header, &forger.claims, &forger.signing).unwrap();
    forger
        .assert_refused(&untyped, "authentication.forged")
        .await;
}
