//! Syntax tree to code: names resolved against the type tables, steps precomputed, types checked.
//!
//! Source: FHIRPath N1 §7 (strict evaluation) and §10; FHIR R4 fhirpath.html. Where the type of the
//! context is known, a name that cannot exist is an error with its position; where it is not, the
//! name is looked up at evaluation.

use std::cell::Cell;

use fhir_tables::{TypeId, TypeKind};
use regex::{Regex, RegexBuilder};

use crate::ast::{Ast, AstKind, BinaryOp, Literal, TypeName, Unit};
use crate::decimal::Decimal;
use crate::error::Error;
use crate::function::{Function, Gives, Need, Spec, spec};
use crate::item::{Item, number_value};
use crate::limits::{REGEX_BYTES_MAX, REGEXES_MAX};
use crate::quantity::Quantity;
use crate::types::{Class, Plan, Static, SystemType, TypeTest, known};

/// One compiled operation.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) op: Op,
    pub(crate) position: u32,
}

/// What an operation does. A missing base is `$this`.
#[derive(Debug)]
pub(crate) enum Op {
    Empty,
    Literal(Item<'static>),
    Text(Box<str>),
    This,
    Index,
    Total,
    External(Box<str>),
    /// A type's name at the start: `$this` if it is of that type.
    Root(TypeTest),
    Path {
        base: Option<Box<Code>>,
        steps: Vec<Step>,
    },
    Indexer(Box<Code>, Box<Code>),
    Call {
        function: Function,
        base: Option<Box<Code>>,
        args: Vec<Code>,
        regex: Option<Regex>,
    },
    Is(Box<Code>, TypeTest),
    /// `as` and `ofType`; `single` makes more than one item an error.
    As {
        base: Box<Code>,
        test: TypeTest,
        single: bool,
    },
    /// `base.resolve() is T` without fetching where the reference says the type.
    ResolveIs(Box<Code>, TypeId),
    Sign(bool, Box<Code>),
    Binary(BinaryOp, Box<Code>, Box<Code>),
}

/// One navigation step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: Box<str>,
    /// The type for which `plan` holds; others are planned at evaluation.
    pub(crate) parent: Option<TypeId>,
    pub(crate) plan: Plan,
}

/// How to read what the specifications leave to the engine.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// As written in N1: `as` takes a single item, and a path that starts with another type's name
    /// is an error. Otherwise `as` filters a collection, as R4's search parameters and invariants
    /// assume, and such a path is empty.
    pub strict: bool,
}

/// Code and what is known about its result.
struct Typed {
    code: Code,
    ty: Static,
    many: bool,
    /// The order of the items is not defined: `children()`, `descendants()`.
    unordered: bool,
}

pub(crate) fn compile(ast: &Ast, context: Option<TypeId>, options: Options) -> Result<Code, Error> {
    let this = match context {
        Some(ty) => Static::Fhir(ty),
        None => Static::Any,
    };
    let compiler = Compiler { options, n_regexes: Cell::new(0) };
    Ok(compiler.expression(ast, Focus { this, total: Static::Any })?.code)
}

struct Compiler {
    options: Options,
    /// Regular expressions so far.
    n_regexes: Cell<u32>,
}

/// Types of `$this` and `$total`.
#[derive(Clone, Copy)]
struct Focus {
    this: Static,
    total: Static,
}

fn typed(op: Op, position: u32, ty: Static, many: bool) -> Typed {
    Typed { code: Code { op, position }, ty, many, unordered: false }
}

impl Typed {
    fn unordered(self, unordered: bool) -> Self {
        Self { unordered, ..self }
    }
}

const BOOLEAN: Static = Static::System(SystemType::Boolean);

