//! Fault text against what the real Apache Axis 1.4 printed for the same answers (tests/axis, index.toml).

use std::path::Path;

use conax_gateway::axis::{http_error, is_http_error, soap_fault};
use conax_gateway::xml::{Limits, parse};

#[derive(serde::Deserialize)]
struct Index {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    file: String,
    status: u16,
    reason: String,
    content_type: String,
}

#[test]
fn every_case_reads_as_axis_prints_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/axis");
    let index: Index = toml::from_str(&std::fs::read_to_string(folder.join("index.toml")).unwrap()).unwrap();
    assert!(index.case.len() > 50);
    for case in index.case {
        let body = std::fs::read_to_string(folder.join(&case.file)).unwrap();
        let printed = Path::new(&case.file).with_extension("axis.txt");
        let expected = std::fs::read_to_string(folder.join(printed)).unwrap();
        let fault = if is_http_error(case.status, Some(&case.content_type)) {
            http_error(case.status, &case.reason, &body)
        } else {
            soap_fault(&parse(&body, Limits::default()).unwrap()).unwrap_or_else(|| panic!("{}: no fault", case.file))
        };
        assert_eq!(fault.text, expected, "{}", case.file);
    }
}
