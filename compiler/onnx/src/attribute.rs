//! Attributes of the file.

use crate::external::ExternalData;
use crate::proto::{AttributeProto, GraphProto, attribute_proto::AttributeType as Kind};
use crate::tensor;
use qcc_diag::Diagnostic;
use qcc_ops::{AttrValue, Attrs};
use qcc_tensor::Tensor;

/// The attributes of one node, by what they hold.
#[derive(Default)]
pub(crate) struct Attributes<'p> {
    /// Numbers, texts and lists of them.
    pub(crate) plain: Attrs,
    /// Tensors by name.
    pub(crate) tensors: Vec<(String, Tensor)>,
    /// Nested graphs by name.
    pub(crate) graphs: Vec<(&'p str, &'p GraphProto)>,
}

/// Reads all attributes of a node; `what` names the node.
pub(crate) fn read<'p>(
    protos: &'p [AttributeProto],
    what: &str,
    external: &mut ExternalData,
) -> Result<Attributes<'p>, Diagnostic> {
    let mut out = Attributes::default();
    let mut seen: Vec<&str> = Vec::new();
    for proto in protos {
        let name = proto.name();
        if seen.contains(&name) {
            let message = format!("{what} has the attribute `{name}` twice");
            return Err(Diagnostic::error("duplicate-attribute", message));
        }
        seen.push(name);
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| {
                Diagnostic::error("bad-attribute", format!("attribute `{name}` of {what} is no UTF-8 text"))
            })
        };
        let value = match kind(proto) {
            Kind::Int => AttrValue::Int(proto.i()),
            Kind::Float => AttrValue::Float(proto.f()),
            Kind::String => AttrValue::Str(text(proto.s())?),
            Kind::Ints => AttrValue::Ints(proto.ints.clone()),
            Kind::Floats => AttrValue::Floats(proto.floats.clone()),
            Kind::Strings => {
                AttrValue::Strs(proto.strings.iter().map(|s| text(s)).collect::<Result<Vec<_>, Diagnostic>>()?)
            }
            Kind::Tensor => {
                let what = format!("attribute `{name}` of {what}");
                let proto = proto.t.as_ref().ok_or_else(|| empty(&what))?;
                out.tensors.push((name.to_string(), tensor::read(proto, &what, external)?));
                continue;
            }
            Kind::Graph => {
                let graph = proto.g.as_ref().ok_or_else(|| empty(&format!("attribute `{name}` of {what}")))?;
                out.graphs.push((name, graph));
                continue;
            }
            Kind::Undefined => return Err(empty(&format!("attribute `{name}` of {what}"))),
            other => {
                let message = format!("attribute `{name}` of {what} has the kind {}", other.as_str_name());
                return Err(Diagnostic::unsupported("unsupported-attribute", message));
            }
        };
        out.plain.set(name, value);
    }
    Ok(out)
}

fn empty(what: &str) -> Diagnostic {
    Diagnostic::error("bad-attribute", format!("{what} has no value"))
}

/// What the attribute holds; files of old writers do not say it.
fn kind(p: &AttributeProto) -> Kind {
    if p.r#type.is_some() && p.r#type() != Kind::Undefined {
        return p.r#type();
    }
    let guesses = [
        (p.f.is_some(), Kind::Float),
        (p.i.is_some(), Kind::Int),
        (p.s.is_some(), Kind::String),
        (p.t.is_some(), Kind::Tensor),
        (p.g.is_some(), Kind::Graph),
        (!p.floats.is_empty(), Kind::Floats),
        (!p.ints.is_empty(), Kind::Ints),
        (!p.strings.is_empty(), Kind::Strings),
    ];
    guesses.iter().find(|(set, _)| *set).map_or(Kind::Undefined, |(_, kind)| *kind)
}