impl Compiler {
    fn expression(&self, ast: &Ast, focus: Focus) -> Result<Typed, Error> {
        let at = ast.position;
        match &ast.kind {
            AstKind::Literal(literal) => self.literal(literal, at),
            AstKind::This => Ok(typed(Op::This, at, focus.this, false)),
            AstKind::Index => Ok(typed(Op::Index, at, Static::System(SystemType::Integer), false)),
            AstKind::Total => Ok(typed(Op::Total, at, focus.total, true)),
            AstKind::External(name) => {
                let ty = match name.as_str() {
                    "ucum" | "sct" | "loinc" => Static::System(SystemType::String),
                    _ => Static::Any,
                };
                Ok(typed(Op::External(name.as_str().into()), at, ty, true))
            }
            AstKind::Member(target, name) => self.member(target.as_deref(), name, at, focus),
            AstKind::Call(target, name, args) => {
                self.call(target.as_deref(), name, args, at, focus)
            }
            AstKind::Indexer(target, index) => {
                let target = self.expression(target, focus)?;
                let index = self.expression(index, focus)?;
                if !index.ty.may_be(SystemType::Integer) {
                    return Err(Error::semantic(at, "an index has to be an integer"));
                }
                self.check_order(target.unordered, "an indexer", at)?;
                let op = Op::Indexer(Box::new(target.code), Box::new(index.code));
                Ok(typed(op, at, target.ty, false))
            }
            AstKind::Sign(negative, operand) => {
                let operand = self.expression(operand, focus)?;
                let ty = operand.ty;
                Ok(typed(Op::Sign(*negative, Box::new(operand.code)), at, ty, false))
            }
            AstKind::Binary(op, left, right) => {
                let left = self.expression(left, focus)?;
                let right = self.expression(right, focus)?;
                binary(*op, left, right, at)
            }
            AstKind::Type(cast, operand, name) => {
                self.type_operation(*cast, operand, name, at, focus)
            }
        }
    }

    fn literal(&self, literal: &Literal, at: u32) -> Result<Typed, Error> {
        let system = |op, ty| Ok(typed(op, at, Static::System(ty), false));
        let too_long = || Error::syntax(at, "the number has too many digits");
        match literal {
            Literal::Empty => Ok(typed(Op::Empty, at, Static::Nothing, false)),
            Literal::Boolean(value) => {
                system(Op::Literal(Item::Boolean(*value)), SystemType::Boolean)
            }
            Literal::String(text) => system(Op::Text(text.as_str().into()), SystemType::String),
            Literal::Number(text) => {
                let item = number_value(text).ok_or_else(too_long)?;
                let ty = match item {
                    Item::Integer(_) => SystemType::Integer,
                    _ => SystemType::Decimal,
                };
                system(Op::Literal(item), ty)
            }
            Literal::Date(date) => system(Op::Literal(Item::Date(*date)), SystemType::Date),
            Literal::DateTime(value) => {
                system(Op::Literal(Item::DateTime(*value)), SystemType::DateTime)
            }
            Literal::Time(time) => system(Op::Literal(Item::Time(*time)), SystemType::Time),
            Literal::Quantity(value, unit) => {
                let value = Decimal::parse(value).ok_or_else(too_long)?;
                let quantity = match unit {
                    Unit::Ucum(code) => Quantity::new(value, code.clone()),
                    Unit::Calendar(word) => Quantity::calendar(value, word),
                };
                system(Op::Literal(Item::Quantity(Box::new(quantity))), SystemType::Quantity)
            }
        }
    }

    fn member(
        &self,
        target: Option<&Ast>,
        name: &str,
        at: u32,
        focus: Focus,
    ) -> Result<Typed, Error> {
        let Some(target) = target else {
            if let Some(root) = self.root(name, at, focus.this)? {
                return Ok(root);
            }
            let (step, ty, many) = self.step(focus.this, name, at)?;
            let op = Op::Path { base: None, steps: vec![step] };
            return Ok(typed(op, at, ty, many));
        };
        let target = self.expression(target, focus)?;
        let (step, ty, many) = self.step(target.ty, name, at)?;
        let many = many || target.many;
        let unordered = target.unordered;
        let op = match target.code {
            Code { op: Op::Path { base, mut steps }, .. } => {
                steps.push(step);
                Op::Path { base, steps }
            }
            Code { op: Op::This, .. } => Op::Path { base: None, steps: vec![step] },
            base => Op::Path { base: Some(Box::new(base)), steps: vec![step] },
        };
        Ok(typed(op, at, ty, many).unordered(unordered))
    }

