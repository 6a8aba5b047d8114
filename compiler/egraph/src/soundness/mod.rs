//! Soundness of rules by generated evidence.
//!
//! For each rule, graphs are built from its left side that satisfy its guards (`generate`, `solve`); the rule is applied to
//! them by the engine's own matcher, guards and construction of right sides (`examine`); both sides are evaluated by the
//! reference evaluation and compared under the rule's contract (`compare`). A failure is shrunk to a small graph.
//!
//! Everything follows from the rule's name, its pattern and guards, and the type rules of operators: the same rule sees the
//! same cases on every machine, and no rule is known by name.

mod arguments;
mod attributes;
mod body;
mod case;
mod compare;
mod content;
mod draw;
mod evaluate;
mod examine;
mod generate;
mod pins;
mod show;
mod shrink;
mod solve;
mod want;

pub use examine::Mismatch;

use draw::{Draw, mix, seed_of};
use examine::{Outcome, examine};
use pins::Pins;
use qcc_dsl::{Contract, Rule, RuleSet};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// How often a case is built again, with what its guards demanded, before it is given up.
const REPAIRS: u64 = 24;

/// So often a case is built again for one way through the alternatives of its guards; afterwards any way will do.
const STEERED: u64 = 12;

/// How often a case is begun anew because nothing could be demanded of it.
const RESTARTS: usize = 8;

/// Cases behind a failure that are looked at for smaller failures, and how many failures are made small: what a case holds is random, so
/// another one may become smaller.
const OTHER_FAILURES: usize = 60;
const SHRUNK: usize = 3;

/// How much evidence is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Cases that satisfy the guards.
    pub cases: usize,
    /// Cases that are begun at most, for each that is wanted.
    pub attempts: usize,
    /// Cases that are built at most to make a failure small.
    pub shrinking: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { cases: 200, attempts: 20, shrinking: 600 }
    }
}

/// What was found out about a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Soundness {
    /// The rule.
    pub rule: String,
    /// Cases that satisfied the guards and were compared.
    pub tried: usize,
    /// Cases that were begun.
    pub begun: usize,
    /// Why cases were given up, with how often.
    pub given_up: BTreeMap<String, usize>,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of the cases of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// All agree, and there are as many as wanted.
    Sound,
    /// All agree, but there are fewer than wanted.
    TooFew,
    /// The rule was never tried.
    NotTried,
    /// The rule changes results and says so.
    Lossy,
    /// A case on which the sides differ, made small.
    Unsound(Box<Mismatch>),
}

impl Verdict {
    /// Whether the rule passes.
    pub fn passed(&self) -> bool {
        matches!(self, Verdict::Sound | Verdict::Lossy)
    }
}

/// Tries one rule.
pub fn check(rules: &RuleSet, rule: &Rule, effort: Effort) -> Soundness {
    let bare = Rule { guards: Vec::new(), ..rule.clone() };
    let prober = Prober { rules, rule, bare };
    let mut found = Soundness {
        rule: rule.name.clone(),
        tried: 0,
        begun: 0,
        given_up: BTreeMap::new(),
        verdict: Verdict::NotTried,
    };
    let base = seed_of(&rule.name);
    let nothing = FxHashMap::default();
    while found.tried < effort.cases && found.begun < effort.cases * effort.attempts {
        let seed = mix(base ^ found.begun as u64);
        found.begun += 1;
        match prober.case(seed, &nothing).outcome {
            Outcome::Equal => found.tried += 1,
            Outcome::Differs(mismatch) if matches!(rule.contract, Contract::Lossy(_)) => {
                drop(mismatch);
                found.tried += 1;
            }
            Outcome::Differs(mismatch) => {
                found.tried += 1;
                let others = if effort.shrinking > 0 { OTHER_FAILURES } else { 0 };
                let mut failures = vec![(seed, *mismatch)];
                for begun in found.begun..found.begun + others {
                    let seed = mix(base ^ begun as u64);
                    if let Outcome::Differs(mismatch) = prober.case(seed, &nothing).outcome {
                        failures.push((seed, *mismatch));
                    }
                }
                failures.sort_by_key(|(_, mismatch)| mismatch.size);
                failures.truncate(SHRUNK);
                let budget = effort.shrinking / failures.len();
                let small = failures.into_iter().map(|(seed, m)| shrink::smallest(&prober, seed, m, budget));
                found.verdict =
                    small.min_by_key(|m| m.size).map_or(Verdict::NotTried, |m| Verdict::Unsound(Box::new(m)));
                return found;
            }
            Outcome::NoMatch => *found.given_up.entry("the pattern was not met".into()).or_default() += 1,
            Outcome::Meaningless => *found.given_up.entry("nothing to compare".into()).or_default() += 1,
            Outcome::Guard(why, _) | Outcome::Refused(why) | Outcome::Unsupported(why) => {
                *found.given_up.entry(why).or_default() += 1;
            }
        }
        // A rule that nothing satisfies is not worth the whole effort.
        if found.tried == 0 && found.begun >= 4 * effort.cases {
            break;
        }
    }
    found.verdict = match (&rule.contract, found.tried) {
        (_, 0) => Verdict::NotTried,
        (Contract::Lossy(_), _) => Verdict::Lossy,
        (_, n) if n < effort.cases => Verdict::TooFew,
        _ => Verdict::Sound,
    };
    found
}

/// A case and the decisions it was made by.
struct Probe {
    outcome: Outcome,
    made: Vec<(u64, usize)>,
}

/// Builds and examines cases of one rule.
struct Prober<'a> {
    rules: &'a RuleSet,
    rule: &'a Rule,
    /// The rule without guards, for the matcher.
    bare: Rule,
}

impl Prober<'_> {
    /// The case of a seed with some decisions given: built again and again until its guards are satisfied.
    fn case(&self, seed: u64, forced: &FxHashMap<u64, usize>) -> Probe {
        let mut pins = Pins::default();
        let mut salt = seed;
        let mut last = Outcome::NoMatch;
        let mut made = Vec::new();
        let mut restarts = 0;
        for i in 0..REPAIRS {
            let (case, draw) = generate::generate(self.rule, &pins, Draw::new(salt, forced));
            made = draw.made;
            let outcome = match &case {
                Ok(case) => {
                    let ways = (i < STEERED).then_some(seed);
                    examine(self.rule, &self.bare, &self.rules.commutative, case, &mut pins, mix(seed ^ i), ways)
                }
                Err(why) => Outcome::Refused(why.clone()),
            };
            match &outcome {
                Outcome::Guard(_, true) => {}
                Outcome::Guard(_, false)
                | Outcome::NoMatch
                | Outcome::Refused(_)
                | Outcome::Unsupported(_)
                | Outcome::Meaningless => {
                    salt = mix(salt);
                    pins.forget_values();
                    restarts += 1;
                }
                Outcome::Equal | Outcome::Differs(_) => return Probe { outcome, made },
            }
            last = outcome;
            if restarts == RESTARTS {
                break;
            }
        }
        Probe { outcome: last, made }
    }
}
