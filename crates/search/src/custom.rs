//! Search parameters that a practice defines: SearchParameter resources with an expression.
//!
//! Source: FHIR R4 searchparameter.html. Their numbers are above those of R4's own
//! ([`CUSTOM_FIRST`]) and belong to one record; a [`Registry`] says what they mean there.
//! Not here: special parameters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fhir::json::{Doc, Node};
use fhir::reference::Reference;
use fhir_tables::{ResourceType, SearchKind, SearchParam, search_params};
use fhirpath::{Env, Expr};

use crate::convert::Context;
use crate::general;
use crate::pack;
use crate::value::{IndexValue, Indexed, ParamId};

/// Numbers of custom parameters begin here.
pub const CUSTOM_FIRST: u16 = 0x8000;
/// Numbers of custom parameters end before here; those behind are the store's own.
pub const CUSTOM_END: u16 = 0xFF00;
/// Steps that one expression may take on one resource.
const STEPS_MAX: u64 = 20_000;

/// Whether the number is that of a custom parameter.
pub fn is_custom(param: ParamId) -> bool {
    (CUSTOM_FIRST..CUSTOM_END).contains(&param.0)
}

/// What a SearchParameter says of one resource type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Definition {
    pub rt: ResourceType,
    pub code: String,
    pub url: String,
    pub kind: SearchKind,
    pub expression: String,
    pub targets: Vec<ResourceType>,
    /// Of a composite, in their order; 2 at least.
    pub components: Vec<Component>,
}

/// A part of a composite: another parameter of the type, and what it is taken from, relative to a
/// result of the whole expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Component {
    pub code: String,
    pub kind: SearchKind,
    pub expression: String,
}

/// A definition that can be used.
#[derive(Clone)]
pub struct Custom {
    pub id: ParamId,
    pub rt: ResourceType,
    pub param: &'static SearchParam,
    /// Everything that was written before is in the index, too.
    pub is_ready: bool,
    expr: Arc<Expr>,
    components: Vec<(SearchKind, Arc<Expr>)>,
}

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Custom { id, rt, param, is_ready, .. } = self;
        write!(f, "{rt}.{} {id:?} ready: {is_ready}", param.code)
    }
}

/// The custom parameters of a record.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    list: Vec<Custom>,
}

impl Custom {
    /// Reads the expression.
    ///
    /// Errors: why the definition cannot be used, without a full stop at the end.
    pub fn new(id: ParamId, definition: &Definition, is_ready: bool) -> Result<Custom, String> {
        if definition.kind == SearchKind::Special {
            return Err("parameters of type special cannot be defined here".to_owned());
        }
        let is_composite = definition.kind == SearchKind::Composite;
        if is_composite != (definition.components.len() > 1) {
            return Err("a composite has two components or more, others have none".to_owned());
        }
        let compile = |text: &str| match Expr::compile(text, None) {
            Ok(expr) => Ok(Arc::new(expr)),
            Err(e) => Err(format!("its expression cannot be read: {}", e.text)),
        };
        let expr = compile(&definition.expression)?;
        let mut components = Vec::with_capacity(definition.components.len());
        for component in &definition.components {
            if matches!(component.kind, SearchKind::Composite | SearchKind::Special) {
                let kind = component.kind.as_str();
                return Err(format!("'{}' is a {kind} parameter: no component", component.code));
            }
            components.push((component.kind, compile(&component.expression)?));
        }
        let param = interned(definition);
        Ok(Custom { id, rt: definition.rt, param, is_ready, expr, components })
    }

    /// What the parameter finds in a resource. An expression that fails finds nothing.
    pub fn index(&self, resource: Node<'_>, base_url: &str, out: &mut Vec<Indexed>) {
        let cx = Context::new(resource, base_url, true);
        let resolve = |text: &str| stub(text);
        let env = Env {
            resource: Some(resource),
            resolve: Some(&resolve),
            steps_max: STEPS_MAX,
            ..Env::new(0)
        };
        let before = out.len();
        if self.find(resource, &env, &cx, out).is_err() {
            out.truncate(before);
        }
    }

