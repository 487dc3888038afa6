//! Writes SOAP messages: one walk over the plan of a message, the values taken from fields.
//!
//! An optional element is written if a parameter beneath it has a value, or if the bindings put a constant into it
//! ([`WhenEmpty::Write`]). The innermost repeatable ancestor of a parameter is written once per value; parameters that
//! share it are zipped by index, and a single value is the same in every round.
//!
//! A request is written to the letter of the schema or not at all. An answer (the simulator's) leaves out what it has
//! no value for.

use std::borrow::Cow;

use super::decode::Answer;
use crate::contract::{
    AttributePlan, Compositor, Content, ElementPlan, Group, Message, Occurs, Operation, Particle, SimpleType,
    ValueSource, WhenEmpty,
};
use crate::request::Fields;
use crate::xml::{XSI_NS, XmlWriter, is_xml_char, is_xml_space};

/// Why a request cannot be written: what the client has to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct EncodeError {
    /// The parameter; or the element, where no parameter fills it.
    pub field: String,
    /// Which of its values, counted from 0, where it has several.
    pub index: Option<usize>,
    /// What is wrong: "must be at most 64 characters".
    pub message: String,
}

/// Writes a request as a whole SOAP message, in UTF-8.
///
/// # Errors
/// The first parameter that is missing, superfluous or not as the schema wants it.
pub fn request(operation: &Operation, fields: &Fields) -> Result<Vec<u8>, EncodeError> {
    let is_bound =
        |name: &str| operation.input_fields.iter().any(|f| matches!(&f.source, ValueSource::Field(n) if n == name));
    if let Some(name) = fields.names().find(|name| !is_bound(name)) {
        return Err(error(name, None, "is not taken by this Conax contract"));
    }
    let mut mandatory = operation.request_type.fields().filter(|field| field.mandatory);
    if let Some(missing) = mandatory.find(|field| fields.all(field.name).next().is_none()) {
        return Err(error(missing.name, None, IS_MANDATORY));
    }
    Encoder { fields, answer: None, writer: XmlWriter::new() }.envelope(operation, &operation.input)
}

/// Writes an answer as a whole SOAP message, in UTF-8.
///
/// # Errors
/// The first value that is not as the schema wants it.
pub fn answer(operation: &Operation, answer: &Answer) -> Result<Vec<u8>, EncodeError> {
    let encoder = Encoder { fields: &answer.results, answer: Some(answer), writer: XmlWriter::new() };
    encoder.envelope(operation, &operation.output)
}

const IS_MANDATORY: &str = "is mandatory";

fn error(field: &str, index: Option<usize>, message: impl Into<String>) -> EncodeError {
    EncodeError { field: field.to_owned(), index, message: message.into() }
}

/// State of one message.
struct Encoder<'a> {
    fields: &'a Fields,
    /// Given when an answer is written.
    answer: Option<&'a Answer>,
    writer: XmlWriter,
}

/// The round of the innermost repetition; `None` outside any.
type Round = Option<usize>;

/// Of which values a parameter is asked whether it has any.
#[derive(Clone, Copy)]
enum Scope {
    /// Of all: a repetition that is not entered yet.
    All,
    /// Of the one that belongs to this round.
    In(Round),
}

impl<'a> Encoder<'a> {
    fn envelope(mut self, operation: &Operation, message: &'a Message) -> Result<Vec<u8>, EncodeError> {
        self.start("soap:Envelope", &[("xmlns:soap", Cow::Borrowed(operation.soap.namespace()))])?;
        self.start("soap:Body", &[])?;
        let declarations = message.declarations.iter().map(|(name, uri)| (name.as_str(), Cow::Borrowed(&**uri)));
        self.element(&message.root, None, declarations.collect())?;
        self.writer.end("soap:Body");
        self.writer.end("soap:Envelope");
        Ok(self.writer.finish())
    }

