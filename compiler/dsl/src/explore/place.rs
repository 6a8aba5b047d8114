//! Every name of a file with what it is the name of.

use crate::ast::{
    Argument, ClassRef, Contract, Def, Expect, File, Function, Import, Name, Rest, Rule, Step, Term, TermKind, Test,
};
use qcc_diag::Span;

/// A name and what it is the name of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub span: Span,
    pub what: What<'a>,
}

/// What a name is the name of.
#[derive(Debug, Clone, Copy)]
pub(super) enum What<'a> {
    Rule(&'a str),
    Ruleset(&'a str),
    /// A class, or an operator where a class may stand.
    Member(&'a str),
    Op(&'a str),
    Function(&'a str),
    /// An attribute of an operator.
    Attribute(&'a str, &'a str),
    File(&'a str),
    Contract(&'a Contract),
    /// A name in a term: a variable, an operator, a function.
    Name(&'a str, Item<'a>),
}

/// The item a name stands in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    Rule(&'a Rule),
    Function(&'a Function),
    Test(&'a Test),
    Def(&'a Def),
}

/// The names of a file.
pub(super) fn places(file: &File) -> Vec<Place<'_>> {
    let mut out = Places(Vec::new());
    for import in &file.imports {
        match import {
            Import::File(path) => out.add(path, What::File(&path.text)),
            Import::All(_) => {}
            Import::Some(_, list) => {
                for (original, local) in list {
                    out.add(original, What::Op(&original.text));
                    out.add(local, What::Op(&local.text));
                }
            }
        }
    }
    for class in &file.classes {
        out.add(&class.name, What::Member(&class.name.text));
        out.members(&class.members);
    }
    for function in &file.functions {
        let item = Item::Function(function);
        out.add(&function.name, What::Function(&function.name.text));
        function.parameters.iter().for_each(|name| out.add(name, What::Name(&name.text, item)));
        out.term(&function.body, item);
    }
    for def in &file.defs {
        let item = Item::Def(def);
        out.add(&def.name, What::Op(&def.name.text));
        let attributes = def.attributes.iter().map(|a| &a.name);
        def.parameters.iter().chain(attributes).for_each(|name| out.add(name, What::Name(&name.text, item)));
        out.term(&def.body, item);
    }
    file.costs.iter().for_each(|hint| out.add(&hint.name, What::Op(&hint.name.text)));
    file.commutative.iter().for_each(|name| out.add(name, What::Op(&name.text)));
    file.rules.iter().for_each(|rule| out.rule(rule));
    file.tests.iter().for_each(|test| out.test(test));
    file.schedules.iter().for_each(|schedule| out.steps(&schedule.steps));
    out.0
}

struct Places<'a>(Vec<Place<'a>>);

impl<'a> Places<'a> {
    fn add(&mut self, name: &Name, what: What<'a>) {
        self.0.push(Place { span: name.span, what });
    }

    fn members(&mut self, members: &'a [Name]) {
        members.iter().for_each(|name| self.add(name, What::Member(&name.text)));
    }

    fn rule(&mut self, rule: &'a Rule) {
        let item = Item::Rule(rule);
        self.add(&rule.name, What::Rule(&rule.name.text));
        self.add(&rule.ruleset, What::Ruleset(&rule.ruleset.text));
        if let Some(contract) = &rule.contract {
            self.0.push(Place { span: contract.span, what: What::Contract(contract) });
        }
        for side in rule.left.iter().chain(&rule.right) {
            side.name.iter().for_each(|name| self.add(name, What::Name(&name.text, item)));
            self.term(&side.term, item);
        }
        for (name, value) in &rule.bindings {
            self.add(name, What::Name(&name.text, item));
            self.term(value, item);
        }
        rule.guards.iter().flat_map(|guard| &guard.conditions).for_each(|term| self.term(term, item));
    }

    fn test(&mut self, test: &'a Test) {
        let item = Item::Test(test);
        test.inputs.iter().for_each(|(name, ..)| self.add(name, What::Name(&name.text, item)));
        for (names, value) in &test.statements {
            names.iter().for_each(|name| self.add(name, What::Name(&name.text, item)));
            self.term(value, item);
        }
        test.outputs.iter().for_each(|term| self.term(term, item));
        for expect in &test.expects {
            match expect {
                Expect::Fired(name, ..) | Expect::Blocked(name, ..) => self.add(name, What::Rule(&name.text)),
                Expect::Count(name, ..) => self.add(name, What::Op(&name.text)),
                _ => {}
            }
        }
    }

    fn steps(&mut self, steps: &'a [Step]) {
        for step in steps {
            match step {
                Step::Saturate(rulesets, _) | Step::Run(rulesets, _) => {
                    rulesets.iter().for_each(|name| self.add(name, What::Ruleset(&name.text)));
                }
                Step::Repeat(_, inner) => self.steps(inner),
            }
        }
    }

    fn term(&mut self, term: &'a Term, item: Item<'a>) {
        match &term.kind {
            TermKind::Name(name) => self.0.push(Place { span: term.span, what: What::Name(name, item) }),
            TermKind::Bind(name, inner) => {
                self.add(name, What::Name(&name.text, item));
                self.term(inner, item);
            }
            TermKind::Typed(name, _) => self.add(name, What::Name(&name.text, item)),
            TermKind::List(items) => items.iter().for_each(|inner| self.term(inner, item)),
            TermKind::Field(inner, _) | TermKind::Neg(inner) | TermKind::Not(inner) => self.term(inner, item),
            TermKind::Index(a, b) | TermKind::Binary(_, a, b) => {
                self.term(a, item);
                self.term(b, item);
            }
            TermKind::Call(call) => {
                self.add(&call.callee, What::Name(&call.callee.text, item));
                match &call.class {
                    None => {}
                    Some(ClassRef::Named(name)) => self.add(name, What::Member(&name.text)),
                    Some(ClassRef::Members(members)) => self.members(members),
                }
                for argument in &call.arguments {
                    match argument {
                        Argument::One(inner) => self.term(inner, item),
                        Argument::Optional(name) | Argument::Spread(name) => {
                            self.add(name, What::Name(&name.text, item));
                        }
                        Argument::OptionalWild(_) => {}
                        Argument::Each { element, over, body } => {
                            self.add(element, What::Name(&element.text, item));
                            self.add(over, What::Name(&over.text, item));
                            self.term(body, item);
                        }
                    }
                }
                let Some(attributes) = &call.attributes else { return };
                for (name, value) in &attributes.named {
                    self.add(name, What::Attribute(&name.text, &call.callee.text));
                    self.term(value, item);
                }
                if let Some(Rest::Bind(name)) = &attributes.rest {
                    self.add(name, What::Name(&name.text, item));
                }
            }
            _ => {}
        }
    }
}
