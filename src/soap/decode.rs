//! Reads SOAP messages: a walk over the received elements, each looked up in the plan of the message.
//!
//! The order of elements does not matter here, and a missing element is no fault; `contract::validate` checks a message
//! against the schema. Answers are read generously: a name with another namespace counts by the local name, and an unknown
//! element is skipped, both with a warning.

use std::collections::BTreeMap;

use crate::contract::{
    Compositor, Content, ElementPlan, Group, Message, Operation, Particle, SESSION, SimpleType, ValueSource,
    header_steps,
};
use crate::request::Fields;
use crate::xml::{Element, Name, XSI_NS, trim_xml_space};

/// A decoded answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status code; `None` if missing or empty.
    pub status: Option<String>,
    /// Reference number.
    pub reference: Option<String>,
    /// Message.
    pub message: Option<String>,
    /// Results of a query.
    pub results: Fields,
    /// Differences from the contract.
    pub warnings: Vec<String>,
}

/// A message that is not the operation's message in the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body holds another element.
    #[error("the body holds '{found}' where the contract has '{expected}'")]
    WrongRoot {
        /// The contract's.
        expected: String,
        /// The message's.
        found: String,
    },
    /// The status code is missing or empty.
    #[error("'{0}' has no status code")]
    NoStatus(String),
    /// The answer states status, reference number or message twice, so neither can be trusted.
    #[error("'{0}' states its outcome twice")]
    TwoOutcomes(String),
}

/// Reads an answer from its header and the child of its body.
///
/// # Errors
/// The answer belongs to another operation, has two statuses, or lacks a status that the bindings require.
pub fn answer(operation: &Operation, header: Option<&Element>, body_child: &Element) -> Result<Answer, DecodeError> {
    let mut reader = Reader { is_strict: false, ..Reader::default() };
    let Some(output) = &operation.output else {
        let (expected, found) = ("nothing".to_owned(), body_child.name.to_string());
        return Err(DecodeError::WrongRoot { expected, found });
    };
    reader.root(output, body_child)?;
    if let Some(header) = header {
        reader.header(operation, header);
    }
    if reader.has_two_outcomes {
        return Err(DecodeError::TwoOutcomes(body_child.name.to_string()));
    }
    let answer = Answer { results: fields(reader.values), ..reader.answer };
    match operation.verdicts.classify_status(answer.status.as_deref()) {
        Some(_) => Ok(answer),
        None => Err(DecodeError::NoStatus(body_child.name.to_string())),
    }
}

/// Reads a request from the child of its body; the session's id is one of its values.
///
/// # Errors
/// The request belongs to another operation.
pub fn request(operation: &Operation, body_child: &Element) -> Result<Fields, DecodeError> {
    let mut reader = Reader { is_strict: true, ..Reader::default() };
    reader.root(&operation.input, body_child)?;
    Ok(fields(reader.values))
}

/// Most warnings that are kept of a message.
const MOST_WARNINGS: usize = 20;
/// Most characters of a warning, since names come from outside.
const LONGEST_WARNING: usize = 500;

/// Values by parameter; `None` where a round had none.
type Values<'p> = BTreeMap<&'p str, Vec<Option<String>>>;

fn fields(values: Values<'_>) -> Fields {
    let mut fields = Fields::new();
    for (name, values) in values.into_iter().filter(|(_, values)| values.iter().any(Option::is_some)) {
        values.into_iter().for_each(|value| fields.push_option(name, value));
    }
    fields
}

/// State of one message.
#[derive(Default)]
struct Reader<'p> {
    is_strict: bool,
    values: Values<'p>,
    answer: Answer,
    /// The parts of the outcome seen so far.
    outcome: Vec<&'p ValueSource>,
    has_two_outcomes: bool,
}

impl<'p> Reader<'p> {
    fn root(&mut self, message: &'p Message, element: &Element) -> Result<(), DecodeError> {
        if !self.is_meant(&message.root.name, &element.name) {
            let (expected, found) = (message.root.name.to_string(), element.name.to_string());
            return Err(DecodeError::WrongRoot { expected, found });
        }
        self.element(&message.root, element);
        Ok(())
    }

    /// Values that the bindings find in the header of an answer.
    fn header(&mut self, operation: &'p Operation, header: &Element) {
        for field in &operation.output_fields {
            let (Some(steps), Some(simple)) = (header_steps(&field.path), &field.simple) else { continue };
            let mut found = Some(header);
            for step in steps {
                found = found.and_then(|element| element.elements().find(|child| &*child.name.local == step));
            }
            if let Some(element) = found {
                self.take_value(Some(&field.source), simple, &element.text());
            }
        }
    }

