//! SECURITY §2.1: codes once, refresh rotation, revocation, the wrong kind of token, clocks,
//! restarts.

use std::sync::{Arc, Barrier};
use std::time::Instant;

use auth::{
    CODE_LIFE_MS, Introspection, Kind, NewProof, OFFLINE_LIFE_MS, Redeem, SESSION_IDLE_MS, Scheme,
    TOKEN_LIFE_MS, TOKENS_MAX,
};
use record::Scopes;

use crate::kit::{SCOPE, VERIFIER, challenge, kind, kit, kit_with, param, shown, with};

#[test]
fn a_code_gives_tokens_once_and_the_second_use_ends_them() {
    let kit = kit();
    let code = kit.code();
    let issued = kit.redeem(&code).expect("redeemed");
    assert_eq!(issued.token.scopes, Scopes::parse(SCOPE));
    assert_eq!(issued.token.patient.as_deref(), Some("p7"));
    assert!(kit.lives(&issued.access) && issued.refresh.is_some() && issued.id_token.is_some());
    assert_eq!(kind(kit.redeem(&code)), Kind::Grant);
    assert!(!kit.lives(&issued.access), "a stolen code");
    assert_eq!(kind(kit.refresh(&issued.refresh.expect("one"))), Kind::Grant);
    assert!(kit.auth.grants(None).expect("reads").is_empty());
}

