//! Paths and URLs as they are stored: parameters and query may carry credentials.

use crate::secret::Secret;

/// A path or URL without parameters and query, for places where nothing of them may appear.
pub fn bare_path(path: &str) -> &str {
    path.split(['?', ';', '#']).next().unwrap_or_default()
}

/// A path or URL with the names of its parameters and query, and without their values, which may be anything.
pub(super) fn without_values(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    let (mut has_names, mut is_query, mut is_value) = (false, false, false);
    for c in path.chars() {
        is_query |= matches!(c, '?' | '#');
        has_names |= is_query || c == ';';
        if matches!(c, '?' | '#' | '&' | ';') || (c == '/' && !is_query) {
            is_value = false;
        }
        if is_value {
            continue;
        }
        kept.push(c);
        if c == '=' && has_names {
            is_value = true;
            kept.push_str(&Secret::mask());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_query_only_the_names_are_kept() {
        for (path, kept) in [
            ("/a/b", "/a/b"),
            ("/a=b/c", "/a=b/c"),
            ("/a;jsessionid=1F/b;x?c=d/e=f&g&h=;i", "/a;jsessionid=****/b;x?c=****&g&h=****;i"),
            ("http://h/?a=b#c=d", "http://h/?a=****#c=****"),
        ] {
            assert_eq!(without_values(path), kept);
        }
        assert_eq!((bare_path("/a;b=c?d"), bare_path("/a?b;c")), ("/a", "/a"));
    }
}
