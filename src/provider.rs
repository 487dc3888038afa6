//! The providers: each is the head-end of a CA system, with its own contract, upstream, limits and breakers.
//!
//! Rule: a CA system has one provider, so that the order of its cards is in one hand. What no other provider's contract binds
//! is the first one's, which answers for requests whose provider is gone, too.

use std::collections::BTreeSet;
use std::sync::Arc;

use strum::VariantArray as _;

use crate::config::Config;
use crate::contract::{Contract, CurrentContract};
use crate::observer::ObservedTransport;
use crate::request::{Cas, Family};
use crate::words::Word as _;

/// A provider.
pub struct Provider {
    /// The configuration as the provider sees it, with its name.
    pub config: Arc<Config>,
    /// The CA systems whose requests the provider takes.
    pub systems: Vec<Cas>,
    /// The SOAP contract.
    pub contract: CurrentContract,
    /// The transport to the upstream.
    pub transport: ObservedTransport,
}

impl Provider {
    /// The name that the configuration gives it.
    pub fn name(&self) -> &str {
        &self.config.provider
    }
}

/// All providers; the first provider comes first.
#[derive(Clone)]
pub struct Providers(Arc<[Arc<Provider>]>);

impl Providers {
    /// These providers, whose contracts [`share_systems`] found to go together.
    pub fn new(parts: Vec<(Config, Arc<Contract>, ObservedTransport)>) -> Self {
        let systems = systems_of(&parts.iter().map(|(_, contract, _)| contract.as_ref()).collect::<Vec<_>>());
        let provider = |((config, contract, transport), systems)| {
            let contract = CurrentContract::new(arc_swap::ArcSwap::new(contract));
            Arc::new(Provider { config: Arc::new(config), systems, contract, transport })
        };
        Self(parts.into_iter().zip(systems).map(provider).collect())
    }

    /// The only provider.
    pub fn one(config: Config, contract: Arc<Contract>, transport: ObservedTransport) -> Self {
        Self::new(vec![(config, contract, transport)])
    }

    /// The first provider.
    pub fn first(&self) -> &Arc<Provider> {
        self.0.first().expect("every configuration has the first provider")
    }

    /// All providers.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.iter()
    }

    /// The provider of a family's requests.
    pub fn of_family(&self, family: Family) -> &Arc<Provider> {
        self.iter().find(|provider| provider.systems.contains(&family.cas())).unwrap_or(self.first())
    }

    /// The provider whose services are below the longest base path that a path begins with; and the rest of the path.
    pub fn of_path<'p>(&self, path: &'p str) -> Option<(&Arc<Provider>, &'p str)> {
        let below = |provider: &Arc<Provider>| {
            let rest = path.strip_prefix(provider.contract.load().base_path())?;
            rest.starts_with('/').then_some(rest)
        };
        let found = self.iter().filter_map(|provider| Some((provider, below(provider)?)));
        found.min_by_key(|(_, rest)| rest.len())
    }

    /// The contracts that are used now.
    pub fn contracts(&self) -> Vec<Arc<Contract>> {
        self.iter().map(|provider| provider.contract.load_full()).collect()
    }
}

/// The CA systems that each of these contracts is for, the first provider's first; of the others, what they bind.
///
/// # Errors
/// Contracts that cannot stand beside each other, by the names of their providers.
pub fn share_systems(contracts: &[(&str, &Contract)]) -> Result<Vec<Vec<Cas>>, Vec<String>> {
    let mut faults = Vec::new();
    for (index, (name, contract)) in contracts.iter().enumerate() {
        if index > 0 && bound(contract).is_empty() {
            faults.push(format!("provider.{name}: its contract binds no request type"));
        }
        for (earlier, other) in &contracts[..index] {
            let (bound, bound_before) = (bound(contract), bound(other));
            for cas in bound.intersection(&bound_before) {
                let types = |contract: &Contract| types_of(contract, *cas).join(", ");
                faults.push(format!(
                    "provider.{name}: {cas} has a provider already: {earlier} binds {}, {name} binds {}",
                    types(other),
                    types(contract),
                    cas = cas.as_str(),
                ));
            }
            if contract.base_path() == other.base_path() {
                let path = contract.base_path();
                faults
                    .push(format!("provider.{name}: the base_path '{path}' of its contract is that of {earlier}, too"));
            }
        }
    }
    let contracts: Vec<_> = contracts.iter().map(|(_, contract)| *contract).collect();
    if faults.is_empty() { Ok(systems_of(&contracts)) } else { Err(faults) }
}

fn systems_of(contracts: &[&Contract]) -> Vec<Vec<Cas>> {
    let mut systems: Vec<BTreeSet<Cas>> = contracts.iter().map(|contract| bound(contract)).collect();
    let others: BTreeSet<Cas> = systems.iter().skip(1).flatten().copied().collect();
    if let Some(first) = systems.first_mut() {
        *first = Cas::VARIANTS.iter().copied().filter(|cas| !others.contains(cas)).collect();
    }
    systems.into_iter().map(|systems| systems.into_iter().collect()).collect()
}

/// The CA systems of which a contract binds types.
fn bound(contract: &Contract) -> BTreeSet<Cas> {
    contract.operations().filter_map(|operation| operation.request_type.cas()).collect()
}

fn types_of(contract: &Contract, cas: Cas) -> Vec<&'static str> {
    let types = contract.operations().map(|operation| operation.request_type);
    types.filter(|request_type| request_type.cas() == Some(cas)).map(|request_type| request_type.as_str()).collect()
}
