//! Puts mutations into the text of a file, each behind its switch.

use core::ops::Range;

use crate::list::{Change, Mutation};

/// A place that a mutation changes.
struct Span<'a> {
    at: Range<usize>,
    /// The number that switches it on.
    number: usize,
    mutation: &'a Mutation,
    change: &'a Change,
}

/// The file's text with these mutations of it, each with the number that switches it on. Mutations of
/// the same text exclude each other; one may lie inside another's text.
///
/// # Errors
/// Which mutation's text is not there exactly once, or which two overlap in part.
pub(crate) fn weave(
    file: &str,
    source: &str,
    mutations: &[(usize, &Mutation)],
) -> Result<String, String> {
    let mut spans = Vec::new();
    for &(number, mutation) in mutations {
        for change in mutation.changes.iter().filter(|one| mutation.file_of(one) == file) {
            spans.push(Span { at: find(source, mutation, change)?, number, mutation, change });
        }
    }
    // An outer span comes before those inside it.
    spans.sort_by_key(|span| (span.at.start, core::cmp::Reverse(span.at.end), span.number));
    render(source, 0..source.len(), &spans)
}

/// The part `range` of the source, with these spans, which lie inside it.
fn render(source: &str, range: Range<usize>, mut spans: &[Span<'_>]) -> Result<String, String> {
    let mut text = String::new();
    let mut at = range.start;
    while let Some(first) = spans.first() {
        let same = spans.iter().take_while(|span| span.at == first.at).count();
        let inside = spans[same..].iter().take_while(|span| span.at.start < first.at.end).count();
        let (group, rest) = spans.split_at(same + inside);
        let (same, inside) = group.split_at(same);
        if let Some(across) = inside.iter().find(|span| span.at.end > first.at.end) {
            let (one, other) = (&first.mutation.name, &across.mutation.name);
            return Err(format!("the texts of {one:?} and {other:?} overlap in part"));
        }
        text.push_str(&source[at..first.at.start]);
        text.push_str(&switch(same, &render(source, first.at.clone(), inside)?));
        at = first.at.end;
        spans = rest;
    }
    text.push_str(&source[at..range.end]);
    Ok(text)
}

/// One place with all mutations of it, `unchanged` if none is on.
fn switch(same: &[Span<'_>], unchanged: &str) -> String {
    let mut code = String::new();
    for span in same {
        let (number, becomes) = (span.number, &span.change.becomes);
        code.push_str(&format!("if ::mutation_switch::on({number}) {{ {becomes} }} else "));
    }
    code.push_str(&format!("{{ {unchanged} }}"));
    // Statements stand alone; an expression may be an operand.
    if unchanged.ends_with([';', '}']) { code } else { format!("({code})") }
}

fn find(source: &str, mutation: &Mutation, change: &Change) -> Result<Range<usize>, String> {
    let fail = |text: &str, count: usize| {
        let (name, file) = (&mutation.name, mutation.file_of(change));
        Err(format!("mutation {name:?}: {count} times in {file}, not once: {text:?}"))
    };
    let (start, within) = match &change.within {
        None => (0, source),
        Some(within) => match source.matches(within.as_str()).count() {
            1 => (source.find(within.as_str()).unwrap_or(0), within.as_str()),
            count => return fail(within, count),
        },
    };
    let text = change.text.as_str();
    match within.match_indices(text).map(|(at, _)| at).collect::<Vec<_>>()[..] {
        [at] => Ok(start + at..start + at + text.len()),
        ref several => fail(text, several.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::weave;
    use crate::list::{Change, Mutation};

    fn mutation(name: &str, text: &str, becomes: &str) -> Mutation {
        Mutation {
            name: name.into(),
            rule: String::new(),
            file: "f.rs".into(),
            changes: vec![Change {
                file: None,
                within: None,
                text: text.into(),
                becomes: becomes.into(),
            }],
            caught_by: Vec::new(),
        }
    }

    fn woven(source: &str, mutations: &[Mutation]) -> Result<String, String> {
        let numbered: Vec<_> =
            mutations.iter().enumerate().map(|(at, one)| (at + 1, one)).collect();
        weave("f.rs", source, &numbered)
    }

    #[test]
    fn an_expression_is_put_in_parentheses_and_a_statement_is_not() {
        let text = woven(
            "let x = a + b; f();",
            &[mutation("one", "a + b", "a"), mutation("two", "f();", "")],
        );
        let expected = "let x = (if ::mutation_switch::on(1) { a } else { a + b }); \
                        if ::mutation_switch::on(2) {  } else { f(); }";
        assert_eq!(text.as_deref(), Ok(expected));
    }

    #[test]
    fn mutations_of_the_same_text_are_alternatives() {
        let text = woven("g(a)", &[mutation("one", "a", "b"), mutation("two", "a", "c")]);
        let expected = "g((if ::mutation_switch::on(1) { b } else \
                        if ::mutation_switch::on(2) { c } else { a }))";
        assert_eq!(text.as_deref(), Ok(expected));
    }

    #[test]
    fn a_mutation_inside_anothers_text_stays_in_what_is_not_changed() {
        let text = woven("g(a); h();", &[mutation("in", "a", "b"), mutation("out", "g(a);", "")]);
        let expected = "if ::mutation_switch::on(2) {  } else \
                        { g((if ::mutation_switch::on(1) { b } else { a })); } h();";
        assert_eq!(text.as_deref(), Ok(expected));
    }

    #[test]
    fn texts_that_overlap_in_part_are_refused_by_name() {
        let text = woven("a + b + c", &[mutation("l", "a + b", "a"), mutation("r", "b + c", "b")]);
        assert_eq!(text, Err(r#"the texts of "l" and "r" overlap in part"#.into()));
    }

    #[test]
    fn a_text_that_stands_there_never_or_twice_is_refused_by_name() {
        for (source, count) in [("f()", 0), ("a + a", 2)] {
            let text = woven(source, &[mutation("one", "a", "b")]);
            let expected = format!(r#"mutation "one": {count} times in f.rs, not once: "a""#);
            assert_eq!(text, Err(expected));
        }
    }

    #[test]
    fn a_change_of_another_file_is_left_out() {
        let mut one = mutation("one", "a", "b");
        one.changes[0].file = Some("g.rs".into());
        assert_eq!(woven("f(a)", &[one]).as_deref(), Ok("f(a)"));
    }

    #[test]
    fn what_it_is_within_tells_one_of_several_places() {
        let mut one = mutation("one", "a", "b");
        one.changes[0].within = Some("g(a)".into());
        let text = woven("f(a) + g(a)", &[one]);
        assert_eq!(text.as_deref(), Ok("f(a) + g((if ::mutation_switch::on(1) { b } else { a }))"));
    }
}
