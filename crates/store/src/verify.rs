//! Recomputing what is stored: hashes, versions, index, references, audit tree.
//!
//! The index is compared as a sum over (key, version) pairs: the sum over what the bodies say must
//! be the sum over the posting lists, on disk and in memory together. Sums are kept per key family
//! and parameter, so that a difference has a name. Memory does not grow with the record.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use roaring::RoaringBitmap;
use search::custom::is_custom;
use search::value::ParamId;
use sha2::{Digest, Sha256};
use stdx::merkle::Frontier;

use crate::body;
use crate::column;
use crate::disk::{ChainRow, Stored};
use crate::error::{Error, Result};
use crate::key::{self, Keys};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::types::{ChangeKind, Rid};
use crate::view::View;
use crate::writer::HASH_BYTES;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `hash`, `version`, `index`, `reference`, `audit`, `database`.
    pub check: &'static str,
    /// Resource, key family or leaf, without content.
    pub place: String,
    pub text: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    pub versions: u64,
    pub resources: u64,
    pub index_entries: u64,
    pub references: u64,
    /// References to resources that were never here; an import may bring them.
    pub dangling: u64,
    pub audit_leaves: u64,
    /// Root of the audit tree.
    pub audit_root: [u8; 32],
}

/// Findings kept; more are counted only in the last one.
const FINDINGS_MAX: usize = 1_000;

struct Check<'a> {
    view: &'a View<'a>,
    findings: Vec<Finding>,
    done: Verified,
    /// By family and parameter: sums over bodies and over lists.
    sums: BTreeMap<[u8; 3], (u64, u64)>,
    /// By parameter: the sum that its column must have.
    columns: BTreeMap<ParamId, u64>,
    /// By parameter: versions with references that led nowhere.
    open: BTreeMap<ParamId, RoaringBitmap>,
}

impl Check<'_> {
    fn find(&mut self, check: &'static str, place: String, text: &str) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { check, place, text: text.to_owned() });
        }
    }

    /// Parameter of a key; of keys that have none, the type.
    fn param_of(key: &[u8]) -> ParamId {
        ParamId(u16::from_be_bytes(match key.first() {
            Some(b'R') => key.last_chunk::<2>().copied().unwrap_or_default(),
            Some(b'T' | b'X' | b'A') => [0, key.get(1).copied().unwrap_or(0)],
            _ => [1, 2].map(|i| key.get(i).copied().unwrap_or(0)),
        }))
    }

    /// Where a key's sum is kept: family, and parameter or type.
    fn slot(&mut self, key: &[u8]) -> &mut (u64, u64) {
        let [high, low] = Check::param_of(key).0.to_be_bytes();
        let family = key.first().copied().unwrap_or(0);
        self.sums.entry([family, high, low]).or_default()
    }

    fn body_says(&mut self, key: &[u8], rid: Rid) {
        let pair = pair_hash(key, rid);
        let slot = self.slot(key);
        slot.0 = slot.0.wrapping_add(pair);
        self.done.index_entries += 1;
    }

    fn list_says(&mut self, key: &[u8], rids: &RoaringBitmap) {
        let at = self.view.at;
        let sum = rids
            .iter()
            .take_while(|rid| *rid <= at)
            .fold(0u64, |sum, rid| sum.wrapping_add(pair_hash(key, rid)));
        let slot = self.slot(key);
        slot.1 = slot.1.wrapping_add(sum);
    }
}

fn pair_hash(key: &[u8], rid: Rid) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    rid.hash(&mut hasher);
    hasher.finish()
}

impl Store {
    /// Checks everything. `progress` is told how many versions are done and how many there are.
    pub fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<(Verified, Vec<Finding>)> {
        self.flush()?;
        let mut snapshot = self.snapshot(search::Sees::everything())?;
        snapshot.with(|view, bodies| {
            let (findings, done) = (Vec::new(), Verified::default());
            let (sums, columns, open) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
            let mut check = Check { view, findings, done, sums, columns, open };
            pages(&mut check)?;
            versions(&mut check, bodies, &mut progress)?;
            chains(&mut check)?;
            lists(&mut check)?;
            audit(&mut check)?;
            Ok((check.done, check.findings))
        })
    }
}

/// Every page decrypts and has its MAC; the B-trees are whole.
fn pages(check: &mut Check<'_>) -> Result<()> {
    for text in check.view.connection.integrity()? {
        check.find("database", "file".into(), &text);
    }
    Ok(())
}

