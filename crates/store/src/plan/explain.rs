//! What a plan is and what became of it, for those who read plans.

use fhir_tables::ResourceType;

/// How the versions that satisfy a condition are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What a compartment holds.
    Compartment,
    /// One short list for each value: ids and references.
    Lookup,
    /// One list for each value.
    Lists,
    /// Neighbouring keys: prefixes of text, dates, numbers.
    Range,
    /// All keys of the parameter.
    Scan,
    /// Everything of the type but what the lists hold.
    Without,
    /// The values of the candidates themselves, after all look-ups.
    Verify,
    /// All of the conditions inside.
    All,
    /// Any of the conditions inside.
    Any,
    /// Everything of the type.
    Type,
    /// A chain or `_has` whose way is chosen when the numbers are known.
    Follow,
    /// From the candidates to the resources they refer to, or that refer to them.
    FromCandidates,
    /// From the resources that satisfy the inner condition, one by one.
    FromInner,
    /// Candidates and inner resources are joined by the columns of references.
    Columns,
}

impl Way {
    /// A word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Way::Compartment => "compartment",
            Way::Lookup => "lookup",
            Way::Lists => "lists",
            Way::Range => "range",
            Way::Scan => "scan",
            Way::Without => "without",
            Way::Verify => "verify",
            Way::All => "all",
            Way::Any => "any",
            Way::Type => "type",
            Way::Follow => "follow",
            Way::FromCandidates => "from-candidates",
            Way::FromInner => "from-inner",
            Way::Columns => "columns",
        }
    }
}

/// One condition of a plan, in the order in which it was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// 0 for conditions of the query itself, more inside of chains, `_has` and `_filter`.
    pub depth: usize,
    pub condition: String,
    pub way: Way,
    /// Versions on the lists of the condition, counted before the order was chosen.
    pub listed: Option<u64>,
    /// Versions that satisfy it, old ones included; of these, `unsure` must be verified.
    pub found: u64,
    pub unsure: u64,
    /// Candidates that are left after the step.
    pub candidates: u64,
    pub micros: u64,
}

/// A plan and what its execution cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    pub rt: ResourceType,
    pub query: String,
    pub steps: Vec<Step>,
    /// Visible candidates after all look-ups.
    pub candidates: u64,
    /// Candidates whose values were read to be sure, and how long that took.
    pub verified: u64,
    pub verify_micros: u64,
    /// Resources that answer the query.
    pub total: u64,
    pub micros: u64,
}

/// Takes down the steps of one query.
pub struct Trace<'a> {
    clock_us: &'a dyn Fn() -> u64,
    depth: usize,
    pub steps: Vec<Step>,
}

/// A step that is being carried out.
pub struct Open {
    step_idx: usize,
    since_us: u64,
}

impl<'a> Trace<'a> {
    /// `clock_us` counts microseconds from any start.
    pub fn new(clock_us: &'a dyn Fn() -> u64) -> Trace<'a> {
        Trace { clock_us, depth: 0, steps: Vec::new() }
    }

    pub fn now_us(&self) -> u64 {
        (self.clock_us)()
    }

    pub fn begin(&mut self, condition: String, way: Way, listed: Option<u64>) -> Open {
        let step_idx = self.steps.len();
        let (found, unsure, candidates, micros, depth) = (0, 0, 0, 0, self.depth);
        self.steps.push(Step { depth, condition, way, listed, found, unsure, candidates, micros });
        self.depth += 1;
        Open { step_idx, since_us: self.now_us() }
    }

    /// Says which way a step took that was begun without knowing.
    pub fn took(&mut self, way: Way) {
        let depth = self.depth;
        let current = self.steps.iter_mut().rev().find(|step| step.depth + 1 == depth);
        if let Some(step) = current {
            step.way = way;
        }
    }

    pub fn end(&mut self, open: &Open, found: u64, unsure: u64, candidates: u64) {
        self.depth = self.depth.saturating_sub(1);
        let micros = self.now_us().saturating_sub(open.since_us);
        if let Some(step) = self.steps.get_mut(open.step_idx) {
            (step.found, step.unsure, step.candidates) = (found, unsure, candidates);
            step.micros = micros;
        }
    }
}
