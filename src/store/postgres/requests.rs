//! The requests of the PostgreSQL store: the transaction of each call, and the news for other nodes after it.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::database::Patience::{Refuse, RefuseLate};
use super::{PostgresStore, claim, decide, due_times, joint, leases, limits, purge, request_read};
use crate::request::{Attempt, Cas, Event, Family, JointCall, Order, ProvisioningRequest, process};
use crate::store::policy::DueShift;
use crate::store::{
    AttemptCommit, CommitResult, DateStep, DeviceKind, Lease, LeasedCall, LeasedRequest, MostCards, News, NodeId,
    Purged, RecordKey, RequestQuery, RequestStore, SentAttempt, StoreError, Submission, SubmitResult,
};

/// How often a node deletes old rows of nodes, transactions and limits.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

#[async_trait]
impl RequestStore for PostgresStore {
    async fn submit(&self, batch: Vec<Submission>) -> Result<Vec<SubmitResult>, StoreError> {
        let results = self.submissions.write(batch).await?;
        if results.iter().any(|result| matches!(result, SubmitResult::New { lease: None, .. })) {
            self.news.tell(News::Work);
        }
        Ok(results)
    }

    async fn claim_requests(
        &self,
        now: DateTime<Utc>,
        limit: usize,
        node: &NodeId,
        systems: &[Cas],
        most_cards: &MostCards,
    ) -> Result<Vec<LeasedCall>, StoreError> {
        claim::claim_requests(&self.database, now, limit, (node, systems, most_cards)).await
    }

    async fn begin_joint_call(&self, call: Arc<JointCall>, leases: Vec<(i64, Lease)>) -> Result<bool, StoreError> {
        let leases = Arc::new(leases);
        let begun = self.database.write(Refuse, 1, move |transaction| {
            let (call, leases) = (Arc::clone(&call), Arc::clone(&leases));
            Box::pin(async move { joint::begin_joint_call(transaction, &call, &leases).await })
        });
        begun.await
    }

    async fn commit_attempts(&self, batch: Vec<AttemptCommit>) -> Result<Vec<CommitResult>, StoreError> {
        // The caller of an immediate request that the processing run sent may wait at another node.
        let is_waited_for = |request: &ProvisioningRequest| {
            request.content.process_immediately == Some(true) && request.process_name == process::RUN
        };
        let ended = batch.iter().filter(|commit| !commit.keeps_lease);
        let numbers = ended.map(|commit| &commit.request).filter(|request| is_waited_for(request));
        let numbers: Vec<i64> = numbers.map(|request| request.number).collect();
        let results = self.commits.write_surely(batch).await?;
        if !numbers.is_empty() {
            self.news.tell(News::Ended(numbers));
        }
        Ok(results)
    }

    async fn renew_leases(&self, node: &NodeId, lease_time: Duration) -> Result<bool, StoreError> {
        let (id, asked) = (node.clone(), Instant::now());
        let forgets = {
            let mut forgotten = self.forgotten_at.lock().unwrap_or_else(PoisonError::into_inner);
            let is_time = forgotten.is_none_or(|at| at.elapsed() > FORGET_INTERVAL);
            if is_time {
                *forgotten = Some(asked);
            }
            is_time
        };
        let renewed = self.database.write(Refuse, 1, move |transaction| {
            let id = id.clone();
            Box::pin(async move {
                if forgets {
                    leases::forget_old(transaction).await?;
                    limits::forget_old(transaction).await?;
                }
                leases::renew(transaction, &id, lease_time).await
            })
        });
        let date = renewed.await?;
        if let Some(date) = date {
            self.clock.set(date, asked, Instant::now());
        }
        Ok(date.is_some())
    }

    async fn take_over_requests(&self, node: &NodeId, limit: usize) -> Result<Vec<LeasedRequest>, StoreError> {
        let rows = self.database.read(leases::LIST_NODES, &[]).await?;
        let late = leases::find_late(&rows, &mut self.sightings.lock().unwrap_or_else(PoisonError::into_inner))?;
        let (late, node) = (Arc::new(late), node.clone());
        let taken = self.database.write(Refuse, 1, move |transaction| {
            let (late, node) = (Arc::clone(&late), node.clone());
            Box::pin(async move { leases::take_over_requests(transaction, &late, &node, limit).await })
        });
        taken.await
    }

    async fn decide_request(&self, number: i64, order: Order) -> Result<ProvisioningRequest, StoreError> {
        let decided = self.database.write(Refuse, 1, move |transaction| {
            let order = order.clone();
            Box::pin(async move { decide::decide_request(transaction, number, &order).await })
        });
        let record = decided.await?;
        // Sent at once, since a command may end right after this.
        self.news.tell_now(&self.database, vec![News::Work, News::Ended(vec![number])]).await;
        Ok(record)
    }

    async fn wait_for_news(&self) -> News {
        self.news.next().await
    }

    async fn find_last_change(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(due_times::find_last_change(&self.database).await?)
    }

    async fn shift_due_times(&self, step: DateStep) -> Result<usize, StoreError> {
        let shift = Arc::new(DueShift::from(step));
        let shifted = self.database.write(RefuseLate, 1, move |transaction| {
            let shift = Arc::clone(&shift);
            Box::pin(async move { due_times::shift_due_times(transaction, &shift).await })
        });
        shifted.await
    }

    async fn find_next_due(&self, systems: &[Cas]) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(claim::find_next_due(&self.database, systems).await?)
    }

    async fn purge_requests(&self, before: DateTime<Utc>, from: i64) -> Result<Purged, StoreError> {
        let purged = self.database.write(Refuse, 1, move |transaction| {
            Box::pin(async move { purge::purge_requests(transaction, before, from).await })
        });
        purged.await
    }

    async fn find_request(
        &self,
        family: Option<Family>,
        key: RecordKey,
    ) -> Result<Option<ProvisioningRequest>, StoreError> {
        Ok(request_read::read_request(&self.database, family, &key).await?)
    }

    async fn list_requests(&self, query: RequestQuery) -> Result<Vec<ProvisioningRequest>, StoreError> {
        request_read::list_requests(&self.database, query).await
    }

    async fn count_requests(&self, query: RequestQuery) -> Result<u64, StoreError> {
        request_read::count_requests(&self.database, query).await
    }

    async fn list_devices(&self, kind: DeviceKind, most: u64) -> Result<Vec<String>, StoreError> {
        Ok(request_read::list_devices(&self.database, kind, most).await?)
    }

    async fn list_attempts(&self, number: i64) -> Result<Vec<Attempt>, StoreError> {
        Ok(request_read::list_attempts(&self.database, number).await?)
    }

    async fn list_events(&self, number: i64) -> Result<Vec<Event>, StoreError> {
        Ok(request_read::list_events(&self.database, number).await?)
    }

    async fn list_sent_attempts(
        &self,
        since: DateTime<Utc>,
        card: Option<String>,
        limit: u64,
    ) -> Result<Vec<SentAttempt>, StoreError> {
        Ok(request_read::list_sent_attempts(&self.database, since, card.as_deref(), limit).await?)
    }
}
