//! The bindings' demand on a message: the steps of their paths, as a tree. Only demanded and mandatory elements have to be
//! understood when a message is compiled.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::path::steps;
use crate::xml::Name;

/// The demand on an element and its descendants.
#[derive(Clone, Debug, Default)]
pub(super) struct Demand {
    children: BTreeMap<String, Rc<Demand>>,
    /// The type in place of the declared type.
    pub(super) type_name: Option<Name>,
}

impl Demand {
    /// The demand of these paths.
    pub(super) fn of<'p>(paths: impl Iterator<Item = &'p String>) -> Self {
        let mut demand = Self::default();
        for path in paths {
            demand.at(path);
        }
        demand
    }

    /// The demand on the child of that local name, if a path leads there.
    pub(super) fn child(&self, local: &str) -> Option<Rc<Self>> {
        self.children.get(local).cloned()
    }

    /// Does a path lead on to a child?
    pub(super) fn leads_on(&self) -> bool {
        !self.children.is_empty()
    }

    /// Demands a type of the element at a path.
    pub(super) fn set_type(&mut self, path: &str, name: Name) {
        self.at(path).type_name = Some(name);
    }

    fn at(&mut self, path: &str) -> &mut Self {
        let mut demand = self;
        for step in steps(path).filter(|step| step.is_element()) {
            demand = Rc::make_mut(demand.children.entry(step.local.to_owned()).or_default());
        }
        demand
    }
}