fn versions(
    check: &mut Check<'_>,
    bodies: &mut body::Reader,
    progress: &mut impl FnMut(u64, u64),
) -> Result<()> {
    let view = check.view;
    view.connection.each_stored(view.at, |stored| {
        let rid = stored.head.rid;
        check.done.versions += 1;
        if check.done.versions.is_multiple_of(1024) {
            progress(check.done.versions, u64::from(view.at));
        }
        if u64::from(rid) != check.done.versions {
            check.find("version", format!("version {rid}"), "version numbers have a gap");
            check.done.versions = u64::from(rid);
        }
        let head = &stored.head;
        let place = format!("{}/{}/_history/{}", head.rt.name(), head.id, head.vid);
        let (kind, dictionary) = (head.kind, stored.dictionary);
        let body = match view.connection.body(kind, dictionary, stored.size, stored.body, bodies) {
            Ok(body) => body,
            Err(e) => {
                check.find("hash", place, &e.public);
                return Ok(());
            }
        };
        let hash: [u8; 32] = Sha256::digest(&body).into();
        if stored.hash != &hash[..HASH_BYTES] {
            check.find("hash", place.clone(), "the body is not what was written");
        }
        if kind == ChangeKind::Delete {
            for key in Keys::of_deletion(head.rt).iter() {
                check.body_says(key, rid);
            }
            return Ok(());
        }
        one_body(check, stored, body, place)
    })?;
    progress(check.done.versions, u64::from(view.at));
    Ok(())
}