    /// A type's name at the start of a path: `Patient.name`, `Resource.id`.
    fn root(&self, name: &str, at: u32, this: Static) -> Result<Option<Typed>, Error> {
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Ok(None);
        }
        let Some(named) = TypeId::by_name(name) else { return Ok(None) };
        let ty = match this {
            Static::Fhir(ty) if ty.is_subtype_of(named) => ty,
            Static::Fhir(ty) if self.options.strict && !is_abstract(ty) => {
                let text = format!("the path starts with {name}, but the context is {}", ty.name());
                return Err(Error::semantic(at, text));
            }
            _ => named,
        };
        let op = Op::Root(TypeTest::Fhir(named));
        Ok(Some(typed(op, at, Static::Fhir(ty), false)))
    }

    /// A navigation step, the type it leads to, and whether that repeats.
    fn step(&self, from: Static, name: &str, at: u32) -> Result<(Step, Static, bool), Error> {
        let unplanned = |ty, many| {
            let step = Step { name: name.into(), parent: None, plan: Plan::Nothing };
            Ok((step, ty, many))
        };
        let unknown =
            |owner: &str| Err(Error::semantic(at, format!("{owner} has no element `{name}`")));
        match from {
            Static::Any => unplanned(Static::Any, true),
            Static::Nothing => unplanned(Static::Nothing, false),
            Static::System(SystemType::Quantity) if matches!(name, "value" | "unit") => {
                unplanned(Static::Any, false)
            }
            Static::System(ty) => unknown(ty.name()),
            Static::Choice(element) => {
                let known = |ty: TypeId| {
                    !matches!(Plan::of(ty, name), Plan::Nothing)
                        || matches!(known().class(ty), Class::AnyResource | Class::Unknown)
                };
                if !element.types.iter().any(|t| known(t.ty)) {
                    return unknown(&format!("{}[x]", element.name));
                }
                unplanned(Static::Any, true)
            }
            Static::Fhir(ty) => match Plan::of(ty, name) {
                Plan::Nothing => match known().class(ty) {
                    Class::AnyResource | Class::Unknown => unplanned(Static::Any, true),
                    // A primitive's value as System value.
                    Class::Primitive(system) if name == "value" => {
                        unplanned(Static::System(system), false)
                    }
                    _ => unknown(ty.name()),
                },
                plan => {
                    let step = Step { name: name.into(), parent: Some(ty), plan };
                    let many = ty.element_by_path_name(name).is_some_and(|e| e.is_array());
                    let to = match plan {
                        Plan::Single { ty, .. } => Static::Fhir(ty),
                        Plan::Choice(element) => Static::Choice(element),
                        Plan::Nothing => Static::Any,
                    };
                    Ok((step, to, many))
                }
            },
        }
    }

    fn call(
        &self,
        target: Option<&Ast>,
        name: &str,
        args: &[Ast],
        at: u32,
        focus: Focus,
    ) -> Result<Typed, Error> {
        let spec = checked_spec(name, args.len(), at)?;
        if let Function::Is | Function::As | Function::OfType = spec.function {
            return self.type_function(spec.function, target, &args[0], at, focus);
        }
        let (base, ty, many, unordered) = match target {
            Some(target) => {
                let target = self.expression(target, focus)?;
                (Some(Box::new(target.code)), target.ty, target.many, target.unordered)
            }
            None => (None, focus.this, false, false),
        };
        check_need(spec, ty, at)?;
        if let Function::First | Function::Last | Function::Tail | Function::Skip | Function::Take =
            spec.function
        {
            self.check_order(unordered, spec.name, at)?;
        }
        let inner = match spec.function {
            Function::Aggregate => Focus { this: ty, total: Static::Any },
            // `repeat` goes on from its own results, whose type it does not know.
            Function::Repeat => Focus { this: Static::Any, total: focus.total },
            Function::Iif if target.is_some() => Focus { this: ty, total: focus.total },
            _ if spec.per_item => Focus { this: ty, total: focus.total },
            _ => focus,
        };
        let args: Vec<Typed> =
            args.iter().map(|arg| self.expression(arg, inner)).collect::<Result<_, _>>()?;
        if spec.function == Function::Iif && !args[0].ty.may_be(SystemType::Boolean) {
            let text = format!("the criterion has to be a Boolean, not {}", args[0].ty.describe());
            return Err(Error::semantic(args[0].code.position, text));
        }
        let (ty, many) = self.result(spec, ty, many, &args);
        let args: Vec<Code> = args.into_iter().map(|arg| arg.code).collect();
        let regex = self.literal_regex(spec.function, &args)?;
        let op = Op::Call { function: spec.function, base, args, regex };
        let unordered = match spec.function {
            Function::Children | Function::Descendants => true,
            Function::Sort => false,
            _ => unordered && spec.gives == Gives::Input,
        };
        Ok(typed(op, at, ty, many).unordered(unordered))
    }

    /// Refuses to take items by their place where they have none (N1 §5.8).
    fn check_order(&self, unordered: bool, what: &str, at: u32) -> Result<(), Error> {
        if !(unordered && self.options.strict) {
            return Ok(());
        }
        let text = format!("{what} needs an order, which children and descendants do not have");
        Err(Error::semantic(at, text))
    }

    /// The regular expression of a call whose pattern is written out.
    fn literal_regex(&self, function: Function, args: &[Code]) -> Result<Option<Regex>, Error> {
        let (Function::Matches | Function::MatchesFull | Function::ReplaceMatches) = function
        else {
            return Ok(None);
        };
        // Flags are read at evaluation.
        let n_without_flags = if function == Function::ReplaceMatches { 2 } else { 1 };
        let Some(Code { op: Op::Text(pattern), position }) = args.first() else { return Ok(None) };
        if args.len() != n_without_flags {
            return Ok(None);
        }
        self.n_regexes.set(self.n_regexes.get() + 1);
        if self.n_regexes.get() > REGEXES_MAX {
            let text = format!("there are more than {REGEXES_MAX} regular expressions");
            return Err(Error::semantic(*position, text));
        }
        regex(pattern, "", function == Function::MatchesFull, *position).map(Some)
    }

    fn result(&self, spec: &Spec, input: Static, many: bool, args: &[Typed]) -> (Static, bool) {
        let ty = match spec.gives {
            Gives::Anything => match spec.function {
                Function::Extension => Static::Fhir(known().extension),
                _ => Static::Any,
            },
            Gives::Input => input,
            Gives::Argument => args.first().map_or(Static::Any, |a| a.ty),
            Gives::System(ty) => Static::System(ty),
        };
        let one = spec.single || (matches!(spec.function, Function::Iif) && !many);
        (ty, !one)
    }

    fn type_function(
        &self,
        function: Function,
        target: Option<&Ast>,
        arg: &Ast,
        at: u32,
        focus: Focus,
    ) -> Result<Typed, Error> {
        let Some(name) = type_name(arg) else {
            return Err(Error::semantic(arg.position, "a type's name is needed here"));
        };
        let this = Ast { kind: AstKind::This, position: at };
        let target = target.unwrap_or(&this);
        match function {
            Function::Is => self.type_operation(false, target, &name, at, focus),
            Function::As => self.type_operation(true, target, &name, at, focus),
            _ => {
                let test = self.type_test(&name, arg.position)?;
                let base = self.expression(target, focus)?;
                let (many, unordered) = (base.many, base.unordered);
                let op = Op::As { base: Box::new(base.code), test, single: false };
                Ok(typed(op, at, static_of(test), many).unordered(unordered))
            }
        }
    }

    fn type_operation(
        &self,
        cast: bool,
        operand: &Ast,
        name: &TypeName,
        at: u32,
        focus: Focus,
    ) -> Result<Typed, Error> {
        let test = self.type_test(name, at)?;
        if let (false, TypeTest::Fhir(ty), AstKind::Call(target, function, args)) =
            (cast, test, &operand.kind)
            && function == "resolve"
            && args.is_empty()
        {
            let base = match target {
                Some(target) => self.expression(target, focus)?,
                None => typed(Op::This, at, focus.this, false),
            };
            return Ok(typed(Op::ResolveIs(Box::new(base.code), ty), at, BOOLEAN, false));
        }
        let base = self.expression(operand, focus)?;
        if !cast {
            return Ok(typed(Op::Is(Box::new(base.code), test), at, BOOLEAN, false));
        }
        let many = base.many;
        let op = Op::As { base: Box::new(base.code), test, single: self.options.strict };
        Ok(typed(op, at, static_of(test), many))
    }

    fn type_test(&self, name: &TypeName, at: u32) -> Result<TypeTest, Error> {
        TypeTest::by_name(name.namespace.as_deref(), &name.name)
            .ok_or_else(|| Error::semantic(at, format!("there is no type `{name}`")))
    }
}