    fn element(&mut self, plan: &'p ElementPlan, element: &Element) {
        self.warn_if_foreign(&plan.name, &element.name);
        for attribute in &plan.attributes {
            if let Some(found) = element.attributes.iter().find(|found| self.is_meant(&attribute.name, &found.name)) {
                self.take_value(attribute.source.as_ref(), &attribute.simple, &found.value);
            }
        }
        if matches!(element.attribute(XSI_NS, "nil"), Some("true" | "1")) {
            return;
        }
        match &plan.content {
            Content::Simple(simple, source) => self.take_value(source.as_ref(), simple, &plan.text(element)),
            Content::Complex(group) => self.children(group, element),
            Content::Unread(_) => {}
        }
    }

    fn children(&mut self, group: &'p Group, element: &Element) {
        let mut repeated = Vec::new();
        let mut seen: BTreeMap<&Name, usize> = BTreeMap::new();
        for child in element.elements() {
            let before = seen.entry(&child.name).or_default();
            let named = |plan: &&ElementPlan| plan.name == child.name;
            let meant = |plan: &&ElementPlan| self.is_meant(&plan.name, &child.name);
            let plan = nth_or_last(group.elements().filter(named), *before)
                .or_else(|| nth_or_last(group.elements().filter(meant), *before));
            *before += 1;
            let Some(plan) = plan else {
                if !group.is_open() {
                    self.warn(format!("'{}' in '{}' is not in the contract", child.name, element.name.local));
                }
                continue;
            };
            self.next_round(group, plan, &mut repeated);
            if plan.filling.repeat_by.is_empty() {
                self.element(plan, child);
            } else {
                let round = self.level(&plan.filling.repeat_by);
                self.element(plan, child);
                self.resize(&plan.filling.repeat_by, round + 1);
            }
        }
        repeated.iter().for_each(|(group, _)| {
            self.level(&group.filling.repeat_by);
        });
    }