#[test]
fn of_a_hundred_threads_with_one_code_exactly_one_wins() {
    let kit = kit();
    // Half of them come to another process.
    let other = kit.restarted();
    for round in 0..3 {
        let code = kit.code();
        let barrier = Barrier::new(100);
        let won: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..100)
                .map(|n| {
                    let (kit, barrier, code) = (&kit, &barrier, code.as_str());
                    let auth = if n % 2 == 0 { Arc::clone(&kit.auth) } else { Arc::clone(&other) };
                    scope.spawn(move || {
                        barrier.wait();
                        kit.redeem_at(&auth, code).ok()
                    })
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(won.len(), 1, "round {round}");
        // The others were replays: what was given out is over.
        for auth in [&kit.auth, &other] {
            assert_eq!(auth.token(won[0].access.expose()).expect("reads"), None);
        }
    }
}

#[test]
fn a_code_is_for_its_app_address_and_verifier() {
    let kit = kit();
    let code = kit.code();
    let try_with = |shown: Redeem<'_>| kind(kit.auth.redeem(&kit.site, &kit.client, shown));
    let good = shown(&code);
    for redirect_uri in ["", "https://app.example.com/", "https://evil.test/back"] {
        assert_eq!(try_with(Redeem { redirect_uri, ..good }), Kind::Grant);
    }
    let padded = format!("{VERIFIER}=");
    for verifier in [
        "",
        "short",
        &challenge(VERIFIER),
        &VERIFIER.to_lowercase(),
        &VERIFIER[..42],
        padded.as_str(),
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk ",
    ] {
        assert_eq!(try_with(Redeem { verifier, ..good }), Kind::Grant, "{verifier}");
    }
    assert_eq!(kind(kit.redeem("va_none")), Kind::Grant);
    let mut stranger = kit.client.clone();
    stranger.id = "another".to_owned();
    assert_eq!(kind(kit.auth.redeem(&kit.site, &stranger, good)), Kind::Grant);
    // None of these was a use. The verifier of this code is none for the next one.
    assert!(kit.redeem(&code).is_ok());
    let other = "another-verifier-another-verifier-another-ver";
    let pairs = with(&kit.question(), "code_challenge", &challenge(other));
    let code = param(&kit.agreed(&pairs), "code").expect("a code");
    assert_eq!(kind(kit.redeem(&code)), Kind::Grant);
}

#[test]
fn a_code_is_good_for_a_minute_also_when_the_clock_jumps() {
    let kit = kit();
    let code = kit.code();
    kit.clock.pass(CODE_LIFE_MS);
    assert_eq!(kind(kit.redeem(&code)), Kind::Grant);
    // Set back an hour: what is of the future is not good.
    kit.clock.pass(-3_600_000);
    assert_eq!(kind(kit.redeem(&code)), Kind::Grant);
    let code = kit.code();
    kit.clock.pass(CODE_LIFE_MS - 1);
    let issued = kit.redeem(&code).expect("redeemed");
    kit.clock.pass(TOKEN_LIFE_MS);
    assert!(!kit.lives(&issued.access));
    kit.clock.pass(-24 * 3_600_000);
    assert!(!kit.lives(&issued.access), "set back a day");
    kit.clock.pass(24 * 3_600_000 - TOKEN_LIFE_MS);
    assert!(kit.lives(&issued.access), "and right again");
    kit.clock.pass(OFFLINE_LIFE_MS);
    assert_eq!(kind(kit.refresh(&issued.refresh.expect("one"))), Kind::Grant);
}

#[test]
fn a_flow_goes_on_after_a_restart_at_every_step() {
    let kit = kit();
    let cookie = kit.cookie.expose();
    let request = kit.restarted().authorize_request(&kit.site, &kit.question()).expect("put");
    let auth = kit.restarted();
    let session = auth.session(cookie).expect("reads").expect("lives");
    let kept = Scopes::parse(SCOPE);
    let consent = auth::Consent { kept: &kept, patient: Some("p7") };
    let url = auth.approve(&kit.site, &session, &request, &consent).expect("agreed");
    let code = param(&url, "code").expect("a code");
    let issued = kit.redeem_at(&kit.restarted(), &code).expect("redeemed");
    let auth = kit.restarted();
    assert!(auth.token(issued.access.expose()).expect("reads").is_some());
    let refresh = issued.refresh.expect("one");
    let next = auth.refresh(&kit.client, refresh.expose(), None, None, None).expect("refreshed");
    // And so do refusals.
    assert_eq!(kind(kit.redeem_at(&kit.restarted(), &code)), Kind::Grant);
    assert!(kit.restarted().token(next.access.expose()).expect("reads").is_none());
}

#[test]
fn refresh_tokens_rotate_and_an_old_one_ends_the_family() {
    let kit = kit();
    let first = kit.redeem(&kit.code()).expect("redeemed");
    let old = first.refresh.expect("one");
    let second = kit.refresh(&old).expect("refreshed");
    assert!(kit.lives(&first.access) && kit.lives(&second.access));
    assert_eq!(second.token.patient.as_deref(), Some("p7"));
    assert_eq!(kind(kit.refresh(&old)), Kind::Grant);
    assert!(!kit.lives(&first.access) && !kit.lives(&second.access));
    assert_eq!(kind(kit.refresh(&second.refresh.expect("one"))), Kind::Grant);
    // At the same time: one wins, and then all are over.
    let first = kit.redeem(&kit.code()).expect("redeemed");
    let refresh = first.refresh.expect("one");
    let barrier = Barrier::new(50);
    let won: Vec<_> = std::thread::scope(|scope| {
        let try_it = || {
            barrier.wait();
            kit.refresh(&refresh).ok()
        };
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(try_it)).collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(won.len() <= 1);
    assert!(won.iter().all(|issued| !kit.lives(&issued.access)));
    assert!(!kit.lives(&first.access));
}

#[test]
fn a_refresh_asks_for_less_never_for_more_and_is_of_its_app() {
    let kit = kit();
    let mut issued = kit.redeem(&kit.code()).expect("redeemed");
    let mut ask = |scope: &str| {
        let refresh = issued.refresh.take().expect("one");
        let done = kit.auth.refresh(&kit.client, refresh.expose(), Some(scope), None, None);
        match done {
            Ok(next) => {
                issued = next;
                Ok(issued.token.scopes.to_string())
            }
            Err(error) => {
                issued.refresh = Some(refresh);
                Err(error.kind)
            }
        }
    };
    assert_eq!(ask("patient/Patient.r"), Ok("patient/Patient.r".to_owned()));
    assert_eq!(ask("user/Patient.r"), Err(Kind::Scope));
    assert_eq!(ask("patient/*.cruds"), Err(Kind::Scope));
    assert_eq!(ask("patient/*.read openid"), Ok("openid patient/*.rs".to_owned()));
    let mut stranger = kit.client.clone();
    stranger.id = "another".to_owned();
    let refresh = issued.refresh.expect("one");
    let stolen = kit.auth.refresh(&stranger, refresh.expose(), None, None, None);
    assert_eq!(kind(stolen), Kind::Grant);
    assert!(kit.refresh(&refresh).is_ok(), "a stranger does not end it");
}

#[test]
fn only_a_public_app_need_not_name_itself_with_a_refresh_token() {
    for (proof, found) in [(NewProof::Public, true), (NewProof::Secret, false)] {
        let kit = kit_with(SCOPE, proof);
        let issued = kit.redeem(&kit.code()).expect("redeemed");
        let refresh = issued.refresh.expect("one");
        let client = kit.auth.public_client_of(refresh.expose()).expect("reads");
        assert_eq!(client.is_some_and(|client| client.id == kit.client.id), found);
        for other in [issued.access.expose(), "vr_none", ""] {
            assert_eq!(kit.auth.public_client_of(other).expect("reads"), None);
        }
        kit.auth.set_client_disabled(&kit.client.id, true).expect("written");
        assert_eq!(kit.auth.public_client_of(refresh.expose()).expect("reads"), None);
    }
}

#[test]
fn only_asked_for_access_lasts() {
    let scope = "openid online_access user/*.rs";
    let kit = kit_with(scope, NewProof::Public);
    let ask = |scope: &str| {
        let pairs = with(&kit.question(), "scope", scope);
        let request = kit.auth.authorize_request(&kit.site, &pairs).expect("put");
        let kept = Scopes::parse(scope);
        let consent = auth::Consent { kept: &kept, patient: None };
        let url = kit.auth.approve(&kit.site, &kit.session, &request, &consent).expect("agreed");
        kit.redeem(&param(&url, "code").expect("a code")).expect("redeemed")
    };
    assert!(ask("user/*.rs").refresh.is_none());
    // online_access: as long as the session goes on.
    let online = ask(scope).refresh.expect("one");
    let next = kit.refresh(&online).expect("refreshed").refresh.expect("one");
    let other = ask(scope);
    kit.clock.pass(SESSION_IDLE_MS);
    assert_eq!(kind(kit.refresh(&next)), Kind::Grant);
    kit.auth.logout(kit.cookie.expose()).expect("ended");
    assert!(!kit.lives(&other.access), "signing out ends it");
}

#[test]
fn tokens_of_the_wrong_kind_open_nothing() {
    let kit = kit();
    let code = kit.code();
    let issued = kit.redeem(&kit.code()).expect("redeemed");
    let refresh = issued.refresh.expect("one");
    let id_token = issued.id_token.expect("one");
    for secret in [code.as_str(), refresh.expose(), &id_token, kit.cookie.expose(), "", "vt_"] {
        assert!(kit.auth.token(secret).expect("reads").is_none(), "{secret}");
    }
    for secret in [code.as_str(), issued.access.expose(), &id_token, kit.cookie.expose()] {
        let done = kit.auth.refresh(&kit.client, secret, None, None, None);
        assert_eq!(kind(done), Kind::Grant, "{secret}");
    }
    for secret in [refresh.expose(), issued.access.expose(), &id_token] {
        assert_eq!(kind(kit.redeem(secret)), Kind::Grant, "{secret}");
        assert!(kit.auth.session(secret).expect("reads").is_none(), "{secret}");
    }
    assert!(kit.lives(&issued.access));
}

#[test]
fn revocation_is_effective_at_once_and_for_own_tokens_only() {
    let kit = kit();
    let issued = kit.redeem(&kit.code()).expect("redeemed");
    let refresh = issued.refresh.expect("one");
    let is_active = |secret: &str| {
        let found = kit.auth.introspect(&kit.client.id, secret).expect("reads");
        assert_eq!(kit.auth.introspect("another", secret).expect("reads"), Introspection::Inactive);
        found != Introspection::Inactive
    };
    assert!(is_active(issued.access.expose()) && is_active(refresh.expose()));
    kit.auth.revoke("another", issued.access.expose()).expect("silent");
    kit.auth.revoke("another", refresh.expose()).expect("silent");
    assert!(is_active(issued.access.expose()) && is_active(refresh.expose()));
    kit.auth.revoke(&kit.client.id, issued.access.expose()).expect("revoked");
    assert!(!is_active(issued.access.expose()) && is_active(refresh.expose()));
    let next = kit.refresh(&refresh).expect("refreshed");
    let refresh = next.refresh.expect("one");
    kit.auth.revoke(&kit.client.id, refresh.expose()).expect("revoked");
    assert!(!is_active(next.access.expose()) && !is_active(refresh.expose()));
}

#[test]
fn people_see_and_end_their_own_connections() {
    let kit = kit();
    let issued = kit.redeem(&kit.code()).expect("redeemed");
    let own = kit.auth.grants(Some(&kit.session.account_id)).expect("reads");
    assert_eq!((own.len(), own[0].client_name.as_str()), (1, "Growth"));
    assert!(kit.auth.grants(Some("another")).expect("reads").is_empty());
    assert!(!kit.auth.end_grant(Some("another"), &own[0].id).expect("reads"));
    assert!(kit.lives(&issued.access));
    assert!(kit.auth.end_grant(Some(&kit.session.account_id), &own[0].id).expect("ended"));
    assert!(!kit.lives(&issued.access));
    assert_eq!(kind(kit.refresh(&issued.refresh.expect("one"))), Kind::Grant);
    // An administrator ends anybody's; a disabled account or app ends with what it connected.
    for step in 0..3 {
        let issued = kit.redeem(&kit.code()).expect("redeemed");
        let id = kit.auth.grants(None).expect("reads")[0].id.clone();
        match step {
            0 => assert!(kit.auth.end_grant(None, &id).expect("ended")),
            1 => kit.auth.set_client_disabled(&kit.client.id, true).expect("written"),
            _ => kit.auth.set_disabled("nora", true).expect("written"),
        }
        assert!(!kit.lives(&issued.access), "{step}");
        assert_eq!(kind(kit.refresh(&issued.refresh.expect("one"))), Kind::Grant);
        kit.auth.set_client_disabled(&kit.client.id, false).expect("written");
    }
}

/// What another process ended is over here when it forgets, and at once where it was not in use.
#[test]
fn what_another_process_ends_is_over_here() {
    let kit = kit();
    let issued = kit.redeem(&kit.code()).expect("redeemed");
    assert!(kit.lives(&issued.access));
    let other = kit.restarted();
    other.end_grant(None, issued.token.grant_id.as_deref().expect("one")).expect("ended");
    kit.auth.forget_live();
    assert!(!kit.lives(&issued.access));
}

#[test]
fn live_access_tokens_of_one_connection_are_few() {
    let kit = kit();
    let first = kit.redeem(&kit.code()).expect("redeemed");
    let mut refresh = first.refresh.expect("one");
    for _ in 1..TOKENS_MAX {
        refresh = kit.refresh(&refresh).expect("refreshed").refresh.expect("one");
    }
    kit.auth.forget_live();
    assert!(kit.lives(&first.access));
    kit.refresh(&refresh).expect("refreshed");
    kit.auth.forget_live();
    assert!(!kit.lives(&first.access));
}

#[test]
fn nothing_that_opens_a_door_is_stored_and_what_is_over_goes() {
    let kit = kit();
    let code = kit.code();
    let issued = kit.redeem(&code).expect("redeemed");
    let refresh = issued.refresh.expect("one");
    let dump = String::from_utf8_lossy(&kit.vault.dump()).into_owned();
    for secret in [code.as_str(), issued.access.expose(), refresh.expose(), VERIFIER] {
        assert!(!dump.contains(&secret[3..]), "{secret}");
    }
    kit.clock.pass(OFFLINE_LIFE_MS);
    kit.auth.sweep().expect("swept");
    let dump = String::from_utf8_lossy(&kit.vault.dump()).into_owned();
    assert!(!dump.contains("\"p7\""), "{dump}");
}

/// A request pays one hash and one look into memory: at most 5 µs.
#[test]
fn the_check_of_a_token_is_a_hash_and_a_look() {
    let kit = kit();
    let issued = kit.redeem(&kit.code()).expect("redeemed");
    let secret = issued.access.expose();
    let admit = || {
        let found = kit.auth.admit(Scheme::Bearer, secret, None).expect("reads").expect("lives");
        std::hint::black_box(found.ctx(String::new(), 0, None));
    };
    admit();
    let mut best_ns = u128::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..1_000 {
            admit();
        }
        best_ns = best_ns.min(start.elapsed().as_nanos() / 1_000);
    }
    eprintln!("token check: {best_ns} ns");
    assert!(best_ns <= 5_000, "{best_ns} ns");
}
