//! Rules as text. What is printed parses back to the same rule in a module that imports `onnx::*` and `qcc::*`:
//! functions stay expanded, classes are lists of their operators.

mod meta;

use crate::{
    ArgExpr, ArgPattern, AttrExpr, AttrMatch, AttrPattern, AttrRest, Contract, Expr, OpExpr, OpMatch, OpPattern, OpRef,
    Pattern, Rule, VarId,
};
use meta::{constant, quoted};
use qcc_ops::Op;

/// Pretty text of a rule that parses back to the same rule.
pub fn print(rule: &Rule) -> String {
    let printer = Printer { rule };
    let mut text = String::new();
    for line in rule.doc.lines() {
        text += format!("/// {line}").trim_end();
        text.push('\n');
    }
    text += &match &rule.contract {
        Contract::Exact => "@exact".to_string(),
        Contract::Real { ulp: None } => "@real".to_string(),
        Contract::Real { ulp: Some(n) } => format!("@real(ulp = {n})"),
        Contract::Lsb(n) => format!("@lsb({n})"),
        Contract::Lossy(reason) => format!("@lossy({})", quoted(reason)),
    };
    text += &format!("\nrule {} in {}:\n  ", rule.name, rule.ruleset);
    text += &list(&rule.roots, |root| printer.root(root));
    text += "\n  => ";
    text += &list(&rule.results, |result| printer.expr(result, LOOSE));
    for item in &rule.lets {
        text += &format!("\n  where {} = {}", printer.name(item.var), printer.expr(&item.value, LOOSE));
    }
    for guard in &rule.guards {
        text += &format!("\n  if {} else {}", printer.meta(&guard.condition, LOOSE), quoted(&guard.reason));
    }
    text.push('\n');
    text
}

/// How tightly the surroundings bind; anything at least as tight needs no parentheses.
type Level = u8;

const LOOSE: Level = 0;
const SUM: Level = 5;
const PRODUCT: Level = 6;
const TIGHT: Level = 9;

struct Printer<'r> {
    rule: &'r Rule,
}

fn list<T>(items: &[T], item: impl Fn(&T) -> String) -> String {
    items.iter().map(item).collect::<Vec<_>>().join(", ")
}

fn parenthesised(text: String, level: Level, least: Level) -> String {
    if level < least { format!("({text})") } else { text }
}

/// The sign and level of an operator that is written between its operands.
fn infix(op: Op) -> Option<(&'static str, Level)> {
    Some(match (op.domain, op.name) {
        ("", "Add") => ("+", SUM),
        ("", "Sub") => ("-", SUM),
        ("", "Mul") => ("*", PRODUCT),
        ("", "Div") => ("/", PRODUCT),
        _ => return None,
    })
}

