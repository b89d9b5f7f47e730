//! Which Organization is the practice itself: what others recorded looks outside.
//!
//! The Organizations that have the practice's name; when none has, the one that more than half of
//! the PractitionerRoles belong to.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use fhir::json::Doc;
use fhir_tables::ResourceType;
use record::{Ctx, Request};

use crate::{load, routes::Shared, view_of::id};

/// How long an answer holds: an import may bring the Organization.
const FOR: Duration = Duration::from_secs(60);
/// PractitionerRoles that are asked.
const ROLES_MAX: usize = 200;

/// The last answer and its time.
#[derive(Default)]
pub(crate) struct Ours(Mutex<Option<(Instant, Vec<String>)>>);

impl Shared {
    /// References of the organizations that are this practice.
    pub fn ours(&self) -> Vec<String> {
        let mut kept = self.ours.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, list)) = &*kept
            && at.elapsed() < FOR
        {
            return list.clone();
        }
        let mut list = self.named_like_the_practice();
        if list.is_empty() {
            list.extend(self.of_most_roles());
        }
        *kept = Some((Instant::now(), list.clone()));
        list
    }

    fn ask(&self, rt: &str, query: &str) -> Option<Doc> {
        let record = &self.config.record;
        let ctx = Ctx::system(record.new_id(), record.now_ms());
        let request = Request::search(ResourceType::from_name(rt)?, query);
        let body = record.execute(&ctx, request).ok()?.body?;
        Doc::parse(body).ok()
    }

    fn named_like_the_practice(&self) -> Vec<String> {
        let name = load::encode(&self.config.practice);
        let found = self.ask("Organization", &format!("name:exact={name}&_count=20"));
        let Some(found) = found else { return Vec::new() };
        load::of_type(&found, "Organization").map(|o| format!("Organization/{}", id(o))).collect()
    }

    fn of_most_roles(&self) -> Option<String> {
        let found = self.ask("PractitionerRole", &format!("_count={ROLES_MAX}"))?;
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut n = 0;
        for role in load::of_type(&found, "PractitionerRole") {
            n += 1;
            if let Some(reference) = role.get("organization").and_then(|o| o.str("reference")) {
                *counts.entry(reference.into_owned()).or_default() += 1;
            }
        }
        counts.into_iter().find(|(_, count)| count * 2 > n).map(|(reference, _)| reference)
    }
}
