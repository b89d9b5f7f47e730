//! Which function runs what.

use super::{Call, Evaluator, Items, Scope, single};
use crate::error::Error;
use crate::function::Function as F;
use crate::item::Item;
use crate::temporal::DateTime;

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(super) fn call(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        match call.function {
            F::Empty => {
                let input = self.input_items(call, scope)?;
                out.push(Item::Boolean(input.is_empty()));
                self.give_back(input);
                Ok(())
            }
            F::Exists => self.exists(call, scope, out),
            F::All => self.all(call, scope, out),
            F::AllTrue | F::AnyTrue | F::AllFalse | F::AnyFalse => {
                self.all_or_any(call, scope, out)
            }
            F::Count => {
                let input = self.input_items(call, scope)?;
                out.push(Item::Integer(input.len() as i64));
                self.give_back(input);
                Ok(())
            }
            F::Distinct | F::IsDistinct => self.distinct(call, scope, out),
            F::Where => self.filter(call, scope, out),
            F::Select => self.select(call, scope, out),
            F::Repeat => self.repeat(call, scope, out),
            F::Single | F::First | F::Last | F::Tail | F::Skip | F::Take => {
                self.part(call, scope, out)
            }
            F::Intersect | F::Exclude | F::SubsetOf | F::SupersetOf | F::Union | F::Combine => {
                self.with_other(call, scope, out)
            }
            F::Coalesce => self.coalesce(call, scope, out),
            F::Iif => self.iif(call, scope, out),
            F::Aggregate => self.aggregate(call, scope, out),
            F::Sort => self.sort(call, scope, out),
            F::Not => self.not_function(call, scope, out),
            F::Children | F::Descendants => self.for_each(call, scope, |this, item, _| {
                match call.function {
                    F::Children => this.children(item, out)?,
                    _ => this.descendants(item, out)?,
                }
                Ok(true)
            }),
            F::Type => self.for_each(call, scope, |_, item, _| {
                let (namespace, name) = item.type_name();
                out.push(Item::Type { namespace, name });
                Ok(true)
            }),
            F::Now | F::Today | F::TimeOfDay => {
                self.clock(call.function, out);
                Ok(())
            }
            F::Trace => self.trace(call, scope, out),
            // These are compiled to operations of their own.
            F::Is | F::As | F::OfType => Ok(()),
            _ => self.value_call(call, scope, out),
        }
    }

    /// Functions of values rather than of collections.
    fn value_call(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        match call.function {
            F::Abs
            | F::Ceiling
            | F::Exp
            | F::Floor
            | F::Ln
            | F::Log
            | F::Power
            | F::Round
            | F::Sqrt
            | F::Truncate => self.math(call, scope, out),
            F::Sum | F::Min | F::Max | F::Avg => self.summary(call, scope, out),
            F::LowBoundary | F::HighBoundary | F::Precision | F::Comparable => {
                self.boundary(call, scope, out)
            }
            F::Join => self.join(call, scope, out),
            F::IndexOf
            | F::LastIndexOf
            | F::Substring
            | F::StartsWith
            | F::EndsWith
            | F::Contains
            | F::Upper
            | F::Lower
            | F::Replace
            | F::Matches
            | F::MatchesFull
            | F::ReplaceMatches
            | F::Length
            | F::ToChars
            | F::Split
            | F::Trim
            | F::Encode
            | F::Decode
            | F::Escape
            | F::Unescape => self.text(call, scope, out),
            F::Extension
            | F::HasExtension
            | F::HasValue
            | F::GetValue
            | F::Resolve
            | F::ElementDefinition
            | F::Slice
            | F::CheckModifiers
            | F::ConformsTo
            | F::MemberOf
            | F::Subsumes
            | F::SubsumedBy
            | F::HtmlChecks => self.fhir_function(call, scope, out),
            // What is left are the conversions.
            _ => self.convert(call, scope, out),
        }
    }

    fn clock(&mut self, function: F, out: &mut Items<'a>) {
        let now = DateTime::from_utc_ms(self.env.now_ms, self.env.offset_min);
        match function {
            F::Now => out.push(Item::DateTime(now)),
            F::Today => out.push(Item::Date(now.date)),
            _ => out.extend(now.time.map(Item::Time)),
        }
    }

    fn trace(
        &mut self,
        call: &Call<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Items<'a>,
    ) -> Result<(), Error> {
        let input = self.input_items(call, scope)?;
        // The name is no projection: it belongs to the place of the call.
        let name = self.collect(&call.args[0], scope)?;
        let name = single(&name, call.position)?.and_then(Item::as_str).unwrap_or_default();
        if let Some(trace) = self.env.trace {
            match call.args.get(1) {
                None => trace(&name, &input),
                Some(projection) => {
                    let mut shown = self.buffer();
                    for (index, item) in input.iter().enumerate() {
                        let inner = Scope { this: item, index: index as i64, total: scope.total };
                        self.eval(projection, inner, &mut shown)?;
                    }
                    trace(&name, &shown);
                    self.give_back(shown);
                }
            }
        }
        out.extend(input.iter().cloned());
        self.give_back(input);
        Ok(())
    }
}
