//! Which lines are wanted. Pure.

use super::line::{Content, Level};

/// What API Gateway's ids are made of; nothing in them has a meaning in a filter pattern.
const ID_MARKS: &[u8] = b"_=+/-";

/// Which lines are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Lambda's own lines and embedded metrics too.
    pub all: bool,
    /// Lines of this level and above.
    pub level: Level,
    /// Lines about this connection.
    pub connection: Option<String>,
    /// Lines about this message.
    pub request: Option<String>,
}

impl Wanted {
    /// Whether a line is.
    pub fn has(&self, content: &Content) -> bool {
        let about = |name, id: &Option<String>| {
            id.as_deref()
                .is_none_or(|id| content.field(name) == Some(id))
        };
        (self.all || !content.is_noise())
            && content.level >= self.level
            && about("connectionId", &self.connection)
            && about("requestId", &self.request)
    }

    /// The filter pattern that leaves out, on AWS's side, lines that [`Wanted::has`] would leave out here.
    pub fn pattern(&self) -> Option<String> {
        let is_plain = |id: &&String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || ID_MARKS.contains(&byte);
            !id.is_empty() && id.bytes().all(plain)
        };
        let terms: Vec<String> = [
            ("connectionId", &self.connection),
            ("requestId", &self.request),
        ]
        .into_iter()
        .filter_map(|(name, id)| {
            let id = id.as_ref().filter(is_plain)?;
            Some(format!("($.{name} = \"{id}\")"))
        })
        .collect();
        (!terms.is_empty()).then(|| format!("{{ {} }}", terms.join(" && ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Wanted = Wanted {
        all: true,
        level: Level::Debug,
        connection: None,
        request: None,
    };

    #[test]
    fn a_line_is_wanted_by_its_level_and_by_whom_it_is_about() {
        let line = Content::of(
            r#"{"level":"WARN","message":"slow","connectionId":"a=","requestId":"r="}"#,
        );
        let has = |wanted: Wanted| wanted.has(&line);
        let about = |connection: Option<&str>, request: Option<&str>| Wanted {
            connection: connection.map(str::to_owned),
            request: request.map(str::to_owned),
            ..EVERYTHING
        };
        assert!(has(EVERYTHING));
        assert!(has(about(Some("a="), Some("r="))));
        assert!(!has(about(Some("b="), None)) && !has(about(Some("a="), Some("s="))));
        let of_level = |level| Wanted {
            level,
            ..EVERYTHING
        };
        assert!(has(of_level(Level::Warn)) && !has(of_level(Level::Error)));
        assert!(!about(Some("a="), None).has(&Content::of("a=")));
    }

    #[test]
    fn ids_go_into_a_pattern_only_if_they_mean_nothing_else_there() {
        let pattern = |connection: Option<&str>, request: Option<&str>| {
            Wanted {
                connection: connection.map(str::to_owned),
                request: request.map(str::to_owned),
                ..EVERYTHING
            }
            .pattern()
        };
        assert_eq!(pattern(None, None), None);
        assert_eq!(
            pattern(Some("L0SM9cOFvHcCIhw="), None).as_deref(),
            Some("{ ($.connectionId = \"L0SM9cOFvHcCIhw=\") }")
        );
        assert_eq!(
            pattern(Some("a"), Some("b")).as_deref(),
            Some("{ ($.connectionId = \"a\") && ($.requestId = \"b\") }")
        );
        assert_eq!(pattern(Some("a*"), None), None);
        assert_eq!(pattern(Some("a\" || "), None), None);
        assert_eq!(pattern(Some(""), None), None);
    }
}
