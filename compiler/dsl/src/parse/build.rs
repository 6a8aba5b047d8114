//! Items.

use super::term::{children, dims, dtype, integer, operator, string, term};
use super::{Context, Pair, Rule};
use crate::ast::{self, Contract, ContractValue, File, Name};
use qcc_diag::Diagnostic;

/// Puts the item of a `unit` pair into the file.
pub(super) fn unit(cx: &mut Context<'_>, pair: Pair<'_>, file: &mut File) {
    let (mut doc, mut contract) = (String::new(), None);
    for part in pair.into_inner() {
        let span = cx.span(&part);
        match part.as_rule() {
            Rule::module_doc => add_line(&mut file.doc, part.as_str().trim_start_matches("//!")),
            Rule::docs => {
                for part in children(part) {
                    if part.as_rule() == Rule::contract {
                        contract = self::contract(cx, part);
                    } else {
                        add_line(&mut doc, part.as_str().trim_start_matches("///"));
                    }
                }
            }
            Rule::rule => rule(cx, part, std::mem::take(&mut doc), contract.take(), file),
            Rule::module => module(cx, part, std::mem::take(&mut doc), file),
            Rule::import => import(cx, part, file),
            Rule::class => class(cx, part, file),
            Rule::commutative => file.commutative.extend(names(cx, part)),
            Rule::function | Rule::predicate => function(cx, part, file),
            Rule::definition => definition(cx, part, std::mem::take(&mut doc), file),
            Rule::schedule => schedule(cx, part, file),
            Rule::test => test(cx, part, file),
            Rule::hint => hint(cx, part, file),
            Rule::unsupported => {
                let word = part.as_str().split_whitespace().next().unwrap_or("").to_string();
                let message = format!("`{word}` declarations are not supported yet");
                cx.diagnostics.push(Diagnostic::unsupported("not-supported-yet", message).label(span, "here"));
            }
            _ => {}
        }
    }
    if let Some(contract) = contract {
        let message = "only rules have contracts";
        cx.diagnostics.push(Diagnostic::error("misplaced-contract", message).label(contract.span, "remove it"));
    }
}

fn add_line(doc: &mut String, line: &str) {
    if !doc.is_empty() {
        doc.push('\n');
    }
    doc.push_str(line.trim());
}

fn names(cx: &Context<'_>, pair: Pair<'_>) -> Vec<Name> {
    let wanted = |p: &Pair<'_>| matches!(p.as_rule(), Rule::ident | Rule::kebab);
    children(pair).iter().filter(|p| wanted(p)).map(|p| cx.name(p)).collect()
}

fn first_name(cx: &Context<'_>, parts: &[Pair<'_>]) -> Name {
    let wanted = |p: &&Pair<'_>| matches!(p.as_rule(), Rule::ident | Rule::kebab | Rule::rule_name);
    let Some(name) = parts.iter().find(wanted) else { unreachable!("the grammar demands a name") };
    cx.name(name)
}

fn contract(cx: &mut Context<'_>, pair: Pair<'_>) -> Option<Contract> {
    let span = cx.span(&pair);
    let mut parts = children(pair).into_iter();
    let name = cx.name(&parts.next()?);
    let value = match parts.next() {
        None => None,
        Some(value) => {
            let ulp = value.as_str().starts_with("ulp");
            let inner = children(value).into_iter().next()?;
            if inner.as_rule() == Rule::string {
                Some(ContractValue::Reason(string(inner.as_str())))
            } else {
                let number = u32::try_from(integer(cx, &inner)?).unwrap_or(u32::MAX);
                Some(if ulp { ContractValue::Ulp(number) } else { ContractValue::Steps(number) })
            }
        }
    };
    Some(Contract { name, value, span })
}

fn module(cx: &mut Context<'_>, pair: Pair<'_>, doc: String, file: &mut File) {
    let name = first_name(cx, &children(pair));
    if !doc.is_empty() {
        add_line(&mut file.doc, &doc);
    }
    if let Some(earlier) = &file.module {
        let diagnostic = Diagnostic::error("duplicate-name", "a file is one module")
            .label(name.span, "a second name")
            .label(earlier.span, "the first name");
        cx.diagnostics.push(diagnostic);
        return;
    }
    file.module = Some(name);
}

fn import(cx: &mut Context<'_>, pair: Pair<'_>, file: &mut File) {
    let parts = children(pair);
    let mut domain = None;
    for part in parts {
        match part.as_rule() {
            Rule::string => {
                file.imports.push(ast::Import::File(Name { text: string(part.as_str()), span: cx.span(&part) }));
            }
            Rule::domain => domain = Some(cx.name(&part)),
            Rule::star => file.imports.extend(domain.take().map(ast::Import::All)),
            Rule::imported => {
                let pairs = children(part).into_iter().map(|p| names(cx, p));
                let list = pairs.filter_map(|n| Some((n.first()?.clone(), n.last()?.clone()))).collect();
                file.imports.extend(domain.take().map(|d| ast::Import::Some(d, list)));
            }
            _ => {}
        }
    }
}

