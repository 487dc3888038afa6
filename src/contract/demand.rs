//! What the bindings want of a message: the steps of their paths, as a tree. Only what is wanted or mandatory has to be
//! understood when a message is compiled.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::path::steps;
use crate::xml::Name;

/// What is wanted of an element, and beneath it.
#[derive(Clone, Debug, Default)]
pub(super) struct Demand {
    children: BTreeMap<String, Rc<Demand>>,
    /// The type that stands in place of the declared one.
    pub(super) type_name: Option<Name>,
}

impl Demand {
    /// Of these paths.
    pub(super) fn of<'p>(paths: impl Iterator<Item = &'p String>) -> Self {
        let mut demand = Self::default();
        for path in paths {
            demand.at(path);
        }
        demand
    }

    /// Of the child of that local name, if a path leads to it.
    pub(super) fn child(&self, local: &str) -> Option<Rc<Self>> {
        self.children.get(local).cloned()
    }

    /// Does a path lead on to a child?
    pub(super) fn leads_on(&self) -> bool {
        !self.children.is_empty()
    }

    /// Wants the element at the path to be of this type.
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
