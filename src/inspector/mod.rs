//! The inspector: live and past traffic, for a person with a browser. The data of the pages is made here, without HTTP:
//! the list (`list`), similar cards (`near`), a single request or exchange (`detail`, `exchange_detail`, `found`) and its
//! timings (`timings`), live updates (`stream`), a comparison (`compare`), figures (`overview`), decisions (`decide`, and
//! about many requests `decide_all`), exports (`export`), and the pages themselves (`assets`), which are plain files
//! without a build.
//!
//! Rule: data from the wire is text on a page, never markup, and secrets are masked as in the records.

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