fn class(cx: &mut Context<'_>, pair: Pair<'_>, file: &mut File) {
    let mut parts = children(pair);
    let name = first_name(cx, &parts);
    let members = parts.pop().map_or(Vec::new(), |p| names(cx, p));
    file.classes.push(ast::Class { name, members });
}

fn function(cx: &mut Context<'_>, pair: Pair<'_>, file: &mut File) {
    let parts = children(pair);
    let name = first_name(cx, &parts);
    let (mut parameters, mut body) = (Vec::new(), None);
    for part in parts {
        match part.as_rule() {
            Rule::parameters => parameters = names(cx, part),
            Rule::term => body = Some(term(cx, part)),
            _ => {}
        }
    }
    let Some(body) = body else { return };
    file.functions.push(ast::Function { name, parameters, body });
}

fn definition(cx: &mut Context<'_>, pair: Pair<'_>, doc: String, file: &mut File) {
    let span = cx.span(&pair);
    let parts = children(pair);
    let name = first_name(cx, &parts);
    let (mut domain, mut parameters, mut attributes, mut body) = (None, Vec::new(), Vec::new(), None);
    for part in parts {
        match part.as_rule() {
            Rule::origin => domain = children(part).first().map(|p| cx.name(p)),
            Rule::parameters => parameters = names(cx, part),
            Rule::declared => {
                let declarations = children(part).into_iter().filter(|p| p.as_rule() == Rule::declaration);
                attributes = declarations.filter_map(|p| declaration(cx, p)).collect();
            }
            Rule::term => body = Some(term(cx, part)),
            _ => {}
        }
    }
    let Some(body) = body else { return };
    file.defs.push(ast::Def { doc, domain, name, parameters, attributes, body, span });
}

fn declaration(cx: &mut Context<'_>, pair: Pair<'_>) -> Option<ast::DefAttr> {
    let parts = children(pair);
    let name = first_name(cx, &parts);
    let (mut kind, mut default) = (None, None);
    for part in parts {
        match part.as_rule() {
            Rule::attribute_type => kind = crate::resolve::attribute_kind(part.as_str()),
            Rule::term => default = Some(term(cx, part)),
            _ => {}
        }
    }
    Some(ast::DefAttr { name, kind: kind?, default })
}

fn side(cx: &mut Context<'_>, pair: Pair<'_>) -> Option<ast::Side> {
    let mut result = (None, None);
    for part in children(pair) {
        match part.as_rule() {
            Rule::ident => result.0 = Some(cx.name(&part)),
            _ => result.1 = Some(term(cx, part)),
        }
    }
    Some(ast::Side { name: result.0, term: result.1? })
}

fn rule(cx: &mut Context<'_>, pair: Pair<'_>, doc: String, contract: Option<Contract>, file: &mut File) {
    let span = cx.span(&pair);
    let parts = children(pair);
    let name = first_name(cx, &parts);
    let ruleset = parts.iter().find(|p| p.as_rule() == Rule::kebab).map_or(name.clone(), |p| cx.name(p));
    let (left, right, bindings, guards) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut rule = ast::Rule { name, ruleset, doc, contract, left, both_ways: false, right, bindings, guards, span };
    for part in parts {
        match part.as_rule() {
            Rule::left => rule.left = children(part).into_iter().filter_map(|p| side(cx, p)).collect(),
            Rule::right => rule.right = children(part).into_iter().filter_map(|p| side(cx, p)).collect(),
            Rule::arrow => rule.both_ways = part.as_str() == "<=>",
            Rule::where_clause => {
                for binding in children(part).into_iter().filter(|p| p.as_rule() == Rule::binding) {
                    let mut parts = children(binding).into_iter();
                    if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                        rule.bindings.push((cx.name(&name), term(cx, value)));
                    }
                }
            }
            Rule::if_clause => {
                let mut guard = ast::Guard { conditions: Vec::new(), reason: None, span: cx.span(&part) };
                for part in children(part) {
                    match part.as_rule() {
                        Rule::term => guard.conditions.push(term(cx, part)),
                        Rule::string => guard.reason = Some(string(part.as_str())),
                        _ => {}
                    }
                }
                rule.guards.push(guard);
            }
            _ => {}
        }
    }
    file.rules.push(rule);
}

