//! Decides which parts of a plan are written: the rounds of a particle, and the branch of a choice.

use super::{EncodeError, Encoder, error};
use crate::contract::{Content, Group, Occurs, Particle, WhenEmpty};

/// The round of the innermost repetition; `None` outside any.
pub(super) type Round = Option<usize>;

/// The values of a parameter that count.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    /// All values, before a repetition is entered.
    All,
    /// The value of this round.
    In(Round),
}

impl<'a> Encoder<'a> {
    /// The number of times that a particle is written.
    pub(super) fn rounds(&self, particle: &Particle, round: Round) -> Result<usize, EncodeError> {
        let Occurs { min, max } = particle.occurs();
        let least = usize::try_from(min).unwrap_or(usize::MAX);
        if !self.is_given(particle, Scope::In(round)) {
            return Ok(match particle.filling().when_empty {
                WhenEmpty::Write => least.max(1),
                WhenEmpty::NeedsValue if !self.is_strict() => 0,
                WhenEmpty::IfRequired | WhenEmpty::NeedsValue => least,
            });
        }
        let counts = particle.filling().repeat_by.iter().map(|step| (step, self.fields.count(step)));
        let Some((longest, count)) = counts.clone().max_by_key(|(_, count)| *count) else { return Ok(least.max(1)) };
        if let Some((step, other)) = counts.clone().find(|(_, other)| *other > 1 && *other != count) {
            return Err(error(step, None, format!("has {other} values where {longest} has {count}")));
        }
        match max {
            Some(max) if usize::try_from(max).is_ok_and(|max| count > max) => {
                Err(error(longest, None, format!("takes at most {max} values")))
            }
            _ if count > 0 && count < least => Err(error(longest, None, format!("takes at least {least} values"))),
            _ => Ok(count.max(least).max(1)),
        }
    }

    /// The branch of a choice to be written: a branch with a value, else a branch that needs none.
    pub(super) fn branch(&self, group: &'a Group, round: Round) -> Result<Option<&'a Particle>, EncodeError> {
        let mut given = group.members.iter().filter(|member| self.is_given(member, Scope::In(round)));
        if let Some(first) = given.next() {
            let Some(second) = given.next() else { return Ok(Some(first)) };
            let (first, second) = (self.given_field(first, round), self.given_field(second, round));
            return Err(error(second, self.index(second, round), format!("cannot be given together with {first}")));
        }
        let idle = group.members.iter().filter(|member| member.filling().when_empty != WhenEmpty::NeedsValue);
        let is_empty_allowed = group.members.iter().any(|member| member.occurs().min == 0);
        match idle.max_by_key(|member| member.filling().when_empty) {
            Some(branch) => Ok(Some(branch)),
            None if is_empty_allowed || !self.is_strict() => Ok(None),
            None => {
                let fields: Vec<&str> = group.members.iter().flat_map(Particle::fields).collect();
                let message = format!("is mandatory, or one of the others: {}", fields.join(", "));
                Err(error(fields.first().copied().unwrap_or("a choice"), None, message))
            }
        }
    }

    /// Has any parameter beneath a particle a value?
    pub(super) fn is_given(&self, particle: &Particle, scope: Scope) -> bool {
        let scope = if particle.occurs().is_many() { Scope::All } else { scope };
        match particle {
            _ if !particle.filling().is_bound => false,
            Particle::Open(_) => false,
            Particle::Group(group) => self.is_group_given(group, scope),
            Particle::Element(plan) => {
                plan.attributes.iter().any(|attribute| self.has_value(attribute.source.as_ref(), scope))
                    || match &plan.content {
                        Content::Simple(_, source) => self.has_value(source.as_ref(), scope),
                        Content::Complex(group) => self.is_group_given(group, scope),
                        Content::Unread(_) => false,
                    }
            }
        }
    }

    pub(super) fn is_group_given(&self, group: &Group, scope: Scope) -> bool {
        group.members.iter().any(|member| self.is_given(member, scope))
    }

    /// The first parameter beneath a particle that has a value.
    fn given_field<'p>(&self, particle: &'p Particle, round: Round) -> &'p str {
        let has_value = |name: &&str| match round {
            Some(round) => self.at(name, round).is_some(),
            None => self.fields.all(name).next().is_some(),
        };
        particle.fields().into_iter().find(has_value).unwrap_or_default()
    }
}
