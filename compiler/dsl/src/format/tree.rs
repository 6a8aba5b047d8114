//! Tokens as a tree of brackets.

use super::token::Token;

/// A token, or what stands between brackets.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Token(Token),
    Group(Brackets),
}

/// A pair of brackets and what stands between them.
#[derive(Debug, Clone)]
pub(super) struct Brackets {
    pub open: Token,
    pub inner: Vec<Node>,
    pub close: Token,
}

impl Node {
    /// The first token.
    pub(super) fn first(&self) -> &Token {
        match self {
            Node::Token(token) => token,
            Node::Group(group) => &group.open,
        }
    }

    /// Whether it is this token.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self, Node::Token(token) if token.sign() == text)
    }
}

/// Groups the tokens of an item. The grammar has matched the brackets.
pub(super) fn tree(tokens: Vec<Token>) -> Vec<Node> {
    let mut levels: Vec<(Option<Token>, Vec<Node>)> = vec![(None, Vec::new())];
    for token in tokens {
        match token.sign() {
            "(" | "[" | "{" => levels.push((Some(token), Vec::new())),
            ")" | "]" | "}" => {
                let Some((Some(open), inner)) = levels.pop() else { unreachable!("the grammar pairs brackets") };
                if let Some((_, outer)) = levels.last_mut() {
                    outer.push(Node::Group(Brackets { open, inner, close: token }));
                }
            }
            _ => {
                if let Some((_, nodes)) = levels.last_mut() {
                    nodes.push(Node::Token(token));
                }
            }
        }
    }
    levels.pop().map_or(Vec::new(), |(_, nodes)| nodes)
}

/// Nodes between commas.
pub(super) fn between_commas(nodes: &[Node]) -> Vec<(&[Node], Option<&Node>)> {
    let mut result = Vec::new();
    let mut start = 0;
    for (i, node) in nodes.iter().enumerate() {
        if node.is(",") {
            result.push((&nodes[start..i], Some(node)));
            start = i + 1;
        }
    }
    if start < nodes.len() {
        result.push((&nodes[start..], None));
    }
    result
}
