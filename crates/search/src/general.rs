//! Index values by the general FHIRPath evaluator: slow, and the reference for [`crate::index`].
//!
//! A test compares both over all R4 examples; expressions that are not part of R4's own search
//! parameters have to come this way.

use std::sync::OnceLock;

use fhir::json::Node;
use fhir_tables::SearchKind;
use fhirpath::{Env, Error, Expr, Item};

use crate::convert::{Context, Convert};
use crate::params;
use crate::value::{IndexValue, Indexed, ParamId};

/// The expression of a parameter and those of its components.
struct Compiled {
    whole: Expr,
    components: Vec<(SearchKind, Expr)>,
}

/// Compiled on first use of the parameter.
fn compiled(id: ParamId) -> Result<&'static Compiled, Error> {
    static ALL: OnceLock<Vec<OnceLock<Result<Compiled, Error>>>> = OnceLock::new();
    let all = ALL.get_or_init(|| (0..params::count()).map(|_| OnceLock::new()).collect());
    all[usize::from(id.0)].get_or_init(|| compile(id)).as_ref().map_err(Clone::clone)
}

fn compile(id: ParamId) -> Result<Compiled, Error> {
    let (rt, param) = params::def(id);
    let whole = Expr::compile(param.expression, Some(rt.type_id()))?;
    let mut components = Vec::new();
    for (code, expression) in param.components {
        if let Some((_, component)) = params::find(rt, code) {
            components.push((component.kind, Expr::compile(expression, None)?));
        }
    }
    Ok(Compiled { whole, components })
}

/// What one search parameter finds in a resource.
///
/// `env` lends `resolve` for `resolve() is Patient`.
/// Errors: the expression cannot be compiled or evaluated.
pub fn index_one<'a>(
    id: ParamId,
    resource: Node<'a>,
    base_url: &'a str,
    env: &Env<'_, 'a>,
) -> Result<Vec<Indexed>, Error> {
    let (_, param) = params::def(id);
    let cx = Context::new(resource, base_url, true);
    let env = &Env { resource: Some(resource), ..env.clone() };
    let mut out = Vec::new();
    let compiled = compiled(id)?;
    for item in compiled.whole.eval(resource, env)? {
        if param.kind != SearchKind::Composite {
            put(id, param.kind, &item, &cx, &mut out);
            continue;
        }
        let mut parts = Vec::new();
        for (kind, component) in &compiled.components {
            let mut values = Vec::new();
            for part in component.eval_item(&item, env)? {
                put(id, *kind, &part, &cx, &mut values);
            }
            let values = values.into_iter().map(|indexed| indexed.value);
            let kept: Vec<IndexValue> =
                values.filter(|value| !matches!(value, IndexValue::TokenText(_))).collect();
            parts.extend((!kept.is_empty()).then_some(kept));
        }
        if parts.len() == param.components.len() {
            out.push(Indexed { param: id, value: IndexValue::Composite(parts) });
        }
    }
    Ok(out)
}

pub(crate) fn put<'a>(
    param: ParamId,
    kind: SearchKind,
    item: &Item<'a>,
    cx: &Context<'a>,
    out: &mut Vec<Indexed>,
) {
    match item {
        Item::Node { node, ty, .. } => {
            if let Some(convert) = Convert::of(kind, *ty) {
                convert.run(param, *node, cx, out);
            }
        }
        Item::Boolean(is) if kind == SearchKind::Token => {
            let value = IndexValue::Token { system: None, code: Some(is.to_string()) };
            out.push(Indexed { param, value });
        }
        _ => {}
    }
}
