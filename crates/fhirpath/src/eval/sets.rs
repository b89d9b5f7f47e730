//! Existence, filtering, subsetting and combining.
//!
//! Source: FHIRPath N1 §5.1 to §5.4, §7 (aggregate).

use std::cmp::Ordering;

use super::{Call, Evaluator, Items, Scope, single, truth_of, wrong_type};
use crate::compare::{self, Distinct};
use crate::compile::{Code, Op};
use crate::error::Error;
use crate::function::Function;
use crate::item::Item;

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn exists(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut found = false;
        match call.args.first() {
            None => {
                let input = self.input_items(call, scope)?;
                found = !input.is_empty();
                self.give_back(input);
            }
            Some(criterion) => self.for_each(call, scope, |this, _, inner| {
                found = this.truth(criterion, inner)? == Some(true);
                Ok(!found)
            })?,
        }
        out.push(Item::Boolean(found));
        Ok(())
    }

    pub(super) fn input_items(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
    ) -> Result<Items<'a>, Error> {
        let mut input = self.buffer();
        self.input(call, scope, &mut input)?;
        Ok(input)
    }

    pub(super) fn all(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut holds = true;
        self.for_each(call, scope, |this, _, inner| {
            holds = this.truth(&call.args[0], inner)? == Some(true);
            Ok(holds)
        })?;
        out.push(Item::Boolean(holds));
        Ok(())
    }

    /// `allTrue`, `anyTrue`, `allFalse`, `anyFalse`.
    pub(super) fn all_or_any(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let wanted = matches!(call.function, Function::AllTrue | Function::AnyTrue);
        let all = matches!(call.function, Function::AllTrue | Function::AllFalse);
        let input = self.input_items(call, scope)?;
        let mut n_wanted = 0;
        for item in &input {
            match item.to_system() {
                Some(Item::Boolean(value)) => n_wanted += usize::from(value == wanted),
                _ => return Err(wrong_type(item, "a Boolean", call.position)),
            }
        }
        out.push(Item::Boolean(if all { n_wanted == input.len() } else { n_wanted > 0 }));
        self.give_back(input);
        Ok(())
    }

    pub(super) fn filter(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        self.for_each(call, scope, |this, item, inner| {
            if this.truth(&call.args[0], inner)? == Some(true) {
                out.push(item.clone());
            }
            Ok(true)
        })
    }

    pub(super) fn select(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        self.for_each(call, scope, |this, _, inner| {
            this.eval(&call.args[0], inner, out)?;
            Ok(true)
        })
    }

    pub(super) fn repeat(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let start = out.len();
        let mut set = Distinct::default();
        let mut queue = self.input_items(call, scope)?;
        while !queue.is_empty() {
            let mut next = self.buffer();
            for (index, item) in queue.iter().enumerate() {
                let inner = Scope { this: item, index: index as i64, total: scope.total };
                let mut found = self.collect(&call.args[0], inner)?;
                for item in found.drain(..) {
                    if set.is_new(&item, &out[start..], &mut self.meter)? {
                        out.push(item.clone());
                        next.push(item);
                    }
                }
                self.give_back(found);
            }
            self.give_back(std::mem::replace(&mut queue, next));
        }
        self.give_back(queue);
        Ok(())
    }

    /// `first`, `last`, `tail`, `single`, `skip`, `take`: parts of the input in place.
    pub(super) fn part(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let n_wanted = match call.function {
            Function::Skip | Function::Take => match self.integer_argument(call, 0, scope)? {
                Some(n) => usize::try_from(n).unwrap_or(0),
                None => return Ok(()),
            },
            _ => 1,
        };
        let start = out.len();
        self.input(call, scope, out)?;
        let n_items = out.len() - start;
        match call.function {
            Function::Single => {
                single(&out[start..], call.position)?;
            }
            Function::First => out.truncate(start + 1),
            Function::Last => {
                out.drain(start..start + n_items.saturating_sub(1));
            }
            Function::Tail | Function::Skip => {
                out.drain(start..start + n_wanted.min(n_items));
            }
            _ => out.truncate(start + n_wanted.min(n_items)),
        }
        Ok(())
    }

    /// `intersect`, `exclude`, `subsetOf`, `supersetOf`, `union`, `combine`.
    pub(super) fn with_other(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut input = self.input_items(call, scope)?;
        let mut other = self.collect(&call.args[0], scope)?;
        match call.function {
            Function::Union => {
                input.append(&mut other);
                self.push_distinct(&mut input, out)?;
            }
            Function::Combine => {
                self.meter.charge((input.len() + other.len()) as u64)?;
                out.append(&mut input);
                out.append(&mut other);
            }
            Function::Exclude => {
                for item in &input {
                    if !compare::contains(&other, item, &mut self.meter)? {
                        out.push(item.clone());
                    }
                }
            }
            Function::Intersect => {
                let mut common = self.buffer();
                for item in &input {
                    if compare::contains(&other, item, &mut self.meter)? {
                        common.push(item.clone());
                    }
                }
                self.push_distinct(&mut common, out)?;
            }
            _ => {
                let (small, large) = match call.function {
                    Function::SubsetOf => (&input, &other),
                    _ => (&other, &input),
                };
                let mut holds = true;
                for item in small {
                    holds = holds && compare::contains(large, item, &mut self.meter)?;
                }
                out.push(Item::Boolean(holds));
            }
        }
        self.give_back(input);
        self.give_back(other);
        Ok(())
    }

    pub(super) fn distinct(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut input = self.input_items(call, scope)?;
        let n_items = input.len();
        let start = out.len();
        self.push_distinct(&mut input, out)?;
        if call.function == Function::IsDistinct {
            let is_distinct = out.len() - start == n_items;
            out.truncate(start);
            out.push(Item::Boolean(is_distinct));
        }
        Ok(())
    }

    pub(super) fn iif(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.input_items(call, scope)?;
        let inner = match single(&input, call.position)? {
            Some(item) => Scope { this: item, ..scope },
            None => scope,
        };
        let condition = self.collect(&call.args[0], inner)?;
        // Unlike elsewhere, a criterion that is no Boolean is an error.
        let truth = match single(&condition, call.args[0].position)? {
            None => None,
            Some(item) => match item.to_system() {
                Some(Item::Boolean(value)) => Some(value),
                _ => return Err(wrong_type(item, "a Boolean", call.args[0].position)),
            },
        };
        self.give_back(condition);
        if truth == Some(true) {
            self.eval(&call.args[1], inner, out)?;
        } else if let Some(otherwise) = call.args.get(2) {
            self.eval(otherwise, inner, out)?;
        }
        self.give_back(input);
        Ok(())
    }

    pub(super) fn aggregate(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut total = match call.args.get(1) {
            Some(start) => self.collect(start, scope)?,
            None => self.buffer(),
        };
        self.for_each(call, scope, |this, item, inner| {
            let inner = Scope { this: item, total: &total, ..inner };
            let next = this.collect(&call.args[0], inner)?;
            this.give_back(std::mem::replace(&mut total, next));
            Ok(true)
        })?;
        out.append(&mut total);
        self.give_back(total);
        Ok(())
    }

    pub(super) fn coalesce(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let start = out.len();
        for arg in call.args {
            self.eval(arg, scope, out)?;
            if out.len() > start {
                break;
            }
        }
        Ok(())
    }

    /// Stable sort by the keys, or by the items themselves; `-key` sorts downwards.
    pub(super) fn sort(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let mut rows: Vec<(Item<'a>, Vec<Option<Item<'a>>>)> = Vec::new();
        let keys: Vec<(&'a Code, bool)> = call.args.iter().map(sort_key).collect();
        self.for_each(call, scope, |this, item, inner| {
            let mut row = Vec::with_capacity(keys.len().max(1));
            for (key, _) in &keys {
                let mut found = this.collect(key, inner)?;
                single(&found, key.position)?;
                row.push(found.pop());
                this.give_back(found);
            }
            if keys.is_empty() {
                row.push(Some(item.clone()));
            }
            rows.push((item.clone(), row));
            Ok(true)
        })?;
        let mut failed = None;
        rows.sort_by(|(_, a), (_, b)| {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                let order = match (x, y) {
                    (None, None) => Ordering::Equal,
                    // An empty key comes first in both directions.
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (Some(x), Some(y)) => {
                        match compare::order(x, y, call.position, &mut self.meter) {
                            Ok(order) => order.unwrap_or(Ordering::Equal),
                            Err(error) => {
                                failed.get_or_insert(error);
                                Ordering::Equal
                            }
                        }
                    }
                };
                let down = keys.get(i).is_some_and(|(_, down)| *down);
                match if down { order.reverse() } else { order } {
                    Ordering::Equal => {}
                    decided => return decided,
                }
            }
            Ordering::Equal
        });
        match failed {
            Some(error) => Err(error),
            None => {
                out.extend(rows.into_iter().map(|(item, _)| item));
                Ok(())
            }
        }
    }

    pub(super) fn not_function(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.input_items(call, scope)?;
        let truth = truth_of(&input, call.position)?;
        out.extend(truth.map(|t| Item::Boolean(!t)));
        self.give_back(input);
        Ok(())
    }
}

fn sort_key(arg: &Code) -> (&Code, bool) {
    match &arg.op {
        Op::Sign(true, key) => (key, true),
        _ => (arg, false),
    }
}