/// The function of this name, which takes this many arguments.
fn checked_spec(name: &str, n_args: usize, at: u32) -> Result<&'static Spec, Error> {
    let Some(spec) = spec(name) else {
        return Err(Error::semantic(at, format!("there is no function `{name}`")));
    };
    if (spec.args_min..=spec.args_max).contains(&n_args) {
        return Ok(spec);
    }
    let wanted = match (spec.args_min, spec.args_max) {
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min} to {max}"),
    };
    Err(Error::semantic(at, format!("`{name}` takes {wanted} arguments, not {n_args}")))
}

fn is_abstract(ty: TypeId) -> bool {
    ty.kind() == TypeKind::Abstract
}

fn static_of(test: TypeTest) -> Static {
    match test {
        TypeTest::Nothing => Static::Nothing,
        TypeTest::System(ty) => Static::System(ty),
        TypeTest::Fhir(ty) => Static::Fhir(ty),
        TypeTest::Quantity => match TypeId::by_name("Quantity") {
            Some(ty) => Static::Fhir(ty),
            None => Static::Any,
        },
    }
}

/// `Patient` or `System.Integer` as written where an argument stands.
fn type_name(arg: &Ast) -> Option<TypeName> {
    let AstKind::Member(target, name) = &arg.kind else { return None };
    let namespace = match target {
        None => None,
        Some(target) => match &target.kind {
            AstKind::Member(None, namespace) => Some(namespace.clone()),
            _ => return None,
        },
    };
    Some(TypeName { namespace, name: name.clone() })
}

