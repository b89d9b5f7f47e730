//! The part of FHIRPath that search parameters of R4 are written in, as lists of steps.
//!
//! Unions of paths with `as`, `ofType`, `[n]`, `extension(url)` and four forms of `where`.
//! Anything else is `None`: the caller has to use the general evaluator.

/// One step from an element to elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The resource: `Patient`, `Resource`, `%resource`.
    Root(String),
    Child(String),
    /// Only values of this type.
    As(String),
    Nth(u32),
    /// `where(type='composed-of')`.
    MemberIs {
        name: String,
        value: String,
    },
    /// `where(hasExtension('url'))`.
    HasExtension(String),
    /// `where(resolve() is Patient)`.
    Resolves(String),
    /// `exists() and X != false`: always one boolean.
    ExistsAndNotFalse,
}

/// The alternatives of a union, in order.
pub(crate) fn parse(expression: &str) -> Option<Vec<Vec<Step>>> {
    if let Some((path, rest)) = expression.split_once(".exists() and ") {
        let mut steps = Cursor(path).path()?;
        steps.push(Step::ExistsAndNotFalse);
        return (rest == format!("{path} != false")).then_some(vec![steps]);
    }
    let mut cursor = Cursor(expression);
    let mut out = Vec::new();
    loop {
        out.push(cursor.term()?);
        if cursor.0.is_empty() {
            return Some(out);
        }
        if !cursor.eat("|") {
            return None;
        }
    }
}

struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn eat(&mut self, token: &str) -> bool {
        self.0 = self.0.trim_start();
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn name(&mut self) -> Option<String> {
        let end = self.0.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        self.0 = rest;
        name.starts_with(|c: char| c.is_ascii_alphabetic()).then(|| name.to_owned())
    }

    fn quoted(&mut self) -> Option<String> {
        let (text, rest) = self.0.strip_prefix('\'')?.split_once('\'')?;
        self.0 = rest;
        (!text.contains('\\')).then(|| text.to_owned())
    }

    /// A path, perhaps followed by ` as Type`.
    fn term(&mut self) -> Option<Vec<Step>> {
        let mut steps = self.path()?;
        if self.eat("as ") {
            steps.push(Step::As(self.name()?));
        }
        self.0 = self.0.trim_start();
        Some(steps)
    }

    fn path(&mut self) -> Option<Vec<Step>> {
        let mut steps = if self.eat("(") {
            let inner = self.term()?;
            self.eat(")").then_some(inner)?
        } else if self.eat("%resource") {
            vec![Step::Root("Resource".into())]
        } else {
            let name = self.name()?;
            let is_root = name.starts_with(|c: char| c.is_ascii_uppercase());
            vec![if is_root { Step::Root(name) } else { Step::Child(name) }]
        };
        loop {
            if self.eat("[") {
                let end = self.0.find(']')?;
                steps.push(Step::Nth(self.0[..end].parse().ok()?));
                self.0 = &self.0[end + 1..];
            } else if self.eat(".") {
                self.step(&mut steps)?;
            } else {
                return Some(steps);
            }
        }
    }

    fn step(&mut self, steps: &mut Vec<Step>) -> Option<()> {
        let name = self.name()?;
        if !self.eat("(") {
            steps.push(Step::Child(name));
            return Some(());
        }
        match name.as_str() {
            "as" | "ofType" => steps.push(Step::As(self.name()?)),
            "extension" => {
                let url = self.quoted()?;
                steps.push(Step::Child("extension".into()));
                steps.push(Step::MemberIs { name: "url".into(), value: url });
            }
            "where" => steps.push(self.condition()?),
            _ => return None,
        }
        self.eat(")").then_some(())
    }

    fn condition(&mut self) -> Option<Step> {
        if self.eat("resolve() is ") {
            return Some(Step::Resolves(self.name()?));
        }
        if self.eat("hasExtension(") {
            let url = self.quoted()?;
            return self.eat(")").then_some(Step::HasExtension(url));
        }
        let name = self.name()?;
        self.eat("=").then_some(())?;
        Some(Step::MemberIs { name, value: self.quoted()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(name: &str) -> Step {
        Step::Child(name.into())
    }

    fn root(name: &str) -> Step {
        Step::Root(name.into())
    }

    #[test]
    fn every_form_is_read() {
        let is =
            |name: &str, value: &str| Step::MemberIs { name: name.into(), value: value.into() };
        for (text, want) in [
            ("Patient.name", vec![vec![root("Patient"), child("name")]]),
            (
                "Observation | Observation.component",
                vec![vec![root("Observation")], vec![root("Observation"), child("component")]],
            ),
            (
                "(Goal.start as date)",
                vec![vec![root("Goal"), child("start"), Step::As("date".into())]],
            ),
            (
                "(A.value as string).text | A.b as c",
                vec![
                    vec![root("A"), child("value"), Step::As("string".into()), child("text")],
                    vec![root("A"), child("b"), Step::As("c".into())],
                ],
            ),
            ("value.as(Quantity)", vec![vec![child("value"), Step::As("Quantity".into())]]),
            (
                "A.t.where(resolve() is Patient)",
                vec![vec![root("A"), child("t"), Step::Resolves("Patient".into())]],
            ),
            ("A.t.where(system='email')", vec![vec![root("A"), child("t"), is("system", "email")]]),
            (
                "A.extension('http://x')",
                vec![vec![root("A"), child("extension"), is("url", "http://x")]],
            ),
            (
                "B.entry[0].resource",
                vec![vec![root("B"), child("entry"), Step::Nth(0), child("resource")]],
            ),
            ("%resource.a.b", vec![vec![root("Resource"), child("a"), child("b")]]),
            (
                "P.d.exists() and P.d != false",
                vec![vec![root("P"), child("d"), Step::ExistsAndNotFalse]],
            ),
        ] {
            assert_eq!(parse(text), Some(want), "{text}");
        }
    }

    #[test]
    fn other_forms_are_left_to_the_general_evaluator() {
        for text in ["", "A.b.first()", "A.b + 1", "A.where(b = 1)", "A |", "(A", "A.b.exists()"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
