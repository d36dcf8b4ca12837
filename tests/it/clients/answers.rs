//! The same calls for the embedded cloud, ministack and moto, against the table of what each answers.

use std::collections::BTreeMap;

use super::{printed, script};
use crate::harness::Cloud;

/// `call | embedded | ministack | moto | fact`, a line each.
const TABLE: &str = include_str!("answers.txt");

struct Line<'a> {
    call: &'a str,
    /// The embedded cloud's, ministack's, moto's.
    answers: [&'a str; 3],
    fact: &'a str,
}

fn table() -> impl Iterator<Item = Line<'static>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let mut cells = line.split('|').map(str::trim);
        let mut next = || {
            cells
                .next()
                .unwrap_or_else(|| panic!("a cell more: {line}"))
        };
        let (call, own) = (next(), next());
        let mut other = || match next() {
            "=" => own,
            answer => answer,
        };
        let answers = [own, other(), other()];
        let fact = next();
        Line {
            call,
            answers,
            fact,
        }
    })
}

#[test]
fn where_the_clouds_differ_a_fact_decides_for_the_embedded_one() {
    let clouds = [Cloud::embedded(), Cloud::ministack(), Cloud::moto()];
    let found = clouds.map(|cloud| printed(&script("compare.py", &cloud)));
    let found = found.each_ref().map(|text| {
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        lines.collect::<BTreeMap<_, _>>()
    });
    let mut wrong = Vec::new();
    let mut calls = 0;
    for line in table() {
        let answers = found
            .each_ref()
            .map(|answers| answers.get(line.call).copied().unwrap_or("nothing"));
        if answers != line.answers {
            let wanted = line.answers;
            wrong.push(format!("{}: {answers:?}, not {wanted:?}", line.call));
        }
        let differ = answers.iter().any(|answer| *answer != answers[0]);
        if differ && line.fact.is_empty() {
            wrong.push(format!("{}: no fact explains {answers:?}", line.call));
        }
        if !differ && !line.fact.is_empty() {
            wrong.push(format!("{}: a fact, but all agree", line.call));
        }
        calls += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(calls, found[0].len(), "a call that the table doesn't have");
}
