//! The nearest of what could have been meant.

/// The candidate nearest to `word`, if one is near enough that it was probably meant.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Comparing costs the product of the lengths; what is that long isn't a typo of anything.
    if word.len() > 256 {
        return None;
    }
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let edits = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            let length = candidate.chars().count().max(lower.chars().count());
            let likeness = strsim::jaro_winkler(&lower, candidate);
            // A third of the letters may be wrong; of more, a common beginning must tell.
            (edits <= length.div_ceil(3) || likeness >= 0.87).then_some((edits, candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// `text` as a name of `[a-z][a-z0-9-]*`, if something remains of it.
pub(super) fn name(text: &str, max: usize) -> Option<String> {
    let mut name = String::new();
    for character in text.chars().take(4 * max) {
        match character.to_ascii_lowercase() {
            letter @ 'a'..='z' => name.push(letter),
            digit @ '0'..='9' if !name.is_empty() => name.push(digit),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.truncate(max);
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// `text` in a message: one line, not too long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    // escape_debug also escapes quotes, which need it no more than they do in the file.
    shown.replace("\\\"", "\"").replace("\\'", "'")
}

/// `key` as TOML writes it: bare, or in quotes.
pub(super) fn key(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !key.is_empty() && key.bytes().all(bare) {
        key.to_owned()
    } else {
        format!("\"{}\"", shown(key))
    }
}

/// `one`, `one and two`, `one, two and three`, each in backticks.
pub(super) fn listed<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// `1 character`, `2 characters`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
