//! Metrics of the gateway, for Prometheus. Counters and histograms are fed by an [`Observer`]; figures that stand somewhere
//! already (queues, files, breakers) are read when a scrape comes, and passed in as a [`Sample`].
//!
//! Rule: every label has a bounded set of values, whatever clients and upstream send.

mod process;
mod sample;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::contract::Contract;
use crate::observer::{ApiAnswer, ClassifiedAttempt, Commit, Observer};
use crate::request::{ProvisioningRequest, RequestType, State, failure};
use crate::upstream::{Call, CallFailure, HttpAnswer};
use crate::words::Word as _;

pub use prometheus_text::CONTENT_TYPE;
pub use sample::Sample;

/// Prefix of every metric's name.
const PREFIX: &str = "conax_gateway";
/// Upper bounds of times in seconds, from what memory answers to the longest time-out.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];
/// Upper bounds of waits in seconds, which may last for days.
const WAIT_SECONDS: [f64; 11] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0];
/// Upper bounds of the writes in a transaction.
const WRITES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// The label value for everything without a value of its own.
const OTHER: &str = "other";

/// The ends of a transaction of the store.
const COMMIT_RESULTS: [&str; 2] = ["failed", "committed"];

/// Names and values of a metric's labels.
type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

/// The counters and histograms.
pub struct Metrics {
    registry: Registry,
    /// Reasons that have a label value of their own.
    reasons: ArcSwap<BTreeSet<String>>,
    api_requests: Family<Labels<2>, Counter>,
    api_request_seconds: Histograms<1>,
    pass_through_requests: Family<Labels<1>, Counter>,
    pass_through_seconds: Histogram,
    accepted: Family<Labels<3>, Counter>,
    ended: Family<Labels<4>, Counter>,
    attempts: Family<Labels<2>, Counter>,
    joint_calls: Family<Labels<1>, Counter>,
    joint_call_requests: Family<Labels<1>, Counter>,
    queue_seconds: Histograms<1>,
    upstream_seconds: Histograms<1>,
    commits: Family<Labels<1>, Counter>,
    commit_seconds: Histogram,
    commit_writes: Histogram,
    captures_dropped: Counter,
    certificates: Family<Labels<1>, Gauge>,
}

/// A histogram for each set of labels.
type Histograms<const N: usize> = Family<Labels<N>, Histogram>;

fn times() -> Histogram {
    Histogram::new(SECONDS)
}

fn waits() -> Histogram {
    Histogram::new(WAIT_SECONDS)
}

impl Metrics {
    /// Creates metrics; each status code of the contracts gets a label value as a reason.
    pub fn new(contracts: &[Arc<Contract>]) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let reasons = ArcSwap::from_pointee(reasons(contracts));
        let mut metrics = Names(&mut registry);
        let (api_requests, api_request_seconds) = (Family::default(), Family::new_with_constructor(times as fn() -> _));
        let (pass_through_requests, pass_through_seconds) = (Family::default(), times());
        let (accepted, ended, attempts) = (Family::default(), Family::default(), Family::default());
        let (joint_calls, joint_call_requests) = (Family::default(), Family::default());
        let queue_seconds = Family::new_with_constructor(waits as fn() -> _);
        let upstream_seconds = Family::new_with_constructor(times as fn() -> _);
        let (commits, commit_seconds) = (Family::<Labels<1>, Counter>::default(), times());
        let commit_writes = Histogram::new(WRITES);
        // Both are there from the start: Prometheus sees no increase in a counter that begins with its first failure.
        for result in COMMIT_RESULTS {
            drop(commits.get_or_create(&[("result", result.into())]));
        }
        let (captures_dropped, certificates) = (Counter::default(), Family::default());
        metrics.count("api_requests", "Calls of the JSON face, by method and status code", &api_requests);
        metrics.time("api_request_duration", "Time from the head of a call to its answer", &api_request_seconds);
        metrics.count(
            "pass_through_requests",
            "Clients' own SOAP requests, by HTTP status of the answer",
            &pass_through_requests,
        );
        metrics.time(
            "pass_through_request_duration",
            "Time from the head of a client's own SOAP request to the head of its answer",
            &pass_through_seconds,
        );
        metrics.count("requests_accepted", "Provisioning requests that were accepted", &accepted);
        metrics.count(
            "requests_ended",
            "Provisioning requests that this process ended, by their state and the reason of a rejection",
            &ended,
        );
        metrics.count("attempts", "Attempts at provisioning requests, by what came of the call", &attempts);
        metrics.count("joint_calls", "Calls that were made for several provisioning requests", &joint_calls);
        metrics.count("joint_call_requests", "Provisioning requests in those calls", &joint_call_requests);
        metrics.time("queue_wait", "Time from when a request fell due to its first attempt", &queue_seconds);
        metrics.time("upstream_call_duration", "Time of a call to Conax, its queries included", &upstream_seconds);
        metrics.count("store_commits", "Transactions of the store", &commits);
        metrics.time("store_commit_duration", "Time of a transaction of the store", &commit_seconds);
        metrics.count("store_commit_writes", "Writes that shared a transaction of the store", &commit_writes);
        metrics.count(
            "captures_dropped",
            "Clients' own exchanges that were not kept, because there were too many at once or the store failed",
            &captures_dropped,
        );
        metrics.time("certificate_expiry_timestamp", "When a certificate expires that is in use", &certificates);
        Self {
            registry,
            reasons,
            api_requests,
            api_request_seconds,
            pass_through_requests,
            pass_through_seconds,
            accepted,
            ended,
            attempts,
            joint_calls,
            joint_call_requests,
            queue_seconds,
            upstream_seconds,
            commits,
            commit_seconds,
            commit_writes,
            captures_dropped,
            certificates,
        }
    }

    /// All metrics and the sample in Prometheus's text format.
    pub fn render(&self, sample: &Sample) -> String {
        let mut text = String::new();
        let written = prometheus_text::encode(&mut text, &self.registry)
            .and_then(|()| prometheus_text::encode(&mut text, &sample.registry()))
            .and_then(|()| prometheus_text::encode(&mut text, &process::registry()));
        written.expect("a String takes whatever is written");
        text
    }

    /// The status codes of other contracts are reasons by name from now on.
    pub fn follow(&self, contracts: &[Arc<Contract>]) {
        self.reasons.store(reasons(contracts).into());
    }

    fn reason(&self, request: &ProvisioningRequest) -> String {
        match &request.failure {
            None => String::new(),
            Some(failure) if self.reasons.load().contains(&failure.code) => failure.code.clone(),
            Some(_) => OTHER.to_owned(),
        }
    }
}