impl Printer<'_> {
    fn name(&self, id: VarId) -> &str {
        self.rule.vars.get(id.0 as usize).map_or("?", |v| &v.name)
    }

    fn root(&self, pattern: &Pattern) -> String {
        match pattern {
            Pattern::Bind(id, inner) if self.rule.roots.len() > 1 => {
                format!("{} = {}", self.name(*id), self.pattern(inner, LOOSE))
            }
            other => self.pattern(other, LOOSE),
        }
    }

    fn pattern(&self, pattern: &Pattern, least: Level) -> String {
        match pattern {
            Pattern::Var(id) => self.name(*id).to_string(),
            Pattern::Wild => "_".to_string(),
            Pattern::Bind(id, inner) => {
                let inner = match **inner {
                    Pattern::Op(_) => self.pattern(inner, TIGHT),
                    _ => format!("({})", self.pattern(inner, LOOSE)),
                };
                format!("{} @ {inner}", self.name(*id))
            }
            Pattern::Number(x) => constant(*x),
            Pattern::Acc => "acc".to_string(),
            Pattern::Op(call) => self.op_pattern(call, least),
        }
    }

    fn op_pattern(&self, call: &OpPattern, least: Level) -> String {
        if let (OpMatch::One(op), [ArgPattern::One(a), ArgPattern::One(b)]) = (&call.op, call.args.as_slice())
            && let Some((sign, level)) = infix(*op)
        {
            let text = format!("{} {sign} {}", self.pattern(a, level), self.pattern(b, level + 1));
            return parenthesised(text, level, least);
        }
        let (head, op) = match &call.op {
            OpMatch::One(op) => (op.name.to_string(), Some(*op)),
            OpMatch::Class(id, ops) => {
                let class = if crate::scope::is_any(ops) {
                    "any".to_string()
                } else {
                    format!("{{{}}}", list(ops, |op| op.name.to_string()))
                };
                (format!("{}:{class}", self.name(*id)), ops.first().copied())
            }
        };
        let args = list(&call.args, |arg| match arg {
            ArgPattern::One(pattern) => self.pattern(pattern, LOOSE),
            ArgPattern::Optional(id) => format!("{}?", self.name(*id)),
            ArgPattern::OptionalWild => "_?".to_string(),
            ArgPattern::Variadic(id) => format!("{}...", self.name(*id)),
        });
        format!("{head}({args}){}{}", self.attr_pattern(&call.attrs), output(op, call.output))
    }

    fn attr_pattern(&self, attrs: &AttrPattern) -> String {
        let mut items: Vec<String> = attrs
            .named
            .iter()
            .map(|(name, value)| match value {
                AttrMatch::Var(id) => format!("{name}: {}", self.name(*id)),
                AttrMatch::Value(value) => format!("{name}: {value}"),
                AttrMatch::Ignore => format!("{name}: _"),
            })
            .collect();
        match attrs.rest {
            AttrRest::None => {}
            AttrRest::Bind(id) => items.push(format!("..{}", self.name(id))),
            AttrRest::Ignore => items.push(".._".to_string()),
        }
        block(&items)
    }

    fn expr(&self, expr: &Expr, least: Level) -> String {
        match expr {
            Expr::Var(id) => self.name(*id).to_string(),
            Expr::Number(meta) => self.meta(meta, TIGHT),
            Expr::Constant { value, dtype } => {
                let function = if matches!(value, crate::Meta::List(_)) { "tensor" } else { "scalar" };
                format!("{function}({}, {})", self.meta(value, LOOSE), self.meta(dtype, LOOSE))
            }
            Expr::Reshape(x, shape) => format!("reshape({}, {})", self.expr(x, LOOSE), self.meta(shape, LOOSE)),
            Expr::Folded(id) => format!("constant({})", self.name(*id)),
            Expr::Acc => "acc".to_string(),
            Expr::Absent => "_".to_string(),
            Expr::Op(call) => self.op_expr(call, least),
        }
    }

    fn op_expr(&self, call: &OpExpr, least: Level) -> String {
        if let (OpRef::One(op), [ArgExpr::One(a), ArgExpr::One(b)]) = (call.op, call.args.as_slice())
            && let Some((sign, level)) = infix(op)
        {
            let text = format!("{} {sign} {}", self.expr(a, level), self.expr(b, level + 1));
            return parenthesised(text, level, least);
        }
        let (head, op) = match call.op {
            OpRef::One(op) => (op.name, Some(op)),
            OpRef::Var(id) => (self.name(id), None),
        };
        let args = list(&call.args, |arg| match arg {
            ArgExpr::One(expr) => self.expr(expr, LOOSE),
            ArgExpr::Spread(id) => format!("{}...", self.name(*id)),
            ArgExpr::Each { element, over, body } => {
                format!("map({} in {}: {})...", self.name(*element), self.name(*over), self.expr(body, LOOSE))
            }
        });
        format!("{head}({args}){}{}", self.attr_expr(&call.attrs), output(op, call.output))
    }

    fn attr_expr(&self, attrs: &AttrExpr) -> String {
        let set = attrs.set.iter().map(|(name, value)| format!("{name}: {}", self.meta(value, LOOSE)));
        let base = attrs.base.iter().map(|id| format!("..{}", self.name(*id)));
        block(&set.chain(base).collect::<Vec<_>>())
    }
}

/// Attributes in braces, nothing if there are none.
fn block(items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!(" {{ {} }}", items.join(", ")) }
}

/// `.name` of an output that is not the first.
fn output(op: Option<Op>, index: u32) -> String {
    let param = op.and_then(|op| op.outputs.get(index as usize).copied());
    match param {
        _ if index == 0 => String::new(),
        Some(param) if param.arity != qcc_ops::Arity::Variadic => format!(".{}", param.name),
        _ => format!(".{index}"),
    }
}
