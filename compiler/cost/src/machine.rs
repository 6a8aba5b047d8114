//! What a unit of work takes on a machine.

use crate::work::{Unit, Work};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Nanoseconds a unit of each kind takes on one thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, f64>", into = "BTreeMap<String, f64>")]
pub struct Machine([f64; Unit::ALL.len()]);

impl Machine {
    /// A current x86 core that computes on registers of 128 bits.
    pub fn narrow() -> Machine {
        Machine(std::array::from_fn(|i| rates(Unit::ALL[i])[0]))
    }

    /// The same with registers of 256 bits.
    pub fn wide() -> Machine {
        Machine(std::array::from_fn(|i| rates(Unit::ALL[i])[1]))
    }

    /// The same with a dot product of bytes, which is exact and as fast whatever the weights.
    pub fn with_dots(mut self) -> Machine {
        const DOTS: f64 = 0.6;
        let rate = DOTS * self.ns_of(Unit::Integer);
        self.set(Unit::Integer, rate);
        self.set(Unit::Short, rate);
        self
    }

    /// What a unit takes (ns).
    pub fn ns_of(&self, unit: Unit) -> f64 {
        self.0[unit as usize]
    }

    /// Changes what a unit takes (ns).
    pub fn set(&mut self, unit: Unit, ns: f64) {
        self.0[unit as usize] = ns;
    }

    /// What work takes (ns).
    pub fn ns(&self, work: &Work) -> f64 {
        Unit::ALL.iter().map(|&unit| work.count(unit) * self.ns_of(unit)).sum()
    }
}

impl From<Machine> for BTreeMap<String, f64> {
    fn from(machine: Machine) -> Self {
        Unit::ALL.iter().map(|&unit| (unit.name().to_string(), machine.ns_of(unit))).collect()
    }
}

impl TryFrom<BTreeMap<String, f64>> for Machine {
    type Error = String;

    /// Every unit must be there, with a time that is none or more.
    fn try_from(mut rates: BTreeMap<String, f64>) -> Result<Machine, String> {
        let mut machine = Machine([0.0; Unit::ALL.len()]);
        for &unit in Unit::ALL {
            let ns = rates.remove(unit.name()).ok_or_else(|| format!("no time for `{}`", unit.name()))?;
            if !ns.is_finite() || ns < 0.0 {
                return Err(format!("`{}` takes {ns} ns", unit.name()));
            }
            machine.set(unit, ns);
        }
        match rates.into_keys().next() {
            Some(unknown) => Err(format!("there is no unit `{unknown}`")),
            None => Ok(machine),
        }
    }
}

/// What a unit takes (ns) with registers of 128 and of 256 bits. The latter follow a fit to the steps of nine networks, with
/// floats, weights of 8 and of 7 bits, on a core of a current x86 server; where the former were not measured again, they
/// changed in proportion.
fn rates(unit: Unit) -> [f64; 2] {
    match unit {
        Unit::Launch => [80.0, 80.0],
        Unit::Integer => [0.035, 0.014],
        Unit::Short => [0.0235, 0.0095],
        Unit::Tiled => [0.03, 0.012],
        Unit::Depthwise => [0.05, 0.02],
        Unit::Weight => [0.04, 0.04],
        Unit::Code => [0.022, 0.011],
        Unit::Sum => [0.045, 0.0225],
        Unit::Float => [0.0235, 0.0235],
        Unit::Unpack => [0.11, 0.035],
        Unit::Gather => [0.5, 0.02],
        Unit::DepthwiseFloat => [0.075, 0.038],
        Unit::Window => [0.03, 0.015],
        Unit::Move => [0.04, 0.04],
        Unit::Fill => [0.014, 0.014],
        Unit::Byte => [0.012, 0.012],
        Unit::Far => [0.025, 0.025],
        Unit::Cheap => [0.06, 0.03],
        Unit::Requantize => [0.12, 0.06],
        Unit::Divide => [0.1, 0.05],
        Unit::Transcendental => [2.0, 2.0],
        Unit::Lookup => [0.6, 0.24],
        Unit::Reference => [11.0, 11.0],
        Unit::View => [1.0, 1.0],
        Unit::Hint => [1.0, 1.0],
    }
}