/// Index keys and references of one version.
fn one_body(
    check: &mut Check<'_>,
    stored: &Stored<'_>,
    body: Vec<u8>,
    place: String,
) -> Result<()> {
    let view = check.view;
    let version = &stored.head;
    let custom = view.shared.custom();
    let is_known =
        |value: &search::value::Indexed| !is_custom(value.param) || custom.is_ready(value.param);
    let mut kept = view.shared.unpack(stored.packed)?;
    kept.retain(is_known);
    let words = crate::view::words_of_body(version.rt, body.clone())?;
    let mut fresh = crate::view::index_body(version.rt, body, &custom)?;
    fresh.retain(is_known);
    kept.extend(crate::view::left_out_of_pack(fresh.clone()));
    let number = |text: &str| view.shared.systems.find(text).unwrap_or(u32::MAX);
    let keys_of = |values: &[search::value::Indexed]| {
        let keys = Keys::of(version.rt, values, &mut |text| number(text));
        let mut keys: Vec<Vec<u8>> = keys.iter().map(<[u8]>::to_vec).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    let kept_keys = keys_of(&kept);
    let indexed = |keys: &[Vec<u8>]| -> Vec<Vec<u8>> {
        keys.iter().filter(|k| !is_uncovered(k)).cloned().collect()
    };
    if indexed(&kept_keys) != keys_of(&fresh) {
        check.find("index", place.clone(), "the index values are not those of the body");
    }
    for key in &kept_keys {
        check.body_says(key, version.rid);
    }
    for word in &words {
        if let search::value::IndexValue::Word { word: text, impact } = &word.value {
            check.body_says(&key::word(word.param, text, *impact), version.rid);
        }
    }
    for key in key::updated(version.rt, version.last_updated_ms) {
        check.body_says(&key, version.rid);
    }
    columns(check, version, &kept)?;
    let is_current =
        view.ident(version.rt, &version.id)?.is_some_and(|ident| ident.rid == version.rid);
    if !is_current {
        return Ok(());
    }
    check.done.resources += 1;
    for value in &kept {
        if let search::value::IndexValue::Reference { ty, id } = &value.value {
            check.done.references += 1;
            match view.ident(*ty, id)? {
                None => check.done.dangling += 1,
                Some(ident) if ident.kind == ChangeKind::Delete => {
                    if crate::writer::holds(version.rt) {
                        let text = format!("refers to {}/{id}, which was deleted", ty.name());
                        check.find("reference", place.clone(), &text);
                    }
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// What a version's columns must hold. References that were open when it was written are left out.
fn columns(
    check: &mut Check<'_>,
    version: &crate::Head,
    kept: &[search::value::Indexed],
) -> Result<()> {
    let view = check.view;
    let mut numbers = std::collections::BTreeSet::new();
    for (p, rt, id) in crate::writer::references(kept) {
        let open = match check.open.entry(p) {
            std::collections::btree_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::btree_map::Entry::Vacant(e) => {
                e.insert(view.fetch(&column::open_key(p))?)
            }
        };
        if open.contains(version.rid) {
            check.columns.entry(p).or_default();
            continue;
        }
        let first = view.connection.first_version(rt, id)?;
        numbers.insert((p, first.unwrap_or_default()));
    }
    let first = view.connection.first_version(version.rt, &version.id)?;
    if let Some(first) = first.filter(|first| *first != version.rid) {
        numbers.insert((column::FIRST, first));
    }
    for (p, first) in numbers {
        let sum = check.columns.entry(p).or_default();
        *sum = sum.wrapping_add(pair_hash(&first.to_be_bytes(), version.rid));
    }
    Ok(())
}

fn is_uncovered(key: &[u8]) -> bool {
    key.first() == Some(&b'R') && key.ends_with(&search::value::NO_PARAM.0.to_be_bytes())
}

/// Versions of each resource are numbered upward, and each is in the log.
fn chains(check: &mut Check<'_>) -> Result<()> {
    let view = check.view;
    let mut n = 0;
    let mut last: Option<ChainRow> = None;
    view.connection.each_chain(view.at, |this| {
        n += 1;
        let place = || format!("{}/{}/_history/{}", this.rt.name(), this.id, this.vid);
        if !this.is_in_log {
            check.find("version", place(), "the version is not in the log");
        }
        let out_of_order = last
            .as_ref()
            .is_some_and(|l| (l.rt, &l.id) == (this.rt, &this.id) && l.rid >= this.rid);
        if out_of_order {
            check.find("version", place(), "a later version was written earlier");
        }
        last = Some(this);
        Ok(())
    })?;
    if n != check.done.versions {
        let text = format!("{n} versions are named, {} are in the log", check.done.versions);
        check.find("version", "ident".into(), &text);
    }
    Ok(())
}

/// Sums over the posting lists, then the comparison.
fn lists(check: &mut Check<'_>) -> Result<()> {
    let view = check.view;
    let custom = view.shared.custom();
    let mut failure = None;
    // Columns (`C`) are no lists; what stands under `O` depends on what was there at the time.
    for (from, to) in [(0, b'C'), (b'C' + 1, b'O'), (b'O' + 1, u8::MAX)] {
        view.walk(&[from], &[to], false, |key, rids| {
            // Lists of a parameter that is being built, or is no more, say nothing.
            let param = Check::param_of(key);
            if !is_custom(param) || custom.is_ready(param) {
                check.list_says(key, &rids);
            }
            Ok(true)
        })
        .unwrap_or_else(|e| failure = Some(e));
    }
    let mut all = RoaringBitmap::new();
    all.insert_range(1..=view.at);
    for p in check.columns.keys().copied().collect::<Vec<_>>() {
        let open = view.fetch(&column::open_key(p))?;
        // In order of the versions; what is on disk and still in memory comes a second time.
        let (mut is, mut at) = (0u64, 0);
        let mut seen = std::collections::BTreeSet::new();
        view.column(p, &all, |rid, number| {
            if rid > at {
                at = rid;
                seen.clear();
            }
            if rid == at && seen.insert(number) && !open.contains(rid) {
                is = is.wrapping_add(pair_hash(&number.to_be_bytes(), rid));
            }
        })
        .unwrap_or_else(|e| failure = Some(e));
        if check.columns.get(&p) != Some(&is) {
            let text = "the column is not what the references of the bodies say";
            check.find("index", format!("C {}", p.0), text);
        }
    }
    if let Some(e) = failure {
        check.find("index", "posting".into(), &e.public);
    }
    let differing: Vec<[u8; 3]> =
        check.sums.iter().filter(|(_, (a, b))| a != b).map(|(slot, _)| *slot).collect();
    for [family, hi, lo] in differing {
        let place = format!("{} {}", char::from(family), u16::from_be_bytes([hi, lo]));
        check.find("index", place, "the posting lists are not those of the bodies");
    }
    Ok(())
}

fn audit(check: &mut Check<'_>) -> Result<()> {
    let view = check.view;
    let mut tree = Frontier::new();
    let mut gap = false;
    view.connection.audit(0, usize::MAX, |seq, leaf| {
        gap |= seq != tree.size();
        if !gap {
            tree.append(leaf);
        }
        Ok(())
    })?;
    if gap {
        check.find("audit", format!("leaf {}", tree.size()), "the leaf is missing");
        return Ok(());
    }
    let stored = view.connection.audit_state()?.unwrap_or_default();
    let empty = stored.is_empty() && tree.size() == 0;
    if !empty && Frontier::from_bytes(&stored).as_ref() != Some(&tree) {
        check.find("audit", "tree".into(), "the leaves do not make the tree that was kept");
    }
    check.done.audit_leaves = tree.size();
    check.done.audit_root = tree.root();
    Ok(())
}

impl Snapshot {
    /// Size and root of the audit tree.
    pub fn audit_head(&self) -> Result<(u64, [u8; 32])> {
        let bytes = self.reader().connection.audit_state()?;
        let tree = match bytes {
            Some(bytes) => {
                Frontier::from_bytes(&bytes).ok_or_else(|| Error::corrupt("the audit state"))?
            }
            None => Frontier::new(),
        };
        Ok((tree.size(), tree.root()))
    }
}
