-- The tables of SQLite, PRAGMA user_version 14. Times are milliseconds since 1970, UTC.

-- Users are never deleted (records name them); removed_at ends one.
CREATE TABLE user (
    id TEXT PRIMARY KEY NOT NULL,
    username TEXT NOT NULL,
    person_name TEXT,
    email TEXT,
    role TEXT NOT NULL,
    unit TEXT NOT NULL, -- JSON
    password_hash TEXT NOT NULL,
    removed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX user_username ON user (username) WHERE removed_at IS NULL;

CREATE TABLE token (
    hash BLOB PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES user (id),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX token_expires_at ON token (expires_at);

CREATE TABLE api_key (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES user (id),
    hash BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE catalogue (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    alternative_code TEXT,
    ca_id TEXT,
    distribution_id TEXT,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX catalogue_name ON catalogue (kind, name);
CREATE INDEX catalogue_alternative_code ON catalogue (kind, alternative_code) WHERE alternative_code IS NOT NULL;
CREATE INDEX catalogue_ca_id ON catalogue (kind, ca_id) WHERE ca_id IS NOT NULL;

-- One row per provisioning request. The columns up to created_at are written once; raw_body is deleted when the request
-- has ended.
CREATE TABLE request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    family TEXT NOT NULL,
    cas TEXT NOT NULL, -- the CA system of the family
    type TEXT NOT NULL,
    priority TEXT NOT NULL,
    process_immediately INTEGER,
    scheduled_at INTEGER NOT NULL,
    items TEXT NOT NULL, -- JSON: [[id, name, value], …]
    cards TEXT NOT NULL, -- JSON: the smartcards that the request touches
    subscription TEXT,
    body TEXT, -- the SOAP request, rendered once and sent as it stands; a secret is masked; NULL where there are parts
    raw_body TEXT, -- the SOAP request with its secret, which body masks; sent in place of body
    api_call TEXT, -- JSON: the client's call, without token, its secret masked
    rejection TEXT, -- JSON: why the request is rejected without being sent
    correlation TEXT, -- JSON: X-Request-Id and trace of the call
    sequence_number INTEGER NOT NULL,
    created_by TEXT NOT NULL REFERENCES user (id),
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    ready_at INTEGER NOT NULL, -- scheduled_at, or the time of the next attempt
    lease_owner TEXT, -- the node that works on the request now
    lease_token INTEGER NOT NULL DEFAULT 0, -- the token of the last lease; ascends
    waits_for INTEGER, -- the number of the request that blocks this request until it changes
    in_doubt TEXT, -- RESOLVING, NEEDS_OPERATOR, RETRY_ORDERED or EARLIER: sent, and the outcome is not known
    resolve_until INTEGER, -- with RESOLVING: when the time to resolve ends
    attempts INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    executed_at INTEGER,
    updated_at INTEGER NOT NULL,
    reference_number TEXT,
    result TEXT, -- JSON: the result of a query, from its answer
    failure TEXT, -- JSON
    process_name TEXT NOT NULL,
    process_id TEXT,
    parts INTEGER NOT NULL DEFAULT 0, -- the number of calls that the request is sent in, each with a row in part; 0 for a single call
    joint_key BLOB, -- shared by requests that may join a call; NULL, like joint_fields, for a request sent alone or ended
    joint_fields TEXT, -- JSON: all values of the SOAP request except the cards
    joint_call TEXT -- the joint call that the request is under way in; '' until the call is stored, before it is sent
) STRICT;
CREATE INDEX request_waiting ON request (cas, priority, ready_at, number)
    WHERE state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NOT 'NEEDS_OPERATOR';
CREATE INDEX request_joint ON request (joint_key, ready_at, number)
    WHERE joint_key IS NOT NULL AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NULL;
CREATE INDEX request_in_doubt ON request (in_doubt, number) WHERE in_doubt IS NOT NULL;
CREATE INDEX request_waits_for ON request (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX request_filter ON request (family, state, type, number);
CREATE INDEX request_reference ON request (reference_number, number) WHERE reference_number IS NOT NULL;

-- Which cards and boxes a request touches, for the list filters and for a card's sequence.
CREATE TABLE request_device (
    kind TEXT NOT NULL, -- 'card' or 'stb'
    ca_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    sequence_number INTEGER NOT NULL,
    PRIMARY KEY (kind, ca_id, number)
) STRICT, WITHOUT ROWID;

-- The devices of rejected requests, which are few: they lead a list of a device's rejections to its rows.
CREATE TABLE rejected_device (
    kind TEXT NOT NULL,
    ca_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, ca_id, number)
) STRICT, WITHOUT ROWID;

-- The requests that wait for each card of a CA system; due is when a request begins to block later requests for the card.
CREATE TABLE card_queue (
    card TEXT NOT NULL,
    cas TEXT NOT NULL,
    number INTEGER NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (card, cas, number)
) STRICT, WITHOUT ROWID;

-- The request that holds a card: under way, or in doubt and being resolved. A request is never in card_lock and
-- card_queue at once.
CREATE TABLE card_lock (
    card TEXT NOT NULL,
    cas TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (card, cas)
) STRICT, WITHOUT ROWID;

-- One row per call of a request that is sent in several calls. The columns before state are written once; raw_body is
-- deleted when the request has ended.
CREATE TABLE part (
    number INTEGER NOT NULL REFERENCES request (number),
    part INTEGER NOT NULL, -- counted from 1
    cards TEXT NOT NULL, -- JSON
    body TEXT NOT NULL,
    raw_body TEXT,
    state TEXT NOT NULL, -- PENDING, IN_DOUBT, COMPLETED or REJECTED
    attempts INTEGER NOT NULL DEFAULT 0,
    reference_number TEXT,
    failure TEXT, -- JSON
    leaves_doubt INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (number, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX part_reference ON part (reference_number, number) WHERE reference_number IS NOT NULL;

-- One row per joint call; deleted with its last request, or when its requests are given back without being sent.
CREATE TABLE joint_call (
    id TEXT PRIMARY KEY NOT NULL,
    numbers TEXT NOT NULL, -- JSON: the requests, in the order of their cards in the call
    body TEXT NOT NULL,
    response TEXT -- the answer, which all requests of the call show
) STRICT, WITHOUT ROWID;

-- One row per attempt.
CREATE TABLE attempt (
    number INTEGER NOT NULL REFERENCES request (number),
    attempt INTEGER NOT NULL,
    part INTEGER, -- the part of the request that the attempt sent
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    timings TEXT, -- JSON: the timings of the call
    sent INTEGER NOT NULL,
    http_status INTEGER,
    error TEXT,
    response TEXT, -- the answer, unless it stands in joint_call
    content_type TEXT, -- of the response
    joint_call TEXT, -- the joint call of the attempt
    PRIMARY KEY (number, attempt)
) STRICT, WITHOUT ROWID;
-- Attempts in the order in which they ended, which is the order in which they are written.
CREATE INDEX attempt_ended_at ON attempt (started_at + duration_ms);

-- The events of a request that are not attempts.
CREATE TABLE event (
    number INTEGER NOT NULL REFERENCES request (number),
    event INTEGER NOT NULL, -- counted from 1
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    user TEXT,
    text TEXT,
    duration_ms INTEGER,
    http_status INTEGER,
    request TEXT,
    response TEXT,
    PRIMARY KEY (number, event)
) STRICT, WITHOUT ROWID;

-- The Idempotency-Keys of users, as hashes; content is a hash of the key and the body without its secret.
CREATE TABLE idempotency_key (
    key BLOB PRIMARY KEY NOT NULL,
    content BLOB NOT NULL,
    secret BLOB, -- a hash of the key and the secret, until the request has ended
    number INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_key_expires_at ON idempotency_key (expires_at);
CREATE INDEX idempotency_key_secret ON idempotency_key (number) WHERE secret IS NOT NULL;

-- One row per exchange of a client with upstream. Bodies come last, so that a list need not read their pages.
CREATE TABLE exchange (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    timings TEXT, -- JSON: the timings of the call
    path TEXT NOT NULL,
    user TEXT, -- the user that the client signed in as
    error TEXT,
    error_type TEXT, -- an error type of RFC 9209, 2.3; NULL with an error if the client left
    status INTEGER, -- with reason: of upstream's answer, if an answer came
    reason TEXT,
    operation TEXT, -- with cards and fault: the subject of the exchange, as far as known
    cards TEXT NOT NULL, -- JSON: CA IDs
    fault TEXT,
    bytes INTEGER NOT NULL, -- the bytes that the exchange takes
    request_is_truncated INTEGER NOT NULL,
    answer_is_truncated INTEGER NOT NULL,
    request_is_packed INTEGER NOT NULL, -- request_body is in gzip
    answer_is_packed INTEGER NOT NULL,
    request_headers TEXT NOT NULL, -- JSON: [[name, value], …]
    answer_headers TEXT NOT NULL, -- JSON
    request_body BLOB NOT NULL,
    answer_body BLOB NOT NULL
) STRICT;

-- The smartcards of exchanges: a search for a card finds its exchanges among many.
CREATE TABLE exchange_card (
    card TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (card, number)
) STRICT, WITHOUT ROWID;

-- The notes of operators about exchanges. Rows of both tables are deleted with their exchange.
CREATE TABLE exchange_note (
    number INTEGER NOT NULL,
    note INTEGER NOT NULL, -- counted from 1
    at INTEGER NOT NULL,
    user TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (number, note)
) STRICT, WITHOUT ROWID;

-- One row: the bytes of all exchanges together, kept by the triggers.
CREATE TABLE exchange_total (bytes INTEGER NOT NULL) STRICT;
INSERT INTO exchange_total VALUES (0);
CREATE TRIGGER exchange_added AFTER INSERT ON exchange BEGIN
    UPDATE exchange_total SET bytes = bytes + new.bytes;
END;
CREATE TRIGGER exchange_deleted AFTER DELETE ON exchange BEGIN
    UPDATE exchange_total SET bytes = bytes - old.bytes;
    DELETE FROM exchange_card WHERE number = old.number AND card IN (SELECT value FROM json_each(old.cards));
    DELETE FROM exchange_note WHERE number = old.number;
END;
