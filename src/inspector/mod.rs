//! The inspector: the traffic, live and past, for a person with a browser. What the pages show is made here, free of
//! HTTP: the list (`list`), one request or exchange (`detail`), what is new (`stream`), decisions (`decide`), and the
//! pages themselves (`assets`), which are plain files with nothing to build.
//!
//! Rule: what came over the wire is text to a page, never markup, and secrets are masked as in the records.

mod assets;
mod decide;
mod detail;
mod list;
mod stream;

pub use assets::{PAGE, asset};
pub use decide::decide;
pub use detail::detail;
pub use list::list;
pub use stream::{LivePage, follow};