/// Refuses what cannot be text or a number. A primitive that JSON writes as a string is text.
fn check_need(spec: &Spec, input: Static, at: u32) -> Result<(), Error> {
    let is_text = |ty: TypeId| {
        !matches!(known().class(ty), Class::Complex | Class::Quantity | Class::AnyResource)
    };
    let fits = match (spec.need, input) {
        (Need::Anything, _) => true,
        (Need::Text, Static::Fhir(ty)) => is_text(ty),
        (Need::Text, Static::Choice(element)) => element.types.iter().any(|t| is_text(t.ty)),
        (Need::Text, ty) => ty.may_be(SystemType::String),
        (Need::Number, ty) => ty.may_be(SystemType::Quantity),
    };
    if fits {
        return Ok(());
    }
    let text = format!("`{}` cannot be applied to {}", spec.name, input.describe());
    Err(Error::semantic(at, text))
}

fn binary(op: BinaryOp, left: Typed, right: Typed, at: u32) -> Result<Typed, Error> {
    let system = Static::System;
    let ty = match op {
        BinaryOp::Union => match (left.ty, right.ty) {
            (Static::Nothing, ty) | (ty, Static::Nothing) => ty,
            (Static::System(a), Static::System(b)) if a == b => left.ty,
            (Static::Fhir(a), Static::Fhir(b)) if a == b => left.ty,
            _ => Static::Any,
        },
        BinaryOp::Add | BinaryOp::Subtract => {
            check_sum(op, left.ty, right.ty, at)?;
            match (left.ty, right.ty) {
                (Static::System(SystemType::Integer), Static::System(SystemType::Decimal)) => {
                    right.ty
                }
                _ => left.ty,
            }
        }
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Div | BinaryOp::Mod => {
            for side in [left.ty, right.ty] {
                if !side.may_be(SystemType::Quantity) {
                    let text = format!("`{}` cannot take {}", op.text(), side.describe());
                    return Err(Error::semantic(at, text));
                }
            }
            Static::Any
        }
        BinaryOp::Concatenate => system(SystemType::String),
        _ => BOOLEAN,
    };
    let many = op == BinaryOp::Union;
    Ok(typed(Op::Binary(op, Box::new(left.code), Box::new(right.code)), at, ty, many))
}

/// Refuses sums of types that have no sum, such as a date and a number.
fn check_sum(op: BinaryOp, left: Static, right: Static, at: u32) -> Result<(), Error> {
    use SystemType as T;
    let pairs: &[(T, T)] = &[
        (T::Quantity, T::Quantity),
        (T::String, T::String),
        (T::DateTime, T::Quantity),
        (T::Time, T::Quantity),
    ];
    let is_number = |s: Static| {
        matches!(s, Static::System(T::Integer | T::Decimal))
            || matches!(s, Static::Fhir(ty)
                if matches!(known().class(ty), Class::Primitive(T::Integer | T::Decimal)))
    };
    let fits = pairs.iter().any(|(a, b)| {
        // A bare number is a quantity, but not a duration.
        let duration = matches!(a, T::DateTime | T::Time);
        (op != BinaryOp::Subtract || *a != T::String)
            && left.may_be(*a)
            && right.may_be(*b)
            && !(duration && is_number(right))
    });
    if fits {
        return Ok(());
    }
    let text = format!("`{}` cannot take {} and {}", op.text(), left.describe(), right.describe());
    Err(Error::semantic(at, text))
}

/// A regular expression that runs in linear time.
///
/// `.` matches line ends too (N1 §5.6: single-line mode).
/// Errors: execution, when it is malformed or too large.
pub(crate) fn regex(pattern: &str, flags: &str, full: bool, at: u32) -> Result<Regex, Error> {
    let anchored;
    let pattern = if full {
        anchored = format!("^(?:{pattern})$");
        &anchored
    } else {
        pattern
    };
    RegexBuilder::new(pattern)
        .dot_matches_new_line(true)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|e| {
            let reason = e.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            Error::execution(at, format!("the regular expression cannot be used: {reason}"))
        })
}
