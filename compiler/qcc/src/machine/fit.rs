//! What units take, from what cases took.

use qcc_cost::{Machine, Unit, Work};

/// How much a unit's distance from the table counts beside a case's distance from its measurement: cases decide, and what
/// they leave open stays in proportion to the table.
const INERTIA: f64 = 1e-2;

/// Least share of the table that a unit takes: none is free, so that less of it is always better.
const LEAST: f64 = 0.2;

/// Sweeps over all units.
const SWEEPS: usize = 2000;

/// The machine that explains measured times (ns) best: least squares of the relative errors.
pub fn fit(cases: &[(Work, f64)], table: &Machine) -> Machine {
    let met = |unit: Unit| cases.iter().any(|(work, _)| work.count(unit) > 0.0);
    let units: Vec<Unit> = Unit::ALL.iter().copied().filter(|&unit| met(unit)).collect();
    // Everything in units of the table and of the measurements.
    let share = |work: &Work, ns: f64, unit: Unit| work.count(unit) * table.ns_of(unit) / ns;
    let rows: Vec<Vec<f64>> =
        cases.iter().map(|(work, ns)| units.iter().map(|&unit| share(work, *ns, unit)).collect()).collect();
    let mut factors = vec![1.0; units.len()];
    let mut sums: Vec<f64> = rows.iter().map(|row| row.iter().sum()).collect();
    for _ in 0..SWEEPS {
        for (u, factor) in factors.iter_mut().enumerate() {
            let mut slope = INERTIA * (1.0 - *factor);
            let mut curvature = INERTIA;
            for (row, sum) in rows.iter().zip(&sums) {
                slope += row[u] * (1.0 - sum);
                curvature += row[u] * row[u];
            }
            let next = (*factor + slope / curvature).max(LEAST);
            rows.iter().zip(&mut sums).for_each(|(row, sum)| *sum += row[u] * (next - *factor));
            *factor = next;
        }
    }
    // What no case has takes as much longer or shorter than in the table as the middle of the others.
    let mut known = factors.clone();
    known.sort_by(f64::total_cmp);
    let middle = known.get(known.len() / 2).copied().unwrap_or(1.0);
    let mut machine = table.clone();
    for &unit in Unit::ALL.iter().filter(|unit| !matches!(unit, Unit::View | Unit::Hint)) {
        let factor = units.iter().position(|&u| u == unit).map_or(middle, |u| factors[u]);
        machine.set(unit, table.ns_of(unit) * factor);
    }
    machine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_a_machine_explains_give_the_machine_back() {
        let table = Machine::wide();
        let mut real = table.clone();
        real.set(Unit::Integer, 3.0 * table.ns_of(Unit::Integer));
        real.set(Unit::Launch, 0.5 * table.ns_of(Unit::Launch));
        let work = |macs: f64, launches: f64| Work::of(Unit::Integer, macs) + Work::of(Unit::Launch, launches);
        let cases = [work(1e6, 1.0), work(1e3, 1.0), work(0.0, 2.0)].map(|work| (work, real.ns(&work)));
        let found = fit(&cases, &table);
        for unit in [Unit::Integer, Unit::Launch] {
            assert!((found.ns_of(unit) / real.ns_of(unit) - 1.0).abs() < 0.05, "{unit:?}");
        }
    }

    #[test]
    fn units_without_a_case_follow_the_others() {
        let table = Machine::wide();
        let work = Work::of(Unit::Integer, 1e6);
        let found = fit(&[(work, 2.0 * table.ns(&work))], &table);
        assert!((found.ns_of(Unit::Float) / table.ns_of(Unit::Float) - 2.0).abs() < 0.05);
        assert_eq!(found.ns_of(Unit::Hint), 1.0, "a nanosecond is one everywhere");
    }
}
