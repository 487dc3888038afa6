//! The requests of the SQLite store: runs each call on the writer thread or a reader connection.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::leases::{self, Nodes};
use super::traffic::at_one_moment;
use super::{SqliteStore, claim, decide, due_times, joint, purge, request_read, request_write};
use crate::request::{Attempt, Cas, Event, Family, JointCall, Order, ProvisioningRequest};
use crate::store::policy::DueShift;
use crate::store::{
    AttemptCommit, CommitResult, DateStep, DeviceKind, Lease, LeasedCall, LeasedRequest, MostCards, NodeId, Purged,
    RecordKey, RequestQuery, RequestStore, SentAttempt, StoreError, Submission, SubmitResult,
};

impl SqliteStore {
    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RequestStore for SqliteStore {
    async fn submit(&self, batch: Vec<Submission>) -> Result<Vec<SubmitResult>, StoreError> {
        let rows = batch.into_iter().map(request_write::Row::new).collect::<Result<Vec<_>, _>>()?;
        self.writer.write(move |db| rows.iter().map(|row| request_write::submit_request(db, row)).collect()).await
    }

    async fn claim_requests(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        node: &NodeId,
        systems: &[Cas],
        most_cards: &MostCards,
    ) -> Result<Vec<LeasedCall>, StoreError> {
        let (node, systems, most_cards) = (node.clone(), systems.to_vec(), most_cards.clone());
        let secrets = self.writer.secrets();
        self.writer
            .write(move |db| claim::claim_requests(db, now, limit, (&node, &systems, &most_cards), &secrets))
            .await
    }

    async fn begin_joint_call(&self, call: Arc<JointCall>, leases: Vec<(i64, Lease)>) -> Result<bool, StoreError> {
        self.writer.write(move |db| joint::begin_joint_call(db, &call, &leases)).await
    }

    async fn commit_attempts(&self, batch: Vec<AttemptCommit>) -> Result<Vec<CommitResult>, StoreError> {
        let (batch, secrets) = (Arc::new(batch), self.writer.secrets());
        self.writer.write_surely(move |db| request_write::commit_attempts(db, &batch, &secrets)).await
    }

    async fn renew_leases(&self, node: &NodeId, lease_time: Duration) -> Result<bool, StoreError> {
        Ok(self.nodes().renew(node, lease_time))
    }

    async fn take_over_requests(&self, node: &NodeId, limit: usize) -> Result<Vec<LeasedRequest>, StoreError> {
        let Some(alive) = self.nodes().find_dead() else { return Ok(Vec::new()) };
        let (owners, node) = (alive.clone(), node.clone());
        let taken = self.writer.write(move |db| leases::take_over_requests(db, &owners, &node, limit)).await?;
        if taken.is_empty() {
            self.nodes().note_taken_over(&alive);
        }
        Ok(taken)
    }

    async fn decide_request(&self, number: i64, order: Order) -> Result<ProvisioningRequest, StoreError> {
        let secrets = self.writer.secrets();
        self.writer.write(move |db| decide::decide_request(db, number, &order, &secrets)).await
    }

    async fn find_last_change(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.readers.read_surely(due_times::find_last_change).await
    }

    async fn shift_due_times(&self, step: DateStep) -> Result<usize, StoreError> {
        let shift = DueShift::from(step);
        self.writer.write(move |db| due_times::shift_due_times(db, &shift)).await
    }

    async fn find_next_due(&self, systems: &[Cas]) -> Result<Option<DateTime<Utc>>, StoreError> {
        let systems = systems.to_vec();
        self.readers.read_surely(move |db| claim::find_next_due(db, &systems)).await
    }

    async fn purge_requests(&self, before: DateTime<Utc>, from: i64) -> Result<Purged, StoreError> {
        self.writer.write(move |db| purge::purge_requests(db, before, from)).await
    }

    async fn find_request(
        &self,
        family: Option<Family>,
        key: RecordKey,
    ) -> Result<Option<ProvisioningRequest>, StoreError> {
        self.readers.read(move |db| at_one_moment(db, async |_| request_read::find_request(db, family, &key))).await
    }

    async fn list_requests(&self, query: RequestQuery) -> Result<Vec<ProvisioningRequest>, StoreError> {
        self.readers.read(move |db| request_read::list_requests(db, &query)).await
    }

    async fn count_requests(&self, query: RequestQuery) -> Result<u64, StoreError> {
        self.readers.read(move |db| request_read::count_requests(db, &query)).await
    }

    async fn list_devices(&self, kind: DeviceKind, most: u64) -> Result<Vec<String>, StoreError> {
        self.readers.read(move |db| request_read::list_devices(db, kind, most)).await
    }

    async fn list_attempts(&self, number: i64) -> Result<Vec<Attempt>, StoreError> {
        self.readers.read(move |db| request_read::list_attempts(db, number)).await
    }

    async fn list_events(&self, number: i64) -> Result<Vec<Event>, StoreError> {
        self.readers.read(move |db| request_read::list_events(db, number)).await
    }

    async fn list_sent_attempts(
        &self,
        since: DateTime<Utc>,
        card: Option<String>,
        limit: u64,
    ) -> Result<Vec<SentAttempt>, StoreError> {
        self.readers.read(move |db| request_read::list_sent_attempts(db, since, card.as_deref(), limit)).await
    }
}
