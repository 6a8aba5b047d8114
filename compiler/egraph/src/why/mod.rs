//! Why a rule did not fire, or fired and was not chosen.
//!
//! The questions are asked in the order in which a rule can fail: may it run at all, did it change anything, is what it made
//! part of the chosen graph, and, if it never applied, what its pattern, its guards, its schedule and its budget say.

mod guard;
mod instead;
mod partial;
mod print;
mod run;
mod words;

pub use instead::{Change, Comparison};

use crate::explain::{ExplainError, Inquiry, name};
use crate::saturate::{Options, Saturated};
use egg::Id;
use qcc_cost::CostModel;
use qcc_dsl::{Contract, RuleSet};

/// What kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The chosen graph rests on an application of the rule.
    Selected,
    /// It applied; a graph with its form costs more or the same.
    Cost,
    /// It applied; its form would compute again what others need, too.
    Sharing,
    /// It applied; no kernel can compute its form, or no output needs it.
    NoKernel,
    /// It matched; all it says was known already.
    Known,
    /// It matched; a guard says no.
    Guard,
    /// It matched; a guard wants a constant where there is a run-time value.
    NotConstant,
    /// It matched; a guard on a shape, a rank or a number of elements says no.
    Shape,
    /// It matched; a guard on an element type says no.
    ElementType,
    /// It matched; the right side has no type, or another one than the left.
    RightSide,
    /// It matched in part; an attribute has another value.
    Attribute,
    /// It matched in part; a value is not the number that the pattern wants.
    Number,
    /// It matched in part; a value is computed by another operator.
    Operator,
    /// It matched in part; an input is there that must be absent, or the other way round.
    Input,
    /// It matched in part; what must be one value is two.
    OtherValue,
    /// No step of the schedule runs it, or those that do ran before there was something to match.
    Schedule,
    /// A limit of matches, iterations or nodes kept it from applying.
    Budget,
    /// Its contract does not allow it.
    Disabled,
    /// Nothing in the model, or in what the rules made of it, begins like the rule.
    Nowhere,
}

impl Kind {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Selected => "selected",
            Kind::Cost => "cost",
            Kind::Sharing => "sharing",
            Kind::NoKernel => "no-kernel",
            Kind::Known => "known",
            Kind::Guard => "guard",
            Kind::NotConstant => "not-constant",
            Kind::Shape => "shape",
            Kind::ElementType => "element-type",
            Kind::RightSide => "right-side",
            Kind::Attribute => "attribute",
            Kind::Number => "number",
            Kind::Operator => "operator",
            Kind::Input => "input",
            Kind::OtherValue => "other-value",
            Kind::Schedule => "schedule",
            Kind::Budget => "budget",
            Kind::Disabled => "disabled",
            Kind::Nowhere => "nowhere",
        }
    }
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What kind of answer it is.
    pub kind: Kind,
    /// What happened, in one sentence.
    pub summary: String,
    /// What else is known: where, with which values, what would have to change.
    pub details: Vec<String>,
    /// The words of the guard that said no.
    pub reason: Option<String>,
    /// What a graph with the rule's form costs beside the chosen one.
    pub comparison: Option<Comparison>,
}

impl Answer {
    pub(crate) fn new(kind: Kind, summary: impl Into<String>) -> Self {
        Self { kind, summary: summary.into(), details: Vec::new(), reason: None, comparison: None }
    }

    pub(crate) fn with(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }
}

/// Answers for the rule at a position of the rule set, at a node of the model or anywhere. `options` are those of the run.
///
/// # Errors
/// A node that the model does not have; a run without history.
pub fn why(
    saturated: &mut Saturated,
    rules: &RuleSet,
    model: &CostModel,
    options: &Options,
    rule: usize,
    node: Option<&str>,
) -> Result<Answer, ExplainError> {
    let at = node.map(|name| name::find(saturated, name)).transpose()?.map(|(_, id)| saturated.egraph.find(id));
    if let Contract::Lossy(reason) = &rules.rules[rule].contract {
        let summary =
            "its contract is `@lossy`: it changes the result, and lossy rules only run within an error budget";
        return Ok(Answer::new(Kind::Disabled, summary).with(format!("what it loses, in its own words: {reason}")));
    }
    if let Some(answer) = applied(saturated, rules, model, rule, at)? {
        return Ok(answer);
    }
    let answer = run::never_applied(saturated, rules, options, rule, at);
    Ok(match node {
        Some(node) if answer.kind == Kind::Nowhere => answer.with(format!("the question was about `{node}`")),
        _ => answer,
    })
}

/// The answer for a rule that changed something.
fn applied(
    saturated: &Saturated,
    rules: &RuleSet,
    model: &CostModel,
    rule: usize,
    at: Option<Id>,
) -> Result<Option<Answer>, ExplainError> {
    let inquiry = Inquiry::new(saturated, model)?;
    let egraph = &saturated.egraph;
    let mut derivation = inquiry.derivation();
    let mut touches = |position: usize| {
        let Some(at) = at else { return true };
        let here = |id: Id| egraph.find(id) == at;
        let trail = &inquiry.history.applications[position].bindings.trail;
        trail.iter().any(|m| here(m.class) || m.node.children.iter().any(|&c| here(c)))
            || derivation.sources_of(position).into_iter().any(here)
    };
    let applications: Vec<usize> = (0..inquiry.history.applications.len())
        .filter(|&i| inquiry.history.applications[i].rule == rule && touches(i))
        .collect();
    if applications.is_empty() {
        return Ok(None);
    }
    let selected = inquiry.selected();
    let count = applications.len();
    let places = |chosen: &[usize]| {
        let roots = chosen.iter().flat_map(|&i| inquiry.history.applications[i].bindings.trail.first());
        words::names(roots.map(|m| partial::call(saturated, &m.node, m.class)))
    };
    let part: Vec<usize> = applications.iter().copied().filter(|i| selected.contains(i)).collect();
    if !part.is_empty() {
        let of = if count == 1 { "it".into() } else { format!("{} of these applications", part.len()) };
        let summary = format!("it fired {}, and the chosen graph rests on {of}", words::times(count));
        return Ok(Some(Answer::new(Kind::Selected, summary).with(format!("at {}", places(&part)))));
    }
    let mut answer = instead::not_chosen(&inquiry, &rules.rules[rule], &applications);
    answer.summary = format!("it fired {}, at {}; {}", words::times(count), places(&applications), answer.summary);
    Ok(Some(answer))
}