/// The reasons that have a label value of their own.
fn reasons(contracts: &[Arc<Contract>]) -> BTreeSet<String> {
    let codes = contracts.iter().flat_map(|contract| contract.answer_codes());
    failure::ALL.into_iter().chain(codes).map(str::to_owned).collect()
}

/// Gives metrics their names.
struct Names<'r>(&'r mut Registry);

impl Names<'_> {
    fn count(&mut self, name: &str, help: &str, metric: &(impl Metric + Clone)) {
        self.0.register(name, help, metric.clone());
    }

    fn time(&mut self, name: &str, help: &str, metric: &(impl Metric + Clone)) {
        self.0.register_with_unit(name, help, Unit::Seconds, metric.clone());
    }
}

fn family_and_type(request: &ProvisioningRequest) -> [(&'static str, Cow<'static, str>); 2] {
    let content = &request.content;
    [("family", content.family.as_str().into()), ("type", content.request_type.as_str().into())]
}

#[async_trait]
impl Observer for Metrics {
    fn api_answered(&self, answer: &ApiAnswer<'_>) {
        let method = || ("method", answer.method.map_or(Cow::Borrowed(OTHER), |method| method.to_owned().into()));
        self.api_requests.get_or_create(&[method(), ("code", answer.code.into())]).inc();
        self.api_request_seconds.get_or_create(&[method()]).observe(answer.took.as_secs_f64());
    }

    fn accepted(&self, request: &ProvisioningRequest) {
        let [family, request_type] = family_and_type(request);
        let priority = ("priority", request.content.priority.as_str().into());
        self.accepted.get_or_create(&[family, request_type, priority]).inc();
    }

    async fn answered(&self, _: &Call, result: &Result<HttpAnswer, CallFailure>, took: Duration) {
        let result = match result {
            Ok(_) => "answered",
            Err(failure) => failure_label(failure),
        };
        self.upstream_seconds.get_or_create(&[("result", result.into())]).observe(took.as_secs_f64());
    }

    fn classified(&self, attempt: &ClassifiedAttempt<'_>) {
        let ClassifiedAttempt { request, began, result, .. } = attempt;
        let class = match result {
            Ok(classification) => classification.as_str(),
            Err(failure) => failure_label(failure),
        };
        let [_, request_type] = family_and_type(request);
        self.attempts.get_or_create(&[request_type, ("classification", class.into())]).inc();
        if request.attempts == 0 {
            let due = request.content.scheduled_at.max(request.content.created_at);
            let waited = (*began - due).to_std().unwrap_or_default();
            let priority = ("priority", request.content.priority.as_str().into());
            self.queue_seconds.get_or_create(&[priority]).observe(waited.as_secs_f64());
        }
    }

    fn called_jointly(&self, request_type: RequestType, requests: usize) {
        let labels = [("type", request_type.as_str().into())];
        self.joint_calls.get_or_create(&labels).inc();
        self.joint_call_requests.get_or_create(&labels).inc_by(u64::try_from(requests).unwrap_or(u64::MAX));
    }

    async fn ended(&self, request: &ProvisioningRequest) {
        if request.state != State::Pending {
            let [family, request_type] = family_and_type(request);
            let state = ("state", request.state.as_str().into());
            self.ended.get_or_create(&[family, request_type, state, ("reason", self.reason(request).into())]).inc();
        }
    }

    fn passed_through(&self, status: u16, took: Duration) {
        self.pass_through_requests.get_or_create(&[("status", status.to_string().into())]).inc();
        self.pass_through_seconds.observe(took.as_secs_f64());
    }

    fn captures_dropped(&self, count: u64) {
        self.captures_dropped.inc_by(count);
    }

    fn certificate_loaded(&self, setting: &str, expires_at: DateTime<Utc>) {
        self.certificates.get_or_create(&[("setting", setting.to_owned().into())]).set(expires_at.timestamp());
    }

    fn committed(&self, commit: &Commit) {
        let result = COMMIT_RESULTS[usize::from(commit.is_done)];
        self.commits.get_or_create(&[("result", result.into())]).inc();
        self.commit_seconds.observe(commit.took.as_secs_f64());
        self.commit_writes.observe(f64::from(u32::try_from(commit.writes).unwrap_or(u32::MAX)));
    }
}

fn failure_label(failure: &CallFailure) -> &'static str {
    match failure {
        CallFailure::NotSent { .. } => "not_sent",
        CallFailure::InDoubt { .. } => "no_answer",
        CallFailure::NoFixture { .. } => "no_fixture",
    }
}
