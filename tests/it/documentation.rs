//! The documents are true: their tables are those of the code, their commands are run, their links lead somewhere.

mod commands;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use conax_gateway::api::Code;
use conax_gateway::config::settings;
use conax_gateway::http::{Route, routes, status_of};
use conax_gateway::request::{Family, RequestType, Shape, Steps};
use strum::{EnumMessage as _, VariantArray as _};

/// A file of the repository, by its path from the root.
fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document: those at the top, and those in `docs`.
fn documents() -> Vec<String> {
    let in_folder = |folder: &str| {
        let files = std::fs::read_dir(root().join(folder)).unwrap();
        let names = files.map(|file| Path::new(folder).join(file.unwrap().file_name()));
        names.filter(|name| name.extension().is_some_and(|ending| ending == "md")).collect::<Vec<PathBuf>>()
    };
    let mut all = [in_folder(""), in_folder("docs")].concat();
    all.sort();
    all.iter().map(|name| name.display().to_string()).collect()
}

/// The rows of the table behind a marker.
fn table(document: &str, marker: &str) -> String {
    let text = read(document);
    let behind = text.split(&format!("<!-- {marker}: checked by a test -->\n")).nth(1).unwrap();
    let lines = behind.lines().take_while(|line| line.starts_with('|')).skip(2);
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn the_methods_are_those_of_the_router() {
    let mut left = routes();
    for (group, prefix) in [
        ("authentication", "authentication/"),
        ("conax_web_services", "conax_web_services/provisioning_requests/"),
        ("conax_sms_sas", "conax_sms_sas/provisioning_requests/"),
        ("panaccess", "panaccess/provisioning_requests/"),
    ] {
        let (routes, others) = left.into_iter().partition(|(_, path, _)| path.starts_with(prefix));
        left = others;
        let rows = table("docs/methods.md", &format!("methods of {group}"));
        let mut listed = rows.lines().map(|row| row.split('|').nth(3).unwrap_or_default().trim());
        let expected = Vec::into_iter(routes).fold(String::new(), |mut rows, (verb, path, route)| {
            let by_hand = listed.next().unwrap_or_default().to_owned();
            let words = match route {
                Route::Create(family, request_type) => parameters(family, request_type),
                _ => by_hand,
            };
            writeln!(rows, "| {verb} | `{}` | {words} |", path.replace(prefix, "")).unwrap();
            rows
        });
        assert_eq!(rows, expected, "the table must be:\n{expected}");
    }
    assert_eq!(left, [], "methods that no table has");
}

/// The parameters of a creating method, by its row in the table of request types.
fn parameters(family: Family, request_type: RequestType) -> String {
    let subscription = request_type.requires_subscription(family).then(|| "`subscription_identifier`".to_owned());
    let own = request_type.parameters().iter().filter_map(|parameter| {
        let name = parameter.name;
        let in_place = if family == Family::WebServices { "`smartcard_set`" } else { "" };
        let words = match parameter.shape {
            Shape::SequenceNumber | Shape::Untaken => return None,
            Shape::Service if !in_place.is_empty() => format!("`{name}` or `service_ca_id`"),
            Shape::InstalledCard if !in_place.is_empty() => format!("`{name}` or {in_place}"),
            _ => format!("`{name}`{}", if parameter.is_mandatory { "" } else { "?" }),
        };
        Some(words + &limits(parameter.shape))
    });
    subscription.into_iter().chain(own).collect::<Vec<_>>().join(", ")
}

fn limits(shape: Shape) -> String {
    match shape {
        Shape::Text(Some(most)) => format!(" (at most {most} characters)"),
        Shape::Whole { range: Some(Steps { least, most, step }), .. } => {
            format!(" ({least} to {most}, in steps of {step})")
        }
        Shape::Whole { default: Some(default), .. } => format!(" ({default})"),
        Shape::DueDate => " (when it is due: the SOAP message has no place for it)".to_owned(),
        _ => String::new(),
    }
}

#[test]
fn the_errors_are_those_of_the_code() {
    let expected = Code::VARIANTS.iter().fold(String::new(), |mut rows, code| {
        let meaning = code.get_documentation().unwrap();
        writeln!(rows, "| {} | {} | {meaning} |", <&str>::from(code), status_of(*code).as_u16()).unwrap();
        rows
    });
    assert_eq!(table("docs/methods.md", "errors"), expected, "the table must be:\n{expected}");
}

#[test]
fn the_settings_are_those_of_the_code() {
    let expected = settings().iter().fold(String::new(), |mut rows, s| {
        writeln!(rows, "| `{}.{}` | `{}` | {} |", s.section, s.key, s.default, s.doc).unwrap();
        rows
    });
    assert_eq!(table("docs/configuration.md", "configuration"), expected, "the table must be:\n{expected}");
}

#[test]
fn links_lead_to_files_and_headings() {
    for document in documents() {
        let text = read(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.clone(),
                file => Path::new(&document).with_file_name(file).display().to_string(),
            };
            assert!(root().join(&target).exists(), "{document}: {link}");
            if !heading.is_empty() {
                let found = read(&target).lines().any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(found, "{document}: {link}");
            }
        }
    }
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    words.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

/// Source files in backquotes, by their path from the root.
#[test]
fn files_that_are_named_exist() {
    for document in ["docs/architecture.md", "CONTRIBUTING.md"] {
        let text = read(document);
        let named = text.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".rs"));
        let named: Vec<&str> = named.collect();
        assert!(!named.is_empty(), "{document}");
        for name in named {
            assert!(root().join(name).exists(), "{document}: {name}");
        }
    }
}
