//! A path of the bindings: local names from a message's root element downwards, `@name` for an attribute at the end, `.`
//! for the root itself, `*` for an open place (`xs:any`), and `name[2]` for the second of several elements of a name.
//! In an answer `soap:Header/` leads into the header of the envelope.

/// A step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step<'p> {
    /// The local name; `*` for an open place.
    pub(super) local: &'p str,
    /// Does the step lead to an attribute?
    pub(super) is_attribute: bool,
    /// The index among elements of the same name, counted from 1.
    pub(super) index: Option<usize>,
}

impl Step<'_> {
    /// Does the step lead to a named element?
    pub(super) fn is_element(&self) -> bool {
        !self.is_attribute && !self.is_open()
    }

    /// Does the step lead to an open place?
    pub(super) fn is_open(&self) -> bool {
        self.local == "*"
    }
}

/// The beginning of a path into the header of an answer.
const HEADER: &str = "soap:Header/";

/// The local names below an answer's header, if a path leads there.
pub fn header_steps(path: &str) -> Option<impl Iterator<Item = &str>> {
    Some(path.strip_prefix(HEADER)?.split('/'))
}

/// The steps of a path.
pub(super) fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split('/').filter(move |_| path != ".").map(|step| {
        let (is_attribute, step) = step.strip_prefix('@').map_or((false, step), |name| (true, name));
        let indexed = step.strip_suffix(']').and_then(|step| step.split_once('['));
        match indexed.and_then(|(local, index)| Some((local, index.parse().ok().filter(|index| *index > 0)?))) {
            Some((local, index)) if !is_attribute => Step { local, is_attribute, index: Some(index) },
            _ => Step { local: step, is_attribute, index: None },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_path_apart() {
        let read = |path| steps(path).map(|s| (s.local, s.is_attribute, s.index)).collect::<Vec<_>>();
        assert_eq!(read("."), []);
        assert_eq!(read("A/B[2]/@c"), [("A", false, None), ("B", false, Some(2)), ("c", true, None)]);
        assert_eq!(read("A[0]/B[x]"), [("A[0]", false, None), ("B[x]", false, None)]);
        assert!(steps("A/*").last().is_some_and(|step| step.is_open() && !step.is_element()));
    }
}