fn number(cx: &mut Context<'_>, pair: &Pair<'_>) -> u64 {
    integer(cx, pair).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

fn schedule(cx: &mut Context<'_>, pair: Pair<'_>, file: &mut File) {
    let parts = children(pair);
    let name = first_name(cx, &parts);
    let Some(list) = parts.into_iter().find(|p| p.as_rule() == Rule::steps) else { return };
    let steps = steps(cx, list);
    file.schedules.push(ast::Schedule { name, steps });
}

fn steps(cx: &mut Context<'_>, pair: Pair<'_>) -> Vec<ast::Step> {
    let mut result = Vec::new();
    for part in children(pair) {
        let repeat = part.as_rule() == Rule::repeat;
        let (mut saturate, mut times, mut inner) = (false, 0, Vec::new());
        let (mut rulesets, mut limits) = (Vec::new(), Vec::new());
        for part in children(part) {
            match part.as_rule() {
                Rule::integer => times = u32::try_from(number(cx, &part)).unwrap_or(u32::MAX),
                Rule::steps => inner = steps(cx, part),
                Rule::strategy => saturate = part.as_str() == "saturate",
                Rule::kebab => rulesets.push(cx.name(&part)),
                Rule::limits => {
                    for limit in children(part).into_iter().filter(|p| p.as_rule() == Rule::limit) {
                        let parts = children(limit);
                        let name = first_name(cx, &parts);
                        let value = parts.last().map_or(0, |p| number(cx, p));
                        limits.push((name, value));
                    }
                }
                _ => {}
            }
        }
        result.push(match (repeat, saturate) {
            (true, _) => ast::Step::Repeat(times, inner),
            (false, true) => ast::Step::Saturate(rulesets, limits),
            (false, false) => ast::Step::Run(rulesets, limits),
        });
    }
    result
}

fn hint(cx: &mut Context<'_>, pair: Pair<'_>, file: &mut File) {
    let mut parts = children(pair);
    let Some(work) = parts.pop() else { return };
    let name = first_name(cx, &parts);
    file.costs.push(ast::CostHint { name, work: term(cx, work) });
}

fn test(cx: &mut Context<'_>, pair: Pair<'_>, file: &mut File) {
    let span = cx.span(&pair);
    let mut test = ast::Test {
        name: Name { text: String::new(), span },
        inputs: Vec::new(),
        statements: Vec::new(),
        outputs: Vec::new(),
        expects: Vec::new(),
        span,
    };
    for part in children(pair) {
        match part.as_rule() {
            Rule::string => test.name = Name { text: string(part.as_str()), span: cx.span(&part) },
            Rule::graph => graph(cx, part, &mut test),
            Rule::expect => {
                for part in children(part).into_iter().filter(|p| p.as_rule() != Rule::kw_expect) {
                    test.expects.push(expectation(cx, part));
                }
            }
            _ => {}
        }
    }
    file.tests.push(test);
}

fn graph(cx: &mut Context<'_>, pair: Pair<'_>, test: &mut ast::Test) {
    for part in children(pair) {
        match part.as_rule() {
            Rule::input => {
                let parts = children(part);
                let name = first_name(cx, &parts);
                let (mut ty, mut shape) = (qcc_tensor::DType::F32, Vec::new());
                for part in parts {
                    match part.as_rule() {
                        Rule::dtype => ty = dtype(part.as_str()),
                        Rule::dims => shape = dims(cx, part),
                        _ => {}
                    }
                }
                test.inputs.push((name, ty, shape));
            }
            Rule::statement => {
                let mut parts = children(part);
                let Some(value) = parts.pop() else { continue };
                let names = parts.iter().map(|p| cx.name(p)).collect();
                let value = term(cx, value);
                test.statements.push((names, value));
            }
            Rule::returns => {
                for part in children(part).into_iter().filter(|p| p.as_rule() == Rule::term) {
                    let value = term(cx, part);
                    test.outputs.push(value);
                }
            }
            _ => {}
        }
    }
}

fn expectation(cx: &mut Context<'_>, pair: Pair<'_>) -> ast::Expect {
    let span = cx.span(&pair);
    let kind = pair.as_rule();
    let (mut name, mut text, mut compare, mut value) = (None, None, None, 0);
    let mut bound = None;
    for part in children(pair) {
        match part.as_rule() {
            Rule::rule_name | Rule::ident => name = Some(cx.name(&part)),
            Rule::string => text = Some(Name { text: string(part.as_str()), span: cx.span(&part) }),
            Rule::compare => compare = Some(operator(part.as_str())),
            Rule::integer => value = number(cx, &part),
            Rule::cost_bound => bound = Some(cost_bound(part)),
            _ => {}
        }
    }
    match (kind, name, text, compare) {
        (Rule::fired, Some(name), _, compare) => ast::Expect::Fired(name, compare.map(|c| (c, value)), span),
        (Rule::blocked, Some(name), Some(text), _) => ast::Expect::Blocked(name, text, span),
        (Rule::count, Some(name), _, Some(compare)) => ast::Expect::Count(name, compare, value, span),
        (Rule::kernels, _, _, Some(compare)) => ast::Expect::Kernels(compare, value, span),
        (Rule::cheaper, _, _, Some(compare)) => {
            ast::Expect::Cost(compare, bound.unwrap_or(crate::CostBound::Original(1.0)), span)
        }
        _ => ast::Expect::Snapshot(span),
    }
}

/// `original`, `0.5 * original` or a number of nanoseconds.
fn cost_bound(pair: Pair<'_>) -> crate::CostBound {
    let (mut number, mut original) = (None, false);
    for part in children(pair) {
        match part.as_rule() {
            Rule::kw_original => original = true,
            _ => number = part.as_str().replace('_', "").parse().ok(),
        }
    }
    match (number, original) {
        (Some(number), false) => crate::CostBound::Nanoseconds(number),
        (share, _) => crate::CostBound::Original(share.unwrap_or(1.0)),
    }
}
