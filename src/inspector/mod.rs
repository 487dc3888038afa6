//! The inspector: the traffic, live and past, for a person with a browser. This room makes the content of the pages,
//! free of HTTP: the list (`list`), cards that were probably meant (`near`), a request or exchange (`detail`,
//! `exchange_detail`, `found`) and its stretches of time (`timings`), new rows (`stream`), two compared (`compare`),
//! figures (`overview`), decisions (`decide`, about many at once `decide_all`), exports (`export`), and the pages
//! themselves (`assets`), which are plain files with nothing to build.
//!
//! Rule: a text from the wire is text to a page, never markup, and secrets are masked as in the records.

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