    fn find<'a>(
        &'a self,
        resource: Node<'a>,
        env: &Env<'_, 'a>,
        cx: &Context<'a>,
        out: &mut Vec<Indexed>,
    ) -> Result<(), fhirpath::Error> {
        for item in self.expr.eval(resource, env)? {
            if self.components.is_empty() {
                general::put(self.id, self.param.kind, &item, cx, out);
                continue;
            }
            let mut parts = Vec::with_capacity(self.components.len());
            for (kind, expr) in &self.components {
                let mut values = Vec::new();
                for part in expr.eval_item(&item, env)? {
                    general::put(self.id, *kind, &part, cx, &mut values);
                }
                let values = values.into_iter().map(|indexed| indexed.value);
                let kept: Vec<IndexValue> = values.filter(pack::is_kept).collect();
                parts.extend((!kept.is_empty()).then_some(kept));
            }
            if parts.len() == self.components.len() {
                out.push(Indexed { param: self.id, value: IndexValue::Composite(parts) });
            }
        }
        Ok(())
    }
}

impl Registry {
    pub fn new(list: Vec<Custom>) -> Registry {
        Registry { list }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn list(&self) -> &[Custom] {
        &self.list
    }

    /// The parameter of this exact code.
    pub fn find(&self, rt: ResourceType, code: &str) -> Option<&Custom> {
        self.list.iter().find(|custom| custom.rt == rt && custom.param.code == code)
    }

    pub fn get(&self, id: ParamId) -> Option<&Custom> {
        self.list.iter().find(|custom| custom.id == id)
    }

    /// Whether the number is that of a parameter that searches may use.
    pub fn is_ready(&self, id: ParamId) -> bool {
        self.get(id).is_some_and(|custom| custom.is_ready)
    }

    /// What all parameters of a type find in a resource.
    pub fn index(
        &self,
        rt: ResourceType,
        resource: Node<'_>,
        base_url: &str,
        out: &mut Vec<Indexed>,
    ) {
        for custom in self.list.iter().filter(|custom| custom.rt == rt) {
            custom.index(resource, base_url, out);
        }
    }
}

/// What a reference leads to, as far as its text tells: a resource of the type, so that
/// `resolve() is Patient` can be decided without reading it.
fn stub(reference: &str) -> Option<Node<'static>> {
    static STUBS: OnceLock<HashMap<&'static str, Doc>> = OnceLock::new();
    let stubs = STUBS.get_or_init(|| {
        ResourceType::ALL
            .iter()
            .filter_map(|rt| {
                let json = format!(r#"{{"resourceType":"{rt}","id":"stub"}}"#);
                Some((rt.name(), Doc::parse(json).ok()?))
            })
            .collect()
    });
    match Reference::parse(reference) {
        Reference::Relative { ty, .. }
        | Reference::Absolute { ty, .. }
        | Reference::Conditional { ty, .. } => stubs.get(ty).map(Doc::root),
        _ => None,
    }
}

/// A definition in the form of R4's own. Each is made once and lives as long as the process: there
/// are few.
fn interned(definition: &Definition) -> &'static SearchParam {
    static LIST: Mutex<Vec<(Definition, &'static SearchParam)>> = Mutex::new(Vec::new());
    let mut list = LIST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, param)) = list.iter().find(|(own, _)| own == definition) {
        return param;
    }
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    // Comparators and modifiers are those of the kind.
    let like = ResourceType::ALL
        .iter()
        .flat_map(|rt| search_params(*rt))
        .find(|param| param.kind == definition.kind && !param.expression.is_empty());
    let param: &'static SearchParam = Box::leak(Box::new(SearchParam {
        code: leak(&definition.code),
        url: leak(&definition.url),
        kind: definition.kind,
        base: definition.rt,
        expression: leak(&definition.expression),
        targets: Box::leak(definition.targets.clone().into_boxed_slice()),
        components: Box::leak(
            definition.components.iter().map(|c| (leak(&c.code), leak(&c.expression))).collect(),
        ),
        comparators: like.map_or(&[], |param| param.comparators),
        modifiers: like.map_or(&[], |param| param.modifiers),
    }));
    list.push((definition.clone(), param));
    param
}
