//! Every standard rule is sound on generated graphs. `RULE=words` tries the rules whose name contains the words, `CASES=N`
//! each on another number of graphs than the usual one.

mod files;

use qcc_egraph::soundness::{Effort, Soundness, Verdict, check};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

#[test]
fn every_standard_rule_is_sound() {
    let start = Instant::now();
    let rules = files::standard();
    let only = std::env::var("RULE").ok();
    let wanted: Vec<_> = rules.rules.iter().filter(|r| only.as_ref().is_none_or(|o| r.name.contains(o))).collect();
    let cases = std::env::var("CASES").ok().map_or(Effort::default().cases, |n| n.parse().expect("a number"));
    let effort = Effort { cases, ..Effort::default() };
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Soundness, f64)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(rule) = wanted.get(next.load(Ordering::Relaxed)) {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(rule) = wanted.get(i).or(Some(rule)).filter(|_| i < wanted.len()) else { break };
                    let begin = Instant::now();
                    let one = check(&rules, rule, effort);
                    found.lock().expect("no panic").push((i, one, begin.elapsed().as_secs_f64()));
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no panic");
    found.sort_by_key(|f| f.0);
    let mut failed = Vec::new();
    for (_, one, seconds) in &found {
        println!("{:<40} {:>4} of {:>5} {seconds:.3} s {:?}", one.rule, one.tried, one.begun, name(&one.verdict));
        if one.tried < one.begun || only.is_some() {
            println!("    {:?}", one.given_up);
        }
        if let Verdict::Unsound(m) = &one.verdict {
            failed.push(format!("{}: {}\n{}{}", one.rule, m.what, m.left, m.right));
        } else if !one.verdict.passed() {
            failed.push(format!("{}: {:?} {:?}", one.rule, one.verdict, one.given_up));
        }
    }
    println!("{} rules in {:.2} s", found.len(), start.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{} of {} rules failed\n\n{}", failed.len(), found.len(), failed.join("\n\n"));
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Sound => "sound",
        Verdict::TooFew => "TOO FEW",
        Verdict::NotTried => "NOT TRIED",
        Verdict::Lossy => "lossy",
        Verdict::Unsound(_) => "UNSOUND",
    }
}
