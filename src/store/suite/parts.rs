//! Tests of requests that are sent in several calls: which data the store keeps of each part.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{claim, moment, pairing, submit, submit_leased};
use crate::request::{Envelope, NewRequest, Outcome, Part, PartState, ProvisioningRequest, Rendered, State};
use crate::store::{AttemptCommit, CommitResult, LeasedRequest, RecordKey, Store, Submission};

/// A pairing of two cards, one call per card.
fn in_parts(created_at: DateTime<Utc>) -> Submission {
    let submission = pairing("a", created_at, true);
    let part = |card: &str| Part {
        cards: vec![card.to_owned()],
        envelope: Envelope { redacted: format!("<{card}>****"), raw: Some(format!("<{card}>4711")) },
    };
    let rendered = Some(Rendered::Parts(vec![part("a"), part("b")]));
    let cards = vec!["a".to_owned(), "b".to_owned()];
    let request = Arc::new(NewRequest { rendered, cards, ..(*submission.request).clone() });
    Submission { request, ..submission }
}

fn states(request: &ProvisioningRequest) -> Vec<PartState> {
    request.parts.iter().map(|part| part.state).collect()
}

pub(in crate::store) async fn a_request_keeps_its_lease_from_part_to_part_and_what_became_of_each(
    store: Arc<dyn Store>,
) {
    let find = async || store.find_request(None, RecordKey::Number(1)).await.unwrap().unwrap();
    let LeasedRequest { mut request, lease } = submit_leased(store.as_ref(), in_parts(moment(1))).await;
    assert_eq!(find().await.content.parts(), request.content.parts());
    for (index, keeps_lease) in [true, false].into_iter().enumerate() {
        let reference = Some(format!("R-{index}"));
        request.apply(Outcome::Completed { reference, result: None }, None, moment(2));
        let commit = AttemptCommit {
            request: request.clone(),
            lease: lease.clone(),
            keeps_lease,
            attempt: None,
            events: vec![],
        };
        let result = store.commit_attempts(vec![commit]).await.unwrap().pop();
        assert!(matches!(result, Some(CommitResult::Committed { .. })), "{result:?}");
        let (later, is_leased) = submit(store.as_ref(), pairing("b", moment(3), true)).await;
        assert!(is_leased.is_none(), "request {} waits for this one or the one before", later.number);
        if keeps_lease {
            let found = find().await;
            assert_eq!(states(&found), [PartState::Completed, PartState::Pending]);
            assert_eq!(found.envelope().and_then(|envelope| envelope.raw.as_deref()), Some("<b>4711"));
            assert_eq!(claim(store.as_ref(), moment(9), 9, &lease.owner, &[later.content.family.cas()]).await.len(), 0);
        }
    }
    let found = find().await;
    assert_eq!((found.state, states(&found)), (State::Completed, vec![PartState::Completed; 2]));
    let references: Vec<_> = found.parts.iter().map(|part| part.reference_number.as_deref()).collect();
    assert_eq!((found.reference_number.as_deref(), references), (Some("R-0"), vec![Some("R-0"), Some("R-1")]));
    assert!(found.content.parts().iter().all(|part| part.envelope.raw.is_none()), "what was sent is deleted");
}
