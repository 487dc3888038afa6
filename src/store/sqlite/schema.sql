-- The tables, as PRAGMA user_version 14 counts them. Times are milliseconds since 1970, UTC.

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

-- One row a provisioning request. Everything up to created_at is written once, and raw_body is deleted at the end.
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
    cards TEXT NOT NULL, -- JSON: the smartcards it touches
    subscription TEXT,
    body TEXT, -- the SOAP request, rendered once and sent as it stands; a secret is masked; NULL where there are parts
    raw_body TEXT, -- what is sent in place of body, while it has a secret that body masks
    api_call TEXT, -- JSON: what the client called with, without token, its secret masked
    rejection TEXT, -- JSON: why it is rejected without being sent
    correlation TEXT, -- JSON: X-Request-Id and trace of the call
    sequence_number INTEGER NOT NULL,
    created_by TEXT NOT NULL REFERENCES user (id),
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    ready_at INTEGER NOT NULL, -- scheduled_at, or the time of the next attempt
    lease_owner TEXT, -- the node that works on it now
    lease_token INTEGER NOT NULL DEFAULT 0, -- of the last lease; ascends
    waits_for INTEGER, -- the request that blocks this one: it need not be looked at again before that one changes
    in_doubt TEXT, -- RESOLVING, NEEDS_OPERATOR, RETRY_ORDERED or EARLIER: sent, and the outcome is not known
    resolve_until INTEGER, -- with RESOLVING
    attempts INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    executed_at INTEGER,
    updated_at INTEGER NOT NULL,
    reference_number TEXT,
    result TEXT, -- JSON: what a query's answer tells
    failure TEXT, -- JSON
    process_name TEXT NOT NULL,
    process_id TEXT,
    parts INTEGER NOT NULL DEFAULT 0, -- calls that it is sent in, each with a row in part; 0 for one call
    joint_key BLOB, -- of the requests that may be sent in one call; with joint_fields NULL for what is sent alone, and at the end
    joint_fields TEXT, -- JSON: all values of the message but the cards
    joint_call TEXT -- the joint call that it is under way in; '' until that is stored, and so not sent
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

-- The devices of rejected requests, which are few: what a list of a device's rejections would otherwise look for long.
CREATE TABLE rejected_device (
    kind TEXT NOT NULL,
    ca_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, ca_id, number)
) STRICT, WITHOUT ROWID;

-- The requests that wait for each card of a CA system, and from when on each blocks later ones of the card.
CREATE TABLE card_queue (
    card TEXT NOT NULL,
    cas TEXT NOT NULL,
    number INTEGER NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (card, cas, number)
) STRICT, WITHOUT ROWID;

-- The request that has a card to itself: it is under way, or in doubt and being resolved. It does not stand in card_queue.
CREATE TABLE card_lock (
    card TEXT NOT NULL,
    cas TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (card, cas)
) STRICT, WITHOUT ROWID;

-- One row a call of a request that is sent in several. What stands before state is written once, and raw_body is deleted
-- at the end of the request.
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

-- One row a call for several requests; deleted with the last of them, or when they are given back without being sent.
CREATE TABLE joint_call (
    id TEXT PRIMARY KEY NOT NULL,
    numbers TEXT NOT NULL, -- JSON: the requests, in the order of their cards in the call
    body TEXT NOT NULL,
    response TEXT -- the answer, which all of them show
) STRICT, WITHOUT ROWID;

-- One row an attempt at sending.
CREATE TABLE attempt (
    number INTEGER NOT NULL REFERENCES request (number),
    attempt INTEGER NOT NULL,
    part INTEGER, -- that it was made at
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    timings TEXT, -- JSON: how the time of its call went by
    sent INTEGER NOT NULL,
    http_status INTEGER,
    error TEXT,
    response TEXT, -- the answer; that of a joint call stands there
    content_type TEXT, -- of the response
    joint_call TEXT, -- that it was made in
    PRIMARY KEY (number, attempt)
) STRICT, WITHOUT ROWID;
-- Attempts in the order in which they ended, which is the order in which they are written.
CREATE INDEX attempt_ended_at ON attempt (started_at + duration_ms);

-- What happened to a request beside the attempts at sending it.
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

-- Idempotency-Key of a user, by its hash; content is a hash of the key and the body without its secret.
CREATE TABLE idempotency_key (
    key BLOB PRIMARY KEY NOT NULL,
    content BLOB NOT NULL,
    secret BLOB, -- a hash of the key and the secret, until the request has ended
    number INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_key_expires_at ON idempotency_key (expires_at);
CREATE INDEX idempotency_key_secret ON idempotency_key (number) WHERE secret IS NOT NULL;

-- One row an exchange of a client with upstream. Bodies come last: whoever lists the rows does not read them.
CREATE TABLE exchange (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    timings TEXT, -- JSON: how that time went by
    path TEXT NOT NULL,
    user TEXT, -- that the client signed in as
    error TEXT,
    error_type TEXT, -- of RFC 9209, 2.3; NULL with an error: the client left
    status INTEGER, -- this and the next: of upstream's answer, if one came
    reason TEXT,
    operation TEXT, -- this and the next two: what it is about, as far as is known
    cards TEXT NOT NULL, -- JSON: CA IDs
    fault TEXT,
    bytes INTEGER NOT NULL, -- that it takes
    request_is_truncated INTEGER NOT NULL,
    answer_is_truncated INTEGER NOT NULL,
    request_is_packed INTEGER NOT NULL, -- its body is in gzip
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

-- What operators wrote down about exchanges. Both tables lose their rows with the exchange.
CREATE TABLE exchange_note (
    number INTEGER NOT NULL,
    note INTEGER NOT NULL, -- counted from 1
    at INTEGER NOT NULL,
    user TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (number, note)
) STRICT, WITHOUT ROWID;

-- One row: what all exchanges take together, whoever adds or deletes some.
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