    /// Begins another round of each repeatable group between `group` and `plan`, unless the element stands behind the
    /// previous element in the order of the schema.
    fn next_round(&mut self, group: &'p Group, plan: &'p ElementPlan, repeated: &mut Vec<(&'p Group, usize)>) {
        let Some(position) = group.elements().position(|element| std::ptr::eq(element, plan)) else { return };
        if !group.filling.repeat_by.is_empty() {
            match repeated.iter_mut().find(|(known, _)| std::ptr::eq(*known, group)) {
                None => repeated.push((group, position)),
                Some((_, last)) => {
                    let goes_on = *last < position || (*last == position && plan.occurs.is_many());
                    *last = position;
                    if !goes_on || group.compositor == Compositor::Choice {
                        self.level(&group.filling.repeat_by);
                    }
                }
            }
        }
        for member in &group.members {
            if let Particle::Group(inner) = member {
                self.next_round(inner, plan, repeated);
            }
        }
    }

    fn take_value(&mut self, source: Option<&'p ValueSource>, simple: &SimpleType, text: &str) {
        let text = simple.normalise(text);
        let code = trim_xml_space(&text);
        if let Some(source @ (ValueSource::Status | ValueSource::Reference | ValueSource::Message)) = source {
            self.has_two_outcomes |= self.outcome.contains(&source);
            self.outcome.push(source);
        }
        match source {
            Some(ValueSource::Field(name)) => {
                let values = self.values.entry(name).or_default();
                match simple.item() {
                    Some(_) => values.extend(text.split(' ').filter(|v| !v.is_empty()).map(|v| Some(v.to_owned()))),
                    None => values.push(Some(text.into_owned())),
                }
            }
            Some(ValueSource::Template(template)) if template.is_session() && self.is_strict => {
                self.values.entry(SESSION).or_default().push(Some(text.into_owned()));
            }
            Some(ValueSource::Status) if !code.is_empty() => self.answer.status = Some(code.to_owned()),
            Some(ValueSource::Reference) if !code.is_empty() => self.answer.reference = Some(code.to_owned()),
            Some(ValueSource::Message) if !code.is_empty() => self.answer.message = Some(text.into_owned()),
            _ => {}
        }
    }

    /// Fills parameters that share rounds up to the same number of values, which is returned.
    fn level(&mut self, steps: &'p [String]) -> usize {
        let rounds = steps.iter().filter_map(|step| self.values.get(step.as_str())).map(Vec::len).max().unwrap_or(0);
        self.resize(steps, rounds);
        rounds
    }

    fn resize(&mut self, steps: &'p [String], rounds: usize) {
        for step in steps {
            self.values.entry(step).or_default().resize(rounds, None);
        }
    }

    /// Is a received name the plan's name?
    fn is_meant(&self, planned: &Name, found: &Name) -> bool {
        planned == found || (!self.is_strict && planned.local == found.local)
    }

    fn warn_if_foreign(&mut self, planned: &Name, found: &Name) {
        if planned != found {
            self.warn(format!("'{found}' is taken for '{planned}'"));
        }
    }

    fn warn(&mut self, warning: String) {
        let warnings = &mut self.answer.warnings;
        let warning: String = warning.chars().take(LONGEST_WARNING).collect();
        if warnings.len() < MOST_WARNINGS && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

/// The plan for an element after `before` elements of the same name: the plan at that position, else the last.
fn nth_or_last<'p>(plans: impl Iterator<Item = &'p ElementPlan>, before: usize) -> Option<&'p ElementPlan> {
    plans.take(before + 1).last()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::{contract, fields};
    use crate::contract::{Contract, ContractSource};
    use crate::request::RequestType;
    use crate::xml::{Limits, parse};

    const PAIRING: &str = "http://www.conax.com/cas/xsd/pairing/v1";
    const COMMON: &str = "http://www.conax.com/cas/xsd/common-types/v1";

    fn read_answer(text: &str) -> Result<Answer, DecodeError> {
        let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
        let text = text.replace("PAIRING", PAIRING).replace("COMMON", COMMON);
        answer(
            contract.operation(RequestType::named("GET_PAIRING_STATUS_FOR_CARD")).unwrap(),
            None,
            &parse(&text, Limits::default()).unwrap(),
        )
    }

    #[test]
    fn reads_status_and_results() {
        let found = read_answer(
            "<p:GetPairingStatusForCardResponse xmlns:p='PAIRING' xmlns:c='COMMON'><p:TransactionStatus>
               <c:StatusCode> OK </c:StatusCode><c:TransactionId/><c:Message><![CDATA[a & b]]></c:Message>
             </p:TransactionStatus><p:PairingStatus>PAIRED</p:PairingStatus><p:PairingModuleIds>
               <p:PairingModuleId>a</p:PairingModuleId><p:PairingModuleId>b</p:PairingModuleId>
             </p:PairingModuleIds></p:GetPairingStatusForCardResponse>",
        );
        let results = fields(&[("pairing_status", &["PAIRED"]), ("stb_ca_id", &["a", "b"])]);
        let message = Some("a & b".to_owned());
        assert_eq!(found, Ok(Answer { status: Some("OK".to_owned()), message, results, ..Answer::default() }));
    }

    #[test]
    fn takes_other_namespaces_and_unknown_elements_with_a_warning() {
        let found = read_answer(
            "<GetPairingStatusForCardResponse><TransactionStatus><New/><StatusCode>OK</StatusCode>
             <TransactionId>7</TransactionId></TransactionStatus></GetPairingStatusForCardResponse>",
        );
        let found = found.unwrap();
        assert_eq!((found.status.as_deref(), found.reference.as_deref()), (Some("OK"), Some("7")));
        assert_eq!(
            found.warnings[0],
            format!("'GetPairingStatusForCardResponse' is taken for '{{{PAIRING}}}GetPairingStatusForCardResponse'")
        );
        assert!(found.warnings.contains(&"'New' in 'TransactionStatus' is not in the contract".to_owned()));
        assert_eq!(found.warnings.len(), 5);
    }

    #[test]
    fn a_status_and_the_right_root_are_needed() {
        let error = read_answer("<CreatePairingResponse xmlns='PAIRING'/>").unwrap_err();
        assert!(error.to_string().contains("CreatePairingResponse' where the contract has"), "{error}");
        for status in ["", "<TransactionStatus/>", "<TransactionStatus><StatusCode> </StatusCode></TransactionStatus>"]
        {
            let text =
                format!("<GetPairingStatusForCardResponse xmlns='PAIRING'>{status}</GetPairingStatusForCardResponse>");
            assert!(matches!(read_answer(&text), Err(DecodeError::NoStatus(_))), "{status}");
        }
    }

    #[test]
    fn rounds_stay_in_step() {
        let contract = contract("types");
        let operation = contract.operation(RequestType::named("ADD_SUBSCRIPTIONS")).unwrap();
        let text = "<Add xmlns='urn:types' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><Items>
            <Product>1</Product>
            <Product>2</Product><Start>s2</Start><End xsi:nil='true'/>
            <Product>3</Product><Start>s3</Start><End>e3</End>
            <Product>4</Product></Items></Add>";
        let found = request(operation, &parse(text, Limits::default()).unwrap()).unwrap();
        let expected = fields(&[
            ("service_ca_id", &["1", "2", "3", "4"]),
            ("start_date", &["", "s2", "s3", ""]),
            ("end_date", &["", "", "e3", ""]),
        ]);
        assert_eq!(found, expected);
        let foreign = text.replace("urn:types", "urn:other");
        assert!(request(operation, &parse(&foreign, Limits::default()).unwrap()).is_err());
    }
}