    fn element(
        &mut self,
        plan: &'a ElementPlan,
        round: Round,
        mut attributes: Attributes<'a>,
    ) -> Result<(), EncodeError> {
        for AttributePlan { name, tag, required, simple, source, .. } in &plan.attributes {
            match self.value(source.as_ref(), simple, round)? {
                _ if !required && matches!(source, Some(ValueSource::Fixed(_))) => {}
                Some(value) => attributes.push((tag, value)),
                None if *required && self.is_strict() => return Err(self.missing(source.as_ref(), &name.local, round)),
                None => {}
            }
        }
        match &plan.content {
            Content::Simple(simple, source) => match self.value(source.as_ref(), simple, round)? {
                Some(text) => {
                    self.start(&plan.tag, &attributes)?;
                    self.writer.text(&text).map_err(|e| error(&plan.name.local, None, e.to_string()))?;
                }
                None if plan.nillable => self.start_nil(&plan.tag, attributes)?,
                None if self.is_strict() => return Err(self.missing(source.as_ref(), &plan.name.local, round)),
                None => return Ok(()),
            },
            Content::Complex(group) => {
                let is_nil = plan.nillable
                    && group.filling.when_empty == WhenEmpty::NeedsValue
                    && !self.is_group_given(group, Scope::In(round));
                if is_nil {
                    self.start_nil(&plan.tag, attributes)?;
                } else {
                    self.start(&plan.tag, &attributes)?;
                    self.group(group, round)?;
                }
            }
        }
        self.writer.end(&plan.tag);
        Ok(())
    }

    fn group(&mut self, group: &'a Group, round: Round) -> Result<(), EncodeError> {
        match group.compositor {
            Compositor::Sequence | Compositor::All => group.members.iter().try_for_each(|m| self.particle(m, round)),
            Compositor::Choice => self.branch(group, round)?.map_or(Ok(()), |branch| self.particle(branch, round)),
        }
    }

    fn particle(&mut self, particle: &'a Particle, round: Round) -> Result<(), EncodeError> {
        for n in 0..self.rounds(particle, round)? {
            let round = if particle.occurs().is_many() { Some(n) } else { round };
            match particle {
                Particle::Element(plan) => self.element(plan, round, Vec::new())?,
                Particle::Group(group) => self.group(group, round)?,
            }
        }
        Ok(())
    }

    /// How often a particle is written.
    fn rounds(&self, particle: &Particle, round: Round) -> Result<usize, EncodeError> {
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

    /// The member of a choice to be written: the one that has a value, else one that needs none.
    fn branch(&self, group: &'a Group, round: Round) -> Result<Option<&'a Particle>, EncodeError> {
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
    fn is_given(&self, particle: &Particle, scope: Scope) -> bool {
        let scope = if particle.occurs().is_many() { Scope::All } else { scope };
        match particle {
            _ if !particle.filling().is_bound => false,
            Particle::Group(group) => self.is_group_given(group, scope),
            Particle::Element(plan) => {
                plan.attributes.iter().any(|attribute| self.has_value(attribute.source.as_ref(), scope))
                    || match &plan.content {
                        Content::Simple(_, source) => self.has_value(source.as_ref(), scope),
                        Content::Complex(group) => self.is_group_given(group, scope),
                    }
            }
        }
    }

    fn is_group_given(&self, group: &Group, scope: Scope) -> bool {
        group.members.iter().any(|member| self.is_given(member, scope))
    }

    fn has_value(&self, source: Option<&ValueSource>, scope: Scope) -> bool {
        match (source, scope) {
            (Some(ValueSource::Field(name)), Scope::In(Some(round))) => self.at(name, round).is_some(),
            (Some(ValueSource::Field(name)), _) => self.fields.all(name).next().is_some(),
            (Some(source @ (ValueSource::Status | ValueSource::Reference | ValueSource::Message)), _) => {
                self.of_answer(source).is_some()
            }
            _ => false,
        }
    }

    /// What stands in a simple value, checked against its type.
    fn value(
        &self,
        source: Option<&'a ValueSource>,
        simple: &SimpleType,
        round: Round,
    ) -> Result<Option<Cow<'a, str>>, EncodeError> {
        let (name, value) = match source {
            None => return Ok(None),
            Some(ValueSource::Constant(text) | ValueSource::Fixed(text)) => return Ok(Some(Cow::Borrowed(text))),
            Some(ValueSource::Field(name)) if simple.item().is_some() => (name.as_str(), self.joined(name)?),
            Some(ValueSource::Field(name)) => {
                let value = match round {
                    Some(round) => self.at(name, round),
                    None if self.fields.count(name) > 1 => return Err(error(name, None, "takes one value")),
                    None => self.fields.first(name),
                };
                (name.as_str(), value.map(Cow::Borrowed))
            }
            Some(source) => ("answer", self.of_answer(source).map(Cow::Borrowed)),
        };
        let Some(value) = value else { return Ok(None) };
        let fault = |message: String| error(name, self.index(name, round), message);
        if let Some(bad) = value.chars().find(|c| !is_xml_char(*c)) {
            return Err(fault(format!("has a character U+{:04X} that XML 1.0 cannot carry", u32::from(bad))));
        }
        match simple.accept(&value).map_err(fault)? {
            Cow::Owned(accepted) => Ok(Some(Cow::Owned(accepted))),
            Cow::Borrowed(_) => Ok(Some(value)),
        }
    }

    /// All values of a parameter as one list.
    fn joined(&self, name: &str) -> Result<Option<Cow<'a, str>>, EncodeError> {
        let values: Vec<&str> = self.fields.all(name).collect();
        match values.iter().position(|value| value.is_empty() || value.contains(is_xml_space)) {
            Some(index) => Err(error(name, Some(index), "must not be empty or contain white space")),
            None if values.is_empty() => Ok(None),
            None => Ok(Some(Cow::Owned(values.join(" ")))),
        }
    }

    /// A parameter's value in a round; a single value is the same in every round.
    fn at(&self, name: &str, round: usize) -> Option<&'a str> {
        self.fields.at(name, if self.fields.count(name) == 1 { 0 } else { round })
    }

