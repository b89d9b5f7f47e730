//! Look-ups of ranges: numbers and dates, whose values stand in buckets on levels of growing width.
//!
//! Source: FHIR R4 search.html#prefix, #number, #date. Edges of a range are what a bucket cannot
//! decide.

use fhir_tables::ResourceType;
use roaring::RoaringBitmap;
use search::query::Prefix;
use search::value::{IndexValue, Indexed, ParamId};

use super::{Cand, has};
use crate::error::Result;
use crate::key;
use crate::view::View;

/// From this level on, lists are long and few: they are fetched one by one, so that they are kept.
const LEVEL_KEPT_FROM: u8 = 2;
/// More coarse keys than this are scanned as one range, but for those where most values lie.
const KEYS_ONE_BY_ONE_MAX: u32 = 64;

/// Versions under the fine values `from..=to` of a family that stands on levels.
pub(super) fn leveled(
    view: &View<'_>,
    prefix: &[u8],
    ladder: key::Ladder,
    from: u32,
    to: u32,
) -> Result<RoaringBitmap> {
    let mut all = RoaringBitmap::new();
    let mut keys = Vec::new();
    for run in ladder.cover(from, to) {
        let (mut first, mut last) = (run.first, run.last);
        if run.level < LEVEL_KEPT_FROM {
            all |= scan(view, prefix, run.level, first, last)?;
            continue;
        }
        if last - first >= KEYS_ONE_BY_ONE_MAX {
            let usual = ladder.usual();
            (first, last) = (first.max(*usual.start()), last.min(*usual.end()));
            if first > last {
                all |= scan(view, prefix, run.level, run.first, run.last)?;
                continue;
            }
            all |= scan(view, prefix, run.level, run.first, first.wrapping_sub(1))?;
            all |= scan(view, prefix, run.level, last + 1, run.last)?;
        }
        keys.extend((first..=last).map(|value| key::leveled(prefix, run.level, value)));
    }
    all |= view.fetch_all(&keys)?;
    Ok(all)
}

/// Versions under neighbouring keys of one level; none when `first` lies behind `last`.
fn scan(view: &View<'_>, prefix: &[u8], level: u8, first: u32, last: u32) -> Result<RoaringBitmap> {
    // `first - 1` of an empty run wraps.
    if first > last || last > key::FINE_MAX {
        return Ok(RoaringBitmap::new());
    }
    let start = key::leveled(prefix, level, first);
    let end = key::after_prefix(&key::leveled(prefix, level, last));
    view.fetch_range(&start, end.as_deref(), |_| true)
}

pub(super) fn number(
    view: &View<'_>,
    p: ParamId,
    prefix: Prefix,
    value: f64,
    lo: f64,
    hi: f64,
) -> Result<Cand> {
    match prefix {
        Prefix::Ne => Ok(Cand::maybe(has(view, p)?)),
        _ => number_below(view, &key::param(b'N', p), prefix, value, lo, hi),
    }
}

/// As [`number`] for the buckets below a key; `ne` is everything there.
pub fn number_below(
    view: &View<'_>,
    below_key: &[u8],
    prefix: Prefix,
    value: f64,
    lo: f64,
    hi: f64,
) -> Result<Cand> {
    const LAST: u32 = 0x00FF_FFFF;
    let at = key::bucket(value);
    let range = |from: u32, to: u32| leveled(view, below_key, key::BUCKETS, from, to);
    let is_least = key::is_least_of_bucket;
    let within = |with_end: bool| -> Result<Cand> {
        let (first, last) = (key::bucket(lo), key::bucket(hi));
        if first == last {
            return Ok(Cand::maybe(range(first, first)?));
        }
        let (mut sure, mut maybe) = (RoaringBitmap::new(), RoaringBitmap::new());
        let sure_from = if is_least(lo) { first } else { first + 1 };
        if sure_from < last {
            sure = range(sure_from, last - 1)?;
        }
        if sure_from > first {
            maybe |= range(first, first)?;
        }
        if with_end || !is_least(hi) {
            maybe |= range(last, last)?;
        }
        Ok(Cand { sure, maybe })
    };
    let above = |with_value: bool| -> Result<Cand> {
        if with_value && is_least(value) {
            return Ok(Cand::sure(range(at, LAST)?));
        }
        let sure = if at < LAST { range(at + 1, LAST)? } else { RoaringBitmap::new() };
        Ok(Cand { sure, maybe: range(at, at)? })
    };
    let below = |with_value: bool| -> Result<Cand> {
        let sure = if at > 0 { range(0, at - 1)? } else { RoaringBitmap::new() };
        if !with_value && is_least(value) {
            return Ok(Cand::sure(sure));
        }
        Ok(Cand { sure, maybe: range(at, at)? })
    };
    match prefix {
        Prefix::Eq => within(false),
        // The ends of the 10 % belong to it.
        Prefix::Ap => within(true),
        Prefix::Ne => Ok(Cand::maybe(range(0, LAST)?)),
        // The bounds of the precision do not count (search.html#number).
        Prefix::Gt | Prefix::Sa => above(false),
        Prefix::Ge => above(true),
        Prefix::Lt | Prefix::Eb => below(false),
        Prefix::Le => below(true),
    }
}

