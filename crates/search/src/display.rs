//! Conditions as text, for those who read a plan. Not for URLs.

use std::fmt::{Display, Formatter, Result};

use crate::fulltext::FullText;
use crate::params;
use crate::query::{
    Criterion, FilterOp, Modifier, Node, Operand, Prefix, Query, SortKey, SystemMatch,
};
use crate::value::ParamId;

/// Operands shown of a long list.
const OPERANDS_SHOWN_MAX: usize = 8;

fn code(param: ParamId) -> &'static str {
    params::get(param).map_or("?", |(_, definition)| definition.code)
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let list = |f: &mut Formatter<'_>, nodes: &[Node], word: &str| {
            f.write_str("(")?;
            for (node_idx, node) in nodes.iter().enumerate() {
                if node_idx > 0 {
                    write!(f, " {word} ")?;
                }
                node.fmt(f)?;
            }
            f.write_str(")")
        };
        match self {
            Node::Criterion(criterion) => criterion.fmt(f),
            Node::Chain(chain) => {
                for (target_idx, (rt, node)) in chain.targets.iter().enumerate() {
                    if target_idx == OPERANDS_SHOWN_MAX {
                        return write!(f, " | … {} types", chain.targets.len());
                    }
                    let bar = if target_idx > 0 { " | " } else { "" };
                    write!(f, "{bar}{}:{rt}.{node}", code(chain.param))?;
                }
                Ok(())
            }
            Node::Has(has) => write!(f, "_has:{}:{}:{}", has.source, code(has.param), has.node),
            Node::And(nodes) => list(f, nodes, "and"),
            Node::Or(nodes) if nodes.is_empty() => f.write_str("nothing"),
            Node::Or(nodes) => list(f, nodes, "or"),
            Node::Not(node) => write!(f, "not({node})"),
        }
    }
}

impl Display for Criterion {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(code(self.param))?;
        f.write_str(match self.modifier {
            Modifier::None => "",
            Modifier::Missing => ":missing",
            Modifier::Exact => ":exact",
            Modifier::Contains => ":contains",
            Modifier::Text => ":text",
            Modifier::Not => ":not",
            Modifier::Above => ":above",
            Modifier::Below => ":below",
            Modifier::In => ":in",
            Modifier::NotIn => ":not-in",
            Modifier::OfType => ":of-type",
            Modifier::Identifier => ":identifier",
            Modifier::Type(_) => "",
            Modifier::Filter(op) => match op {
                FilterOp::Same => " eq ",
                FilterOp::Differs => " ne ",
                FilterOp::EndsWith => " ew ",
                FilterOp::Greater => " gt ",
                FilterOp::Less => " lt ",
                FilterOp::GreaterOrSame => " ge ",
                FilterOp::LessOrSame => " le ",
                FilterOp::Covers => " co ",
            },
        })?;
        if let Modifier::Type(rt) = self.modifier {
            write!(f, ":{rt}")?;
        }
        if !matches!(self.modifier, Modifier::Filter(_)) {
            f.write_str("=")?;
        }
        for (operand_idx, operand) in self.operands.iter().enumerate() {
            if operand_idx == OPERANDS_SHOWN_MAX {
                return write!(f, ",… {} values", self.operands.len());
            }
            let comma = if operand_idx > 0 { "," } else { "" };
            write!(f, "{comma}{operand}")?;
        }
        Ok(())
    }
}

impl Display for FullText {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (idx, terms) in self.alternatives.iter().enumerate() {
            f.write_str(if idx > 0 { " | " } else { "" })?;
            for (idx, term) in terms.iter().enumerate() {
                let blank = if idx > 0 { " " } else { "" };
                let minus = if term.is_negated { "-" } else { "" };
                let quote = if term.words.len() > 1 { "\"" } else { "" };
                let star = if term.is_prefix { "*" } else { "" };
                write!(f, "{blank}{minus}{quote}{}{star}{quote}", term.words.join(" "))?;
            }
        }
        Ok(())
    }
}

impl Prefix {
    /// The two letters; none for `eq`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Prefix::Eq => "",
            Prefix::Ne => "ne",
            Prefix::Gt => "gt",
            Prefix::Lt => "lt",
            Prefix::Ge => "ge",
            Prefix::Le => "le",
            Prefix::Sa => "sa",
            Prefix::Eb => "eb",
            Prefix::Ap => "ap",
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let system = |system: &SystemMatch| match system {
            SystemMatch::Any => String::new(),
            SystemMatch::Absent => "|".to_owned(),
            SystemMatch::Is(url) => format!("{url}|"),
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        match self {
            Operand::Missing(is) => write!(f, "{is}"),
            Operand::Id(id) => f.write_str(id),
            Operand::Token { system: s, code } => write!(f, "{}{}", system(s), text(code)),
            Operand::TokenText(words) => f.write_str(words),
            Operand::OfType { system: s, code, value } => {
                write!(f, "{}|{code}|{value}", text(s))
            }
            Operand::String(words) => f.write_str(words),
            Operand::Date { prefix, lo, hi } => {
                let instant = fhir::date::format_instant;
                write!(f, "{}[{} … {}]", prefix.as_str(), instant(*lo), instant(*hi))
            }
            Operand::Number { prefix, value, .. } => write!(f, "{}{value}", prefix.as_str()),
            Operand::Quantity { prefix, value, system: s, code, .. } => {
                write!(f, "{}{value}|{}|{}", prefix.as_str(), text(s), text(code))
            }
            Operand::Reference { types, id } => match types[..] {
                [rt] => write!(f, "{rt}/{id}"),
                _ => f.write_str(id),
            },
            Operand::Among { rt, ids } => write!(f, "one of {} resources of {rt}", ids.len()),
            Operand::Url(url) | Operand::Uri(url) => f.write_str(url),
            Operand::Identifier { system: s, value } => {
                write!(f, "{}{}", system(s), text(value))
            }
            Operand::Codes(set) => write!(f, "{} codes", set.n_named()),
            Operand::FullText(query) => write!(f, "{query}"),
            Operand::Near { latitude, longitude, distance_m } => {
                write!(f, "{latitude}|{longitude}|{distance_m}|m")
            }
            Operand::Composite(parts) => {
                for (part_idx, part) in parts.iter().enumerate() {
                    let dollar = if part_idx > 0 { "$" } else { "" };
                    write!(f, "{dollar}{part}")?;
                }
                Ok(())
            }
        }
    }
}

impl Display for SortKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, code(self.param))?;
        let mut targets = &self.targets;
        // The types that a key may lead to differ in nothing else.
        while let Some((rt, key)) = targets.first() {
            write!(f, ":{rt}.{}", code(key.param))?;
            targets = &key.targets;
        }
        Ok(())
    }
}

impl Display for Query {
    /// What is searched, without controls.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.rt)?;
        for (node_idx, node) in self.nodes.iter().enumerate() {
            write!(f, "{}{node}", if node_idx > 0 { " & " } else { " where " })?;
        }
        Ok(())
    }
}
