//! `requests diff`: compares two requests, the list's columns of each, and both messages node by node.

use serde_json::{Value, json};

use super::list::{COLUMNS, cells};
use super::show::{find_request, sent_text};
use crate::api::Dates;
use crate::cli::output::{Format, FormatFlags, table};
use crate::cli::settings::{StoreFlags, open_existing};
use crate::cli::{Failed, output};
use crate::recording::compare_texts;
use crate::request::ProvisioningRequest;

/// Columns that are different for any two requests.
const LEFT_OUT: [&str; 2] = ["number", "time"];

pub(super) async fn run(first: i64, second: i64, format: FormatFlags, store: StoreFlags) -> Result<(), Failed> {
    let config = store.load()?;
    let store = open_existing(&config).await?;
    let first = find_request(store.as_ref(), first).await?;
    let second = find_request(store.as_ref(), second).await?;
    let differences = differences(&first, &second, Dates(config.server.time_zone));
    let format = format.format();
    if differences.is_empty() && format == Format::Text {
        output::note("no difference");
        return Ok(());
    }
    table(["in", "at", "first", "second"], format, differences);
    Ok(())
}

fn differences(first: &ProvisioningRequest, second: &ProvisioningRequest, dates: Dates) -> Vec<[Value; 4]> {
    let columns = COLUMNS.into_iter().zip(cells(first, dates)).zip(cells(second, dates));
    let columns = columns.filter(|((name, one), other)| !LEFT_OUT.contains(name) && one != other);
    let mut differences: Vec<[Value; 4]> =
        columns.map(|((name, one), other)| [json!("record"), json!(name), one, other]).collect();
    for (part, one, other) in [
        ("request", sent_text(first), sent_text(second)),
        ("answer", first.response.as_deref(), second.response.as_deref()),
    ] {
        let nodes = compare_texts(one, other).into_iter();
        differences.extend(nodes.map(|node| [json!(part), json!(node.xpath), json!(node.expected), json!(node.got)]));
    }
    differences
}
