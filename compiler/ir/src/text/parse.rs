//! Text to graph.

use super::lex::{Token, Word, lex};
use super::literal;
use crate::{Core, Dim, FusedNode, Graph, InputNode, NodeId, OpNode, ValueId};
use qcc_diag::{Diagnostic, FileId, Span};
use qcc_ops::{AttrKind, AttrValue, Attrs, Op};
use qcc_tensor::{DType, Tensor, TensorType};
use rustc_hash::FxHashMap;

/// Elements that one constant of a text may have; `zeros` and `rand` name sizes without holding the data.
const MAX_ELEMENTS: usize = 1 << 26;
/// Nested graphs stand this deep at most; real ones two or three.
const DEPTH: usize = 32;

/// Reads the text form of a graph; spans of the diagnostic point into file 0 of the caller's source map.
///
/// # Errors
/// The first place that is not understood.
pub fn parse(text: &str) -> Result<Graph, Diagnostic> {
    parse_in(text, FileId(0))
}

/// [`parse`] for a text that is another file of the caller's source map.
///
/// # Errors
/// As [`parse`].
pub fn parse_in(text: &str, file: FileId) -> Result<Graph, Diagnostic> {
    let tokens = lex(text, file)?;
    let mut p = Parser { text, tokens: &tokens, at: 0 };
    p.expect("graph")?;
    let graph = p.block(DEPTH)?;
    p.skip_names();
    match p.peek().word {
        Word::End => Ok(graph),
        _ => Err(p.error("expected the end of the text")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: &'t [Token],
    at: usize,
}

type Parsed<T> = Result<T, Diagnostic>;
type Names<'t> = FxHashMap<&'t str, ValueId>;

fn error_at(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("qir-syntax", message).label(span, "here")
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &'t Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn slice(&self, token: &Token) -> &'t str {
        &self.text[token.span.start as usize..token.span.end as usize]
    }

    fn next(&mut self) -> &'t Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn error(&self, message: impl Into<String>) -> Diagnostic {
        error_at(self.peek().span, message)
    }

    fn is(&self, what: &str) -> bool {
        matches!(self.peek().word, Word::Ident | Word::Punct) && self.slice(self.peek()) == what
    }

    fn accept(&mut self, what: &str) -> bool {
        let found = self.is(what);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, what: &str) -> Parsed<()> {
        self.skip_names_before(what);
        if self.accept(what) { Ok(()) } else { Err(self.error(format!("expected `{what}`"))) }
    }

    /// Comments may stand behind everything; only behind a node they are its name.
    fn skip_names(&mut self) {
        while matches!(self.peek().word, Word::Name(_)) {
            self.at += 1;
        }
    }

    fn skip_names_before(&mut self, what: &str) {
        if !self.is(what) {
            self.skip_names();
        }
    }

    fn word(&mut self, word: Word, what: &str) -> Parsed<&'t str> {
        if self.peek().word == word {
            let token = self.next();
            return Ok(self.slice(token));
        }
        Err(self.error(format!("expected {what}")))
    }

    fn text_literal(&mut self) -> Parsed<String> {
        match &self.peek().word {
            Word::Text(text) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => Err(self.error("expected a text in double quotes")),
        }
    }

    /// `"name" { statements }`; the name may be left out.
    fn block(&mut self, depth: usize) -> Parsed<Graph> {
        if depth == 0 {
            return Err(self.error(format!("graphs are nested deeper than {DEPTH}")));
        }
        let name = if matches!(self.peek().word, Word::Text(_)) { self.text_literal()? } else { String::new() };
        let mut graph = Graph::new(name);
        let mut names = Names::default();
        self.expect("{")?;
        loop {
            self.skip_names();
            if self.accept("}") {
                return Ok(graph);
            } else if self.accept("meta") {
                let key = self.text_literal()?;
                self.expect("=")?;
                let value = self.text_literal()?;
                graph.metadata.push((key, value));
            } else if self.accept("output") {
                let name = self.text_literal()?;
                self.expect("=")?;
                let value = self.value(&names)?;
                graph.add_output(name, value);
            } else {
                self.definition(&mut graph, &mut names, depth)?;
            }
        }
    }

    fn definition(&mut self, graph: &mut Graph, names: &mut Names<'t>, depth: usize) -> Parsed<()> {
        let mut targets = Vec::new();
        loop {
            let span = self.peek().span;
            let name = self.word(Word::Value, "a value such as `%x`, `output`, `meta` or `}`")?;
            if names.contains_key(name) || targets.iter().any(|(n, _)| *n == name) {
                return Err(error_at(span, format!("`{name}` is defined twice")));
            }
            targets.push((name, span));
            if !self.accept(",") {
                break;
            }
        }
        self.expect("=")?;
        let what = self.peek().clone();
        let head = self.word(Word::Ident, "an op, `input`, `const`, `zeros`, `rand` or `fused`")?;
        let single = |id: ValueId| (id.node, 1);
        let (node, outputs) = match head {
            "input" => single(graph.add_input(self.input(targets[0].0)?)),
            "const" | "zeros" | "rand" => {
                let tensor = self.constant(head)?;
                single(graph.add_const(tensor))
            }
            "fused" => single(self.fused(graph, names, depth)?),
            _ => (self.op(head, what.span, targets.len(), graph, names, depth)?, targets.len()),
        };
        if outputs != targets.len() {
            return Err(error_at(targets[1].1, format!("`{head}` defines one value")));
        }
        for (i, (name, _)) in targets.into_iter().enumerate() {
            names.insert(name, node.output(i as u32));
        }
        Ok(())
    }

    fn value(&mut self, names: &Names<'t>) -> Parsed<ValueId> {
        let span = self.peek().span;
        let name = self.word(Word::Value, "a value such as `%x`")?;
        names.get(name).copied().ok_or_else(|| {
            error_at(span, format!("`{name}` is not defined before it is read"))
                .help("a graph is written in the order of its computation; nested graphs read only their own values")
        })
    }

    /// `["name"] : f32[N,1,28,28]`
    fn input(&mut self, target: &str) -> Parsed<InputNode> {
        let named = matches!(self.peek().word, Word::Text(_));
        let name = if named { self.text_literal()? } else { target[1..].to_string() };
        self.expect(":")?;
        let (dtype, dims) = self.any_type()?;
        Ok(InputNode { name, dtype, dims })
    }

    fn dtype(&mut self) -> Parsed<DType> {
        let span = self.peek().span;
        let name = self.word(Word::Ident, "an element type such as `f32`")?;
        DType::from_name(name).ok_or_else(|| error_at(span, format!("`{name}` is no element type")))
    }

    fn any_type(&mut self) -> Parsed<(DType, Option<Vec<Dim>>)> {
        let dtype = self.dtype()?;
        self.expect("[")?;
        if self.accept("...") {
            self.expect("]")?;
            return Ok((dtype, None));
        }
        let dims = self.list("]", |p| {
            let token = p.next();
            Ok(match &token.word {
                Word::Number => {
                    Dim::Known(p.slice(token).parse().map_err(|_| error_at(token.span, "this is no size of an axis"))?)
                }
                Word::Ident => Dim::Symbol(p.slice(token).to_string()),
                Word::Text(text) => Dim::Symbol(text.clone()),
                Word::Punct if p.slice(token) == "?" => Dim::Symbol("?".to_string()),
                _ => return Err(error_at(token.span, "expected the size of an axis")),
            })
        })?;
        Ok((dtype, Some(dims)))
    }

    fn concrete_type(&mut self) -> Parsed<TensorType> {
        let start = self.peek().span;
        let (dtype, dims) = self.any_type()?;
        let known = |d: &Dim| match d {
            Dim::Known(n) => Some(*n),
            Dim::Symbol(_) => None,
        };
        let shape: Option<Vec<usize>> = dims.and_then(|dims| dims.iter().map(known).collect());
        let shape = shape.ok_or_else(|| error_at(start, "a constant has a known shape"))?;
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|n| n > MAX_ELEMENTS) {
            return Err(error_at(start, format!("a constant of a text has at most {MAX_ELEMENTS} elements")));
        }
        Ok(TensorType::new(dtype, shape))
    }

    /// Items separated by commas up to `close`.
    fn list<T>(&mut self, close: &str, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        self.skip_names();
        while !self.accept(close) {
            if !items.is_empty() {
                self.expect(",")?;
                self.skip_names();
            }
            items.push(item(self)?);
            self.skip_names_before(close);
        }
        Ok(items)
    }

    fn constant(&mut self, head: &str) -> Parsed<Tensor> {
        let ty = self.concrete_type()?;
        match head {
            "zeros" => return Ok(Tensor::zeros(ty)),
            "rand" => {
                self.expect("seed")?;
                self.expect("=")?;
                let span = self.peek().span;
                let seed = self.word(Word::Number, "a number")?;
                let seed = seed.parse().map_err(|_| error_at(span, "a seed is a number from 0"))?;
                return Ok(literal::random(&ty, seed));
            }
            _ => {}
        }
        let span = self.peek().span;
        if self.peek().word == Word::Hash {
            let message = "this constant is only a hash of its content, so the graph cannot be built from this text";
            let help = "write `rand f32[..] seed=1` or `zeros f32[..]` instead, or all elements in brackets";
            return Err(error_at(span, message).help(help));
        }
        let element = |p: &mut Self| match p.peek().word {
            Word::Number | Word::Ident => {
                let token = p.next();
                Ok(p.slice(token))
            }
            _ => Err(p.error("expected an element")),
        };
        let items = if self.accept("[") { self.list("]", element)? } else { vec![element(self)?] };
        literal::parse(&ty, &items).map_err(|m| error_at(span, m))
    }

    fn arguments(&mut self, names: &Names<'t>) -> Parsed<Vec<Option<ValueId>>> {
        self.expect("(")?;
        self.list(")", |p| if p.accept("_") { Ok(None) } else { p.value(names).map(Some) })
    }

    fn op(
        &mut self,
        head: &str,
        span: Span,
        outputs: usize,
        graph: &mut Graph,
        names: &Names<'t>,
        depth: usize,
    ) -> Parsed<NodeId> {
        let op = find_op(head, span)?;
        let inputs = self.arguments(names)?;
        let attrs = self.attributes(op)?;
        self.types()?;
        let name = self.node_name();
        let mut regions = Vec::new();
        while self.accept("region") {
            regions.push(self.block(depth - 1)?);
            self.skip_names();
        }
        Ok(graph.add_op(OpNode { name, op, attrs, inputs, outputs, regions }))
    }

    fn fused(&mut self, graph: &mut Graph, names: &Names<'t>, depth: usize) -> Parsed<ValueId> {
        let mut inputs = Vec::new();
        let mut core = None;
        if !self.is("with") {
            let span = self.peek().span;
            let head = self.word(Word::Ident, "an op or `with`")?;
            let op = find_op(head, span)?;
            inputs = self.arguments(names)?;
            core = Some(Core { op, attrs: self.attributes(op)?, inputs: inputs.len() });
        }
        self.expect("with")?;
        inputs.extend(self.arguments(names)?);
        self.types()?;
        let name = self.node_name();
        self.expect("region")?;
        let body = self.block(depth - 1)?;
        Ok(graph.add_fused(FusedNode { name, core, inputs, body }))
    }

    fn types(&mut self) -> Parsed<()> {
        if self.accept(":") {
            self.any_type()?;
            while self.accept(",") {
                self.any_type()?;
            }
        }
        Ok(())
    }

    fn node_name(&mut self) -> String {
        match &self.peek().word {
            Word::Name(name) => {
                self.at += 1;
                name.clone()
            }
            _ => String::new(),
        }
    }

    fn attributes(&mut self, op: Op) -> Parsed<Attrs> {
        let mut attrs = Attrs::new();
        if self.accept("{") {
            self.list("}", |p| {
                let span = p.peek().span;
                let name = p.word(Word::Ident, "the name of an attribute")?;
                p.expect(":")?;
                let kind = op.attrs.iter().find(|d| d.name == name).map(|d| d.kind);
                let kind = kind.ok_or_else(|| error_at(span, format!("{op} has no attribute `{name}`")))?;
                attrs.set(name, p.attribute(kind)?);
                Ok(())
            })?;
        }
        Ok(attrs)
    }

    fn attribute(&mut self, kind: AttrKind) -> Parsed<AttrValue> {
        Ok(match kind {
            AttrKind::Int => AttrValue::Int(self.number()?),
            AttrKind::Float => AttrValue::Float(self.number()?),
            AttrKind::Str => AttrValue::Str(self.text_literal()?),
            AttrKind::Type => AttrValue::Type(self.dtype()?),
            AttrKind::Ints => {
                self.expect("[")?;
                AttrValue::Ints(self.list("]", Self::number)?)
            }
            AttrKind::Floats => {
                self.expect("[")?;
                AttrValue::Floats(self.list("]", Self::number)?)
            }
            AttrKind::Strs => {
                self.expect("[")?;
                AttrValue::Strs(self.list("]", Self::text_literal)?)
            }
        })
    }

    fn number<T: std::str::FromStr>(&mut self) -> Parsed<T> {
        let token = self.next();
        let number = matches!(token.word, Word::Number | Word::Ident).then(|| self.slice(token).parse().ok());
        number.flatten().ok_or_else(|| error_at(token.span, "expected a number of the attribute's kind"))
    }
}

fn find_op(name: &str, span: Span) -> Parsed<Op> {
    qcc_ops::find(name).ok_or_else(|| {
        Diagnostic::error("unknown-op", format!("there is no op `{name}`")).label(span, "not in the list of ops")
    })
}