    fn of_answer(&self, source: &ValueSource) -> Option<&'a str> {
        let answer = self.answer?;
        match source {
            ValueSource::Status => Some(&answer.status),
            ValueSource::Reference => answer.reference.as_deref(),
            ValueSource::Message => answer.message.as_deref(),
            ValueSource::Field(_) | ValueSource::Constant(_) | ValueSource::Fixed(_) => None,
        }
    }

    fn is_strict(&self) -> bool {
        self.answer.is_none()
    }

    fn missing(&self, source: Option<&ValueSource>, local: &str, round: Round) -> EncodeError {
        match source {
            Some(ValueSource::Field(name)) => error(name, self.index(name, round), IS_MANDATORY),
            _ => error(local, None, "is mandatory, and no parameter fills it"),
        }
    }

    /// Which value of a parameter a round is about, if it has several.
    fn index(&self, name: &str, round: Round) -> Option<usize> {
        round.filter(|_| self.fields.count(name) > 1)
    }

    /// The first parameter beneath a particle that has a value.
    fn given_field<'p>(&self, particle: &'p Particle, round: Round) -> &'p str {
        let has_value = |name: &&str| match round {
            Some(round) => self.at(name, round).is_some(),
            None => self.fields.all(name).next().is_some(),
        };
        particle.fields().into_iter().find(has_value).unwrap_or_default()
    }

    fn start(&mut self, tag: &str, attributes: &[(&str, Cow<'_, str>)]) -> Result<(), EncodeError> {
        let attributes: Vec<(&str, &str)> = attributes.iter().map(|(name, value)| (*name, &**value)).collect();
        self.writer.start(tag, &attributes).map_err(|e| error(tag, None, e.to_string()))
    }

    fn start_nil(&mut self, tag: &str, mut attributes: Attributes<'_>) -> Result<(), EncodeError> {
        attributes.extend([("xmlns:xsi", Cow::Borrowed(XSI_NS)), ("xsi:nil", Cow::Borrowed("true"))]);
        self.start(tag, &attributes)
    }
}

/// Attributes about to be written.
type Attributes<'a> = Vec<(&'a str, Cow<'a, str>)>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::{body_child, contract, fields};
    use crate::contract::{Contract, ContractSource};
    use crate::request::RequestType;
    use crate::soap::{decode, validate};

    /// What the body of a request holds; it must be valid and read back as it was given.
    fn body(contract: &Contract, request_type: RequestType, given: &[(&str, &[&str])]) -> Result<String, EncodeError> {
        let operation = contract.operation(request_type).unwrap();
        let bytes = request(operation, &fields(given))?;
        let child = body_child(&bytes);
        assert_eq!(validate::message(&operation.input, &child), []);
        let read = decode::request(operation, &child).unwrap();
        for (name, values) in given {
            let is_broadcast = read.count(name) > values.len();
            assert!(is_broadcast || read.all(name).eq(values.iter().copied().filter(|v| !v.is_empty())), "{name}");
        }
        let text = String::from_utf8(bytes).unwrap();
        let (_, rest) = text.split_once("<soap:Body>").unwrap();
        Ok(rest.split_once("</soap:Body>").unwrap().0.to_owned())
    }

    #[track_caller]
    fn refused(contract: &Contract, request_type: RequestType, given: &[(&str, &[&str])]) -> String {
        let error = body(contract, request_type, given).unwrap_err();
        format!("{}{} {}", error.field, error.index.map_or(String::new(), |i| format!("[{i}]")), error.message)
    }

    #[test]
    fn a_whole_message() {
        let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
        let operation = contract.operation(RequestType::named("CREATE_PAIRING")).unwrap();
        let given = fields(&[("smartcard_ca_id", &["01450253313"]), ("stb_ca_id", &["a", "b"])]);
        let expected = concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>"#,
            r#"<ns1:CreatePairing xmlns:ns1="http://www.conax.com/cas/xsd/pairing/v1"><ns1:CreatePairingRequest>"#,
            "<ns1:CaClientIds><ns1:CaClientId>01450253313</ns1:CaClientId></ns1:CaClientIds><ns1:PairingModuleIds>",
            "<ns1:PairingModuleId>a</ns1:PairingModuleId><ns1:PairingModuleId>b</ns1:PairingModuleId>",
            "</ns1:PairingModuleIds></ns1:CreatePairingRequest></ns1:CreatePairing></soap:Body></soap:Envelope>",
        );
        assert_eq!(String::from_utf8(request(operation, &given).unwrap()).unwrap(), expected);
    }

    #[test]
    fn repeats_in_step() {
        let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
        let add = |given: &[(&str, &[&str])]| body(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), given);
        let day = |n: usize| format!("2026-01-0{n}T00:00:00");
        let (one, two) = (day(1), day(2));
        let text =
            add(&[("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2"]), ("start_date", &[&one])]).unwrap();
        assert_eq!(text.matches("<ns1:StartTime>2026-01-01T00:00:00</ns1:StartTime>").count(), 2);
        let given: [(&str, &[&str]); 3] =
            [("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2"]), ("start_date", &["", &two])];
        let text = add(&given).unwrap();
        assert!(text.contains("<ns1:ProductId>1</ns1:ProductId></ns1:Subscription>"), "{text}");
        assert!(text.contains("<ns1:ProductId>2</ns1:ProductId><ns1:StartTime>2026-01-02"), "{text}");
        let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), given);
        assert_eq!(
            refused(&[("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2", "3"]), ("start_date", &[&one, &two])]),
            "start_date has 2 values where service_ca_id has 3"
        );
        assert_eq!(
            refused(&[("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", ""]), ("start_date", &[&one])]),
            "service_ca_id[1] is mandatory"
        );
    }

    #[test]
    fn refuses_what_the_contract_does_not_take() {
        let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
        let long = "x".repeat(65);
        let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("CREATE_PAIRING"), given);
        for (cards, boxes, why) in [
            (&["1"][..], &[][..], "stb_ca_id is mandatory"),
            (&["1"], &[""], "stb_ca_id is mandatory"),
            (&["1", &long], &["b"], "smartcard_ca_id[1] must be at most 64 characters"),
            (&[&long], &["b"], "smartcard_ca_id must be at most 64 characters"),
            (&["1"], &["a", "\u{1}"], "stb_ca_id[1] has a character U+0001 that XML 1.0 cannot carry"),
        ] {
            assert_eq!(refused(&[("smartcard_ca_id", cards), ("stb_ca_id", boxes)]), why);
        }
        assert_eq!(refused(&[("message", &["x"])]), "message is not taken by this Conax contract");
        let status = RequestType::named("GET_PAIRING_STATUS_FOR_CARD");
        assert_eq!(
            super::tests::refused(&contract, status, &[("smartcard_ca_id", &["1", "2"])]),
            "smartcard_ca_id takes one value"
        );
    }

    #[test]
    fn rpc_has_a_wrapper_and_unqualified_parts() {
        let contract = contract("rpc");
        let given: [(&str, &[&str]); 3] =
            [("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2"]), ("start_date", &["2026-01-01T00:00:00"])];
        assert_eq!(
            body(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), &given).unwrap(),
            "<ns1:add xmlns:ns1=\"urn:rpc:call\"><operator>sms-1</operator><card>c</card><request><product>1</product>\
             <product>2</product><start>2026-01-01T00:00:00</start></request></ns1:add>"
        );
        let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), given);
        assert_eq!(
            refused(&[("smartcard_ca_id", &["c"]), ("service_ca_id", &["1", "2", "3", "4"])]),
            "service_ca_id takes at most 3 values"
        );
        assert_eq!(
            refused(&[("smartcard_ca_id", &["c", "d"]), ("service_ca_id", &["1"])]),
            "smartcard_ca_id takes one value"
        );
    }

    #[test]
    fn bare_documents_and_qualified_forms() {
        let contract = contract("soap12");
        let active =
            body(&contract, RequestType::named("GET_ACTIVE_SUBSCRIPTIONS"), &[("smartcard_ca_id", &["c"])]).unwrap();
        assert_eq!(active, "<ns1:card xmlns:ns1=\"urn:bare\">c</ns1:card>");
        let given: [(&str, &[&str]); 2] = [("smartcard_ca_id", &["01450253313"]), ("ca_pin", &["0\"<"])];
        assert_eq!(
            body(&contract, RequestType::named("UPDATE_CA_PIN_TO_GIVEN_VALUE"), &given).unwrap(),
            "<ns1:pin xmlns:ns1=\"urn:bare\" ns1:pin=\"0&quot;&lt;\"><ns1:card>01450253313</ns1:card></ns1:pin>"
        );
        let operation = contract.operation(RequestType::named("GET_ACTIVE_SUBSCRIPTIONS")).unwrap();
        let results = fields(&[("service_ca_id", &["1", "2"]), ("start_date", &["", "2026-01-01"])]);
        let given = Answer { status: "OK".to_owned(), results, ..Answer::default() };
        let text = String::from_utf8(answer(operation, &given).unwrap()).unwrap();
        assert!(text.contains("xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\""), "{text}");
        assert!(
            text.contains("code=\"OK\"><product>1</product><product from=\"2026-01-01\">2</product></ns1:"),
            "{text}"
        );
        assert_eq!(decode::answer(operation, &body_child(text.as_bytes())), Ok(given));
    }

    #[test]
    fn constants_choices_lists_and_nil() {
        let contract = contract("types");
        let display = |given: &[(&str, &[&str])]| body(&contract, RequestType::named("DISPLAY_FINGERPRINT"), given);
        let cards: (&str, &[&str]) = ("smartcard_ca_id", &["01450253313", "smrt1"]);
        let open = concat!(
            r#"<ns1:Display xmlns:ns1="urn:types" version="1.0" mode="live"><ns1:Origin><ns1:System>CRM</ns1:System>"#,
            "</ns1:Origin><ns1:Cards>01450253313 smrt1</ns1:Cards>",
        );
        let nil = "<ns1:Height xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"></ns1:Height>";
        let end = "<ns1:End>end</ns1:End></ns1:Display>";
        assert_eq!(
            display(&[cards, ("display_duration", &["5"])]).unwrap(),
            format!("{open}<ns1:For>5</ns1:For>{nil}{end}")
        );
        let all = fields(&[
            cards,
            ("display_date_time", &["2026-01-01T00:00:00"]),
            ("position_x", &[" 1 "]),
            ("height", &["2"]),
            ("fingerprint_slot", &["a  b"]),
        ]);
        let operation = contract.operation(RequestType::named("DISPLAY_FINGERPRINT")).unwrap();
        let text = String::from_utf8(request(operation, &all).unwrap()).unwrap();
        let as_given = "<ns1:At>2026-01-01T00:00:00</ns1:At><ns1:Position><ns1:X>1</ns1:X></ns1:Position><ns1:Height>2\
                        </ns1:Height><ns1:Slot>a  b</ns1:Slot><ns1:End>end</ns1:End>";
        assert!(text.contains(as_given), "{text}");
        let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("DISPLAY_FINGERPRINT"), given);
        assert_eq!(
            refused(&[cards, ("display_duration", &["5"]), ("display_date_time", &["2026-01-01T00:00:00"])]),
            "display_duration cannot be given together with display_date_time"
        );
        assert_eq!(
            refused(&[cards]),
            "display_date_time is mandatory, or one of the others: display_date_time, display_duration"
        );
        assert_eq!(refused(&[cards, ("display_duration", &["5"]), ("position_y", &["1"])]), "position_x is mandatory");
        assert_eq!(
            refused(&[("smartcard_ca_id", &["smrt1", "smrt2", "smrt3"]), ("display_duration", &["5"])]),
            "smartcard_ca_id must be at most 2 items"
        );
        assert_eq!(
            refused(&[("smartcard_ca_id", &["smrt1", "smrt 2"]), ("display_duration", &["5"])]),
            "smartcard_ca_id[1] must not be empty or contain white space"
        );
    }

    #[test]
    fn groups_repeat() {
        let contract = contract("types");
        let pair: [(&str, &[&str]); 2] = [("smartcard_ca_id", &["smrt1", "", "smrt2"]), ("stb_ca_id", &["", "b", ""])];
        assert_eq!(
            body(&contract, RequestType::named("CREATE_PAIRING"), &pair).unwrap(),
            "<ns1:Pair xmlns:ns1=\"urn:types\"><ns1:Card id=\"smrt1\" kind=\"card\"></ns1:Card><ns1:Box>b</ns1:Box>\
             <ns1:Card id=\"smrt2\" kind=\"card\"></ns1:Card></ns1:Pair>"
        );
        assert_eq!(
            refused(
                &contract,
                RequestType::named("CREATE_PAIRING"),
                &[("smartcard_ca_id", &["smrt1"]), ("stb_ca_id", &["b"])]
            ),
            "stb_ca_id cannot be given together with smartcard_ca_id"
        );
        let day = "2026-01-01T00:00:00";
        let add: [(&str, &[&str]); 4] = [
            ("smartcard_ca_id", &["smrt1"]),
            ("service_ca_id", &["1", "2", "3"]),
            ("start_date", &["", day, day]),
            ("end_date", &["", "", day]),
        ];
        let text = body(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), &add).unwrap();
        let product = |n| format!("<ns1:Product kind=\"svc\">{n}</ns1:Product>");
        let start = format!("<ns1:Start>{day}</ns1:Start>");
        let nil = "<ns1:End xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"></ns1:End>";
        let expected = [
            product(1),
            product(2),
            start.clone(),
            nil.to_owned(),
            product(3),
            start,
            format!("<ns1:End>{day}</ns1:End>"),
        ];
        assert!(text.contains(&format!("<ns1:Items>{}</ns1:Items>", expected.concat())), "{text}");
        let refused = |given: &[(&str, &[&str])]| refused(&contract, RequestType::named("ADD_SUBSCRIPTIONS"), given);
        assert_eq!(
            refused(&[("smartcard_ca_id", &["smrt1"]), ("service_ca_id", &["1"])]),
            "service_ca_id takes at least 2 values"
        );
        assert_eq!(
            refused(&[("smartcard_ca_id", &["smrt1"]), ("service_ca_id", &["1", "123456789"])]),
            "service_ca_id[1] must be at most 8 characters"
        );
    }

    #[test]
    fn ten_thousand_repetitions_are_quick() {
        let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
        let operation = contract.operation(RequestType::named("ADD_SUBSCRIPTIONS")).unwrap();
        let mut given = fields(&[("smartcard_ca_id", &["c"]), ("start_date", &["2026-01-01T00:00:00"])]);
        (0..10_000).for_each(|n| given.push("service_ca_id", format!("{n:08}")));
        let bytes = request(operation, &given).unwrap();
        let child = body_child(&bytes);
        assert_eq!(validate::message(&operation.input, &child), []);
        assert_eq!(decode::request(operation, &child).unwrap().count("service_ca_id"), 10_000);
    }

    #[test]
    fn an_answer_leaves_out_what_it_has_no_value_for() {
        let contract = Contract::load(&ContractSource::Embedded).unwrap_or_else(|findings| panic!("{findings:?}"));
        let operation = contract.operation(RequestType::named("GET_PAIRING_STATUS_FOR_CARD")).unwrap();
        let given = Answer { status: "SYSTEM_ERROR".to_owned(), ..Answer::default() };
        let child = body_child(&answer(operation, &given).unwrap());
        assert_eq!(child.elements().count(), 1);
        assert_eq!(decode::answer(operation, &child), Ok(given));
    }
}
