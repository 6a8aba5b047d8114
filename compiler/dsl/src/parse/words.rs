//! The grammar's names in words.

use super::Rule;

/// `a term, `,` or `)``.
pub(super) fn expected(rules: &[Rule]) -> String {
    let mut words: Vec<&str> = Vec::new();
    let has = |kind: Rule| rules.contains(&kind);
    let implied = |kind: Rule| match kind {
        Rule::EOI => has(Rule::boundary),
        Rule::index | Rule::field | Rule::open_bracket | Rule::bound | Rule::of_type | Rule::call => {
            has(Rule::operator)
        }
        _ => false,
    };
    // What ends an item comes last: what stands closer is the likelier.
    let last = |kind: &Rule| matches!(kind, Rule::boundary | Rule::EOI);
    let mut rules: Vec<Rule> = rules.iter().copied().filter(|&kind| !implied(kind)).collect();
    rules.sort_by_key(last);
    for word in rules.into_iter().map(word) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    match words.as_slice() {
        [] => "something else".to_string(),
        [one] => (*one).to_string(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The token at a position in quotes, and where it ends.
pub(super) fn found(text: &str, position: usize) -> (String, usize) {
    let rest = text.get(position..).unwrap_or("");
    let Some(first) = rest.chars().next() else { return ("the end of the file".to_string(), position) };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = if word(first) {
        rest.find(|c| !word(c)).unwrap_or(rest.len())
    } else if first == '"' {
        rest[1..].find(['"', '\n']).map_or(rest.len(), |i| i + 2).min(rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("=>") || rest.starts_with("///") {
        rest.chars().take_while(|c| "=>/".contains(*c)).count()
    } else {
        first.len_utf8()
    };
    let token = &rest[..length];
    (if first == '\n' { "the end of the line".to_string() } else { format!("`{token}`") }, position + length)
}

fn word(kind: Rule) -> &'static str {
    match kind {
        Rule::boundary => "the next item",
        Rule::docs => "an item (`rule`, `test`, `class`, `fn`, `import` …)",
        Rule::doc_line => "a doc line (`///`)",
        Rule::module_doc => "a module doc line (`//!`)",
        Rule::contract => "a contract",
        Rule::contract_name => "`exact`, `real`, `lsb` or `lossy`",
        Rule::contract_value => "`ulp = N`, a number of steps or a reason",
        Rule::ident | Rule::domain | Rule::renamed => "a name",
        Rule::kebab | Rule::rule_name => "a name (letters, digits, `-`)",
        Rule::term | Rule::prefix | Rule::postfix | Rule::primary | Rule::side => "a term",
        Rule::argument | Rule::optional | Rule::spread | Rule::mapped => "an argument",
        Rule::attributes => "attributes in braces",
        Rule::attribute | Rule::named => "an attribute (`name: value`)",
        Rule::ignore_rest | Rule::bind_rest => "`..name` or `.._`",
        Rule::operator => "an operator",
        Rule::index => "`[`",
        Rule::field => "`.name`",
        Rule::integer => "an integer",
        Rule::float | Rule::signed => "a number",
        Rule::string => "a text in quotes",
        Rule::list | Rule::values => "a list",
        Rule::dtype => "an element type (`f32`, `i8` …)",
        Rule::dims => "a shape (`[1,3,8,8]`)",
        Rule::class_ref | Rule::members => "a class",
        Rule::declared => "attributes in braces",
        Rule::declaration => "an attribute (`name: float = 1.0`)",
        Rule::attribute_type => "`int`, `float`, `ints`, `floats`, `string` or `type`",
        Rule::origin | Rule::domain_name => "a name",
        Rule::parameters => "parameters in parentheses",
        Rule::input => "an input (`x: f32[2,3]`)",
        Rule::statement => "a statement (`y = Op(…)`)",
        Rule::returns => "`return`",
        Rule::graph => "`graph(…) { … }`",
        Rule::expect => "`expect`",
        Rule::fired | Rule::blocked | Rule::count | Rule::kernels | Rule::cheaper | Rule::snapshot => {
            "an expectation (`fired`, `blocked`, `count`, `kernel count`, `cost`, `snapshot`)"
        }
        Rule::cost_bound => "a cost (`original`, `0.5 * original`, `1200`)",
        Rule::compare => "a comparison",
        Rule::arrow => "`=>` or `<=>`",
        Rule::where_clause => "`where`",
        Rule::if_clause => "`if`",
        Rule::binding => "`name = term`",
        Rule::limits => "`limit`",
        Rule::limit => "`nodes: N`, `iterations: N` or `matches: N`",
        Rule::steps | Rule::repeat | Rule::kw_repeat | Rule::saturate | Rule::strategy => {
            "a step (`saturate(…)`, `run(…)`, `repeat N {…}`)"
        }
        Rule::comma => "`,`",
        Rule::colon => "`:`",
        Rule::double_colon => "`::`",
        Rule::star => "`*`",
        Rule::equals => "`=`",
        Rule::open_paren => "`(`",
        Rule::close_paren => "`)`",
        Rule::open_brace => "`{`",
        Rule::close_brace => "`}`",
        Rule::open_bracket => "`[`",
        Rule::close_bracket => "`]`",
        Rule::wild => "`_`",
        Rule::kw_as => "`as`",
        Rule::kw_in => "`in`",
        Rule::kw_where => "`where`",
        Rule::kw_if => "`if`",
        Rule::kw_else => "`else`",
        Rule::kw_not => "`not`",
        Rule::kw_map => "`map`",
        Rule::kw_graph => "`graph`",
        Rule::kw_return => "`return`",
        Rule::kw_expect => "`expect`",
        Rule::kw_count => "`count`",
        Rule::kw_limit => "`limit`",
        Rule::EOI => "the end of the file",
        _ => "an item (`rule`, `test`, `class`, `fn`, `import` …)",
    }
}
