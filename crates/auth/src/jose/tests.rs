use super::*;

/// RFC 7515 A.2: an RS256 signature and its key.
const RFC_RSA: &str = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
const RFC_RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
/// RFC 7515 A.3: an ES256 signature and its key.
const RFC_EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const RFC_EC_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

fn key(text: &str) -> Jwk {
    Jwk::parse(&Value::parse(text).expect("JSON")).expect("a key")
}

#[test]
fn the_signatures_of_rfc_7515_hold() {
    for (jwk, token) in [(RFC_RSA, RFC_RSA_TOKEN), (RFC_EC, RFC_EC_TOKEN)] {
        let jws = Jws::parse(token).expect("a token");
        assert!(jws.is_signed_by(&key(jwk)));
        assert_eq!(jws.text("iss"), Some("joe"));
        assert_eq!(jws.time_ms("exp"), Some(1_300_819_380_000));
        // One character of the claims, and one of the signature.
        for at in [40, token.len() - 20] {
            let mut other = token.to_owned();
            let new = if &token[at..=at] == "A" { "B" } else { "A" };
            other.replace_range(at..=at, new);
            let holds = Jws::parse(&other).is_some_and(|jws| jws.is_signed_by(&key(jwk)));
            assert!(!holds, "{at}");
        }
    }
    let ours = |token, jwk| Jws::parse(token).expect("a token").is_signed_by(&key(jwk));
    assert!(!ours(RFC_RSA_TOKEN, RFC_EC) && !ours(RFC_EC_TOKEN, RFC_RSA), "the kind must fit");
}

#[test]
fn a_key_for_one_algorithm_checks_no_other() {
    let pinned = RFC_RSA.replace("\"e\"", "\"alg\":\"RS384\",\"e\"");
    assert!(!Jws::parse(RFC_RSA_TOKEN).expect("a token").is_signed_by(&key(&pinned)));
    let right = RFC_RSA.replace("\"e\"", "\"alg\":\"RS256\",\"kid\":\"1\",\"use\":\"sig\",\"e\"");
    assert!(Jws::parse(RFC_RSA_TOKEN).expect("a token").is_signed_by(&key(&right)));
}

#[test]
fn algorithms_that_are_not_taken_are_no_tokens() {
    let (_, rest) = RFC_RSA_TOKEN.split_once('.').expect("parts");
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"RS512"}"#,
        r#"{"alg":"PS256"}"#,
        r#"{"alg":"rs256"}"#,
        r#"{"alg":["RS256"]}"#,
        r#"{"alg":"RS256","alg":"none"}"#,
        r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
        r#"{"typ":"JWT"}"#,
        "[]",
        "RS256",
    ] {
        let token = format!("{}.{rest}", to_base64url(header.as_bytes()));
        assert!(Jws::parse(&token).is_none(), "{header}");
    }
    for text in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "eyJhbGciOiJSUzI1NiJ9.e30"] {
        assert!(Jws::parse(text).is_none(), "{text}");
    }
    let long = |n: usize| {
        let claims = format!("{{\"x\":\"{}\"}}", "a".repeat(n));
        let header = to_base64url(br#"{"alg":"ES256"}"#);
        let text = format!("{header}.{}.AA", to_base64url(claims.as_bytes()));
        (text.len(), Jws::parse(&text).is_some())
    };
    let n = (JWS_BYTES_MAX - 24) * 3 / 4 - 8;
    let mut at = (0..8).map(|more| long(n + more)).filter(|(len, _)| *len <= JWS_BYTES_MAX);
    assert!(at.next_back().is_some_and(|(_, taken)| taken));
    assert!(!long(n + 16).1);
}

#[test]
fn private_and_foreign_keys_are_refused() {
    let parse = |text: &str| Jwk::parse(&Value::parse(text).expect("JSON"));
    for text in [
        r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}"#,
        r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        r#"{}"#,
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
    for more in [r#""d":"AA","#, r#""use":"enc","#, r#""alg":"HS256","#, r#""alg":"none","#] {
        assert_eq!(parse(&RFC_EC.replacen('{', &format!("{{{more}"), 1)), None, "{more}");
    }
    let set = |keys: &str| KeySet::parse(format!("{{\"keys\":[{keys}]}}").as_bytes());
    assert!(set(RFC_EC).is_ok());
    assert!(set("").is_err() && KeySet::parse(b"[]").is_err() && KeySet::parse(b"{").is_err());
    assert!(set(&RFC_EC.replacen('{', "{\"d\":\"AA\",", 1)).is_err());
    assert!(set(&vec![RFC_EC; KEYS_MAX].join(",")).is_ok());
    assert!(set(&vec![RFC_EC; KEYS_MAX + 1].join(",")).is_err());
    let read = set(RFC_EC).expect("a set");
    assert_eq!(KeySet::from_value(&read.to_value()), Ok(read));
}

#[test]
fn a_key_is_found_by_its_id() {
    let named = |kid: &str| RFC_EC.replacen('{', &format!("{{\"kid\":\"{kid}\","), 1);
    let two = format!("{{\"keys\":[{},{}]}}", named("a"), named("b"));
    let two = KeySet::parse(two.as_bytes()).expect("a set");
    assert_eq!(two.find(Some("b")).and_then(|key| key.kid.as_deref()), Some("b"));
    assert_eq!((two.find(Some("c")), two.find(None)), (None, None));
    let one = KeySet::parse(format!("{{\"keys\":[{RFC_EC}]}}").as_bytes()).expect("a set");
    assert!(one.find(None).is_some() && one.find(Some("a")).is_none());
}

/// RFC 7638 §3.1.
#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    let text = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    assert_eq!(key(text).thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}
