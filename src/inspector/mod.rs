//! The inspector: the traffic, live and past, for a person with a browser. What the pages show is made here, free of
//! HTTP: the list (`list`), cards that were probably meant (`near`), one request or exchange (`detail`, `exchange_detail`,
//! `found`) and where its time went (`timings`), what is new (`stream`), two compared (`compare`), figures (`overview`),
//! decisions (`decide`, about many at once `decide_all`), what is saved (`export`), and the pages themselves (`assets`), which
//! are plain files with nothing to build.
//!
//! Rule: what came over the wire is text to a page, never markup, and secrets are masked as in the records.

mod assets;
mod compare;
mod decide;
mod decide_all;
mod detail;
mod exchange_detail;
mod export;
mod found;
mod list;
mod near;
mod overview;
mod stream;
mod timings;

pub use assets::{PAGE, asset};
pub use compare::compare;
pub use decide::decide;
pub use decide_all::{DecisionOfAll, decide_all, decide_each, find_matches, matches};
pub use detail::detail;
pub use export::{ExportFault, ExportForm, Exporter};
pub use found::{Found, find};
pub use list::list;
pub use near::near;
pub use overview::overview;
pub use stream::{LivePage, follow};