/// Dates of one parameter, or of `lastUpdated` of a type.
pub(super) struct Days<'v> {
    pub view: &'v View<'v>,
    pub p: ParamId,
    pub rt: Option<ResourceType>,
}

impl Days<'_> {
    /// Values with a day from `from` to `to`, both inclusive. Families: `D` within one day, `L`
    /// beginning, `E` end of longer ones.
    fn days(&self, family: u8, from: i64, to: i64) -> Result<RoaringBitmap> {
        if from > to {
            return Ok(RoaringBitmap::new());
        }
        let prefix = match self.rt {
            // `lastUpdated` is an instant: there are no longer ones.
            Some(_) if family != b'D' => return Ok(RoaringBitmap::new()),
            Some(rt) => key::updated_prefix(rt),
            None => key::param(family, self.p),
        };
        leveled(self.view, &prefix, key::DAYS, key::fine_day(from), key::fine_day(to))
    }

    fn present(&self) -> Result<RoaringBitmap> {
        match self.rt {
            Some(rt) => self.view.fetch(&key::of_type(rt)),
            None => has(self.view, self.p),
        }
    }

    pub fn find(&self, prefix: Prefix, lo: i64, hi: i64) -> Result<Cand> {
        match prefix {
            Prefix::Eq => self.within(lo, hi),
            Prefix::Ne => Ok(Cand::maybe(self.present()?)),
            Prefix::Gt => self.after(b'E', hi),
            Prefix::Sa => self.after(b'L', hi),
            Prefix::Lt => self.before(b'L', lo),
            Prefix::Eb => self.before(b'E', lo),
            Prefix::Ge => {
                let mut found = self.within(lo, hi)?;
                found.or(self.after(b'E', hi)?);
                Ok(found)
            }
            Prefix::Le => {
                let mut found = self.within(lo, hi)?;
                found.or(self.before(b'L', lo)?);
                Ok(found)
            }
            Prefix::Ap => {
                let (first, last) = (key::day(lo), key::day(hi));
                let mut found = self.single(lo, hi)?;
                found.maybe |=
                    self.days(b'L', key::DAY_MIN, last)? & self.days(b'E', first, key::DAY_MAX)?;
                Ok(found)
            }
        }
    }

    /// Values within one day that lie in the interval.
    fn single(&self, lo: i64, hi: i64) -> Result<Cand> {
        let (first, last) = (key::day(lo), key::day(hi));
        let mut from = first;
        let mut to = last;
        let mut maybe = RoaringBitmap::new();
        if lo != key::day_start(first) {
            maybe |= self.days(b'D', first, first)?;
            from += 1;
        }
        if hi != key::day_start(last + 1) - 1 {
            maybe |= self.days(b'D', last, last)?;
            to -= 1;
        }
        Ok(Cand { sure: self.days(b'D', from, to)?, maybe })
    }

    fn within(&self, lo: i64, hi: i64) -> Result<Cand> {
        let mut found = self.single(lo, hi)?;
        let (first, last) = (key::day(lo), key::day(hi));
        if last > first {
            found.maybe |= self.days(b'L', first, last)? & self.days(b'E', first, last)?;
        }
        Ok(found)
    }

    /// Values whose end (`E`) or beginning (`L`) lies after `ms`.
    fn after(&self, family: u8, ms: i64) -> Result<Cand> {
        let day = key::day(ms);
        let aligned = ms == key::day_start(day + 1) - 1;
        let far = key::DAY_MAX;
        let sure = self.days(b'D', day + 1, far)? | self.days(family, day + 1, far)?;
        let maybe = if aligned {
            RoaringBitmap::new()
        } else {
            self.days(b'D', day, day)? | self.days(family, day, day)?
        };
        Ok(Cand { sure, maybe })
    }

    /// Values whose beginning (`L`) or end (`E`) lies before `ms`.
    fn before(&self, family: u8, ms: i64) -> Result<Cand> {
        let day = key::day(ms);
        let aligned = ms == key::day_start(day);
        let far = key::DAY_MIN;
        let sure = self.days(b'D', far, day - 1)? | self.days(family, far, day - 1)?;
        let maybe = if aligned {
            RoaringBitmap::new()
        } else {
            self.days(b'D', day, day)? | self.days(family, day, day)?
        };
        Ok(Cand { sure, maybe })
    }
}

/// First day of the smallest date under `p`, or of the largest when `descending`.
pub fn day_of(values: &[Indexed], p: ParamId, descending: bool) -> Option<i64> {
    let days = values.iter().filter(|v| v.param == p).filter_map(|v| match v.value {
        IndexValue::Date { lo, hi } => Some(key::day(if descending { hi } else { lo })),
        _ => None,
    });
    if descending { days.max() } else { days.min() }
}
