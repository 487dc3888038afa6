-- The tables of PostgreSQL, version 2. Their columns are those of SQLite's tables; tables for several nodes stand at the
-- end. Times are milliseconds since 1970, UTC.

CREATE TABLE store_version (version BIGINT NOT NULL);
INSERT INTO store_version VALUES (2);

-- Users are never deleted (records name them); removed_at ends one.
CREATE TABLE "user" (
    id TEXT COLLATE "C" PRIMARY KEY,
    username TEXT COLLATE "C" NOT NULL,
    person_name TEXT,
    email TEXT,
    role TEXT NOT NULL,
    unit TEXT NOT NULL, -- JSON
    password_hash TEXT NOT NULL,
    removed_at BIGINT
);
CREATE UNIQUE INDEX user_username ON "user" (username) WHERE removed_at IS NULL;

CREATE TABLE token (
    hash BYTEA PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES "user" (id),
    expires_at BIGINT NOT NULL
);
CREATE INDEX token_expires_at ON token (expires_at);

CREATE TABLE api_key (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    user_id TEXT NOT NULL REFERENCES "user" (id),
    hash BYTEA NOT NULL UNIQUE
);

CREATE TABLE catalogue (
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    alternative_code TEXT,
    ca_id TEXT,
    distribution_id TEXT,
    PRIMARY KEY (kind, id)
);
CREATE UNIQUE INDEX catalogue_name ON catalogue (kind, name);
CREATE INDEX catalogue_alternative_code ON catalogue (kind, alternative_code) WHERE alternative_code IS NOT NULL;
CREATE INDEX catalogue_ca_id ON catalogue (kind, ca_id) WHERE ca_id IS NOT NULL;

-- One row per provisioning request. The columns up to created_at are written once; raw_body is deleted when the request
-- has ended.
CREATE TABLE request (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    family TEXT NOT NULL,
    cas TEXT NOT NULL, -- the CA system of the family
    type TEXT NOT NULL,
    priority TEXT NOT NULL,
    process_immediately BOOLEAN,
    scheduled_at BIGINT NOT NULL,
    items TEXT NOT NULL, -- JSON: [[id, name, value], …]
    cards TEXT NOT NULL, -- JSON: the smartcards that the request touches
    subscription TEXT,
    body TEXT, -- the SOAP request, rendered once and sent as it stands; a secret is masked; NULL where there are parts
    raw_body TEXT, -- the SOAP request with its secret, which body masks; sent in place of body
    api_call TEXT, -- JSON: the client's call, without token, its secret masked
    rejection TEXT, -- JSON: why the request is rejected without being sent
    correlation TEXT, -- JSON: X-Request-Id and trace of the call
    sequence_number BIGINT NOT NULL,
    created_by TEXT NOT NULL REFERENCES "user" (id),
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    ready_at BIGINT NOT NULL, -- scheduled_at, or the time of the next attempt
    lease_owner TEXT, -- the node that works on the request now
    lease_token BIGINT NOT NULL DEFAULT 0, -- the token of the last lease; ascends
    waits_for BIGINT, -- the number of the request that blocks this request until it changes
    in_doubt TEXT, -- RESOLVING, NEEDS_OPERATOR, RETRY_ORDERED or EARLIER: sent, and the outcome is not known
    resolve_until BIGINT, -- with RESOLVING: when the time to resolve ends
    attempts BIGINT NOT NULL DEFAULT 0,
    sent BOOLEAN NOT NULL DEFAULT FALSE,
    executed_at BIGINT,
    updated_at BIGINT NOT NULL,
    reference_number TEXT,
    result TEXT, -- JSON: the result of a query, from its answer
    failure TEXT, -- JSON
    process_name TEXT NOT NULL,
    process_id TEXT,
    parts BIGINT NOT NULL DEFAULT 0 -- the number of calls that the request is sent in, each with a row in part; 0 for a single call
);
CREATE INDEX request_waiting ON request (cas, priority, ready_at, number)
    WHERE state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS DISTINCT FROM 'NEEDS_OPERATOR';
CREATE INDEX request_leased ON request (number) WHERE lease_owner IS NOT NULL;
CREATE INDEX request_in_doubt ON request (in_doubt, number) WHERE in_doubt IS NOT NULL;
CREATE INDEX request_waits_for ON request (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX request_filter ON request (family, state, type, number);
CREATE INDEX request_reference ON request (reference_number, number) WHERE reference_number IS NOT NULL;

-- Which cards and boxes a request touches, for the list filters. The last row of a card outlives its request.
CREATE TABLE request_device (
    kind TEXT COLLATE "C" NOT NULL, -- 'card' or 'stb'
    ca_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    sequence_number BIGINT NOT NULL,
    PRIMARY KEY (kind, ca_id, number)
);

-- The devices of rejected requests, which are few: they lead a list of a device's rejections to its rows.
CREATE TABLE rejected_device (
    kind TEXT COLLATE "C" NOT NULL,
    ca_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (kind, ca_id, number)
);

-- The requests that wait for each card of a CA system; due is when a request begins to block later requests for the card.
CREATE TABLE card_queue (
    card TEXT COLLATE "C" NOT NULL,
    cas TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    due BIGINT NOT NULL,
    PRIMARY KEY (card, cas, number)
);

-- The request that holds a card: under way, or in doubt and being resolved. A request is never in card_lock and
-- card_queue at once. The key prevents two calls for one card at the same time, even if the code were wrong.
CREATE TABLE card_lock (
    card TEXT COLLATE "C" NOT NULL,
    cas TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (card, cas)
);

CREATE INDEX rejected_device_number ON rejected_device (number);

-- One row per call of a request that is sent in several calls. The columns before state are written once; raw_body is
-- deleted when the request has ended.
CREATE TABLE part (
    number BIGINT NOT NULL REFERENCES request (number),
    part BIGINT NOT NULL, -- counted from 1
    cards TEXT NOT NULL, -- JSON
    body TEXT NOT NULL,
    raw_body TEXT,
    state TEXT NOT NULL, -- PENDING, IN_DOUBT, COMPLETED or REJECTED
    attempts BIGINT NOT NULL DEFAULT 0,
    reference_number TEXT,
    failure TEXT, -- JSON
    leaves_doubt BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (number, part)
);
CREATE INDEX part_reference ON part (reference_number, number) WHERE reference_number IS NOT NULL;

-- One row per attempt.
CREATE TABLE attempt (
    number BIGINT NOT NULL REFERENCES request (number),
    attempt BIGINT NOT NULL,
    part BIGINT, -- the part of the request that the attempt sent
    started_at BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    timings TEXT, -- JSON: the timings of the call
    sent BOOLEAN NOT NULL,
    http_status BIGINT,
    error TEXT,
    response TEXT,
    content_type TEXT, -- of the response
    PRIMARY KEY (number, attempt)
);
-- Attempts in the order in which they ended, which is nearly the order in which they are written.
CREATE INDEX attempt_ended_at ON attempt ((started_at + duration_ms));

-- The events of a request that are not attempts.
CREATE TABLE event (
    number BIGINT NOT NULL REFERENCES request (number),
    event BIGINT NOT NULL, -- counted from 1
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    "user" TEXT,
    text TEXT,
    duration_ms BIGINT,
    http_status BIGINT,
    request TEXT,
    response TEXT,
    PRIMARY KEY (number, event)
);

-- The Idempotency-Keys of users, as hashes; content is a hash of the key and the body without its secret.
CREATE TABLE idempotency_key (
    key BYTEA PRIMARY KEY,
    content BYTEA NOT NULL,
    secret BYTEA, -- a hash of the key and the secret, until the request has ended
    number BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idempotency_key_expires_at ON idempotency_key (expires_at);
CREATE INDEX idempotency_key_secret ON idempotency_key (number) WHERE secret IS NOT NULL;

-- One row per exchange of a client with upstream.
CREATE TABLE exchange (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    timings TEXT, -- JSON: the timings of the call
    path TEXT NOT NULL,
    "user" TEXT, -- the user that the client signed in as
    error TEXT,
    error_type TEXT, -- an error type of RFC 9209, 2.3; NULL with an error if the client left
    status BIGINT, -- with reason: of upstream's answer, if an answer came
    reason TEXT,
    operation TEXT, -- with cards and fault: the subject of the exchange, as far as known
    cards TEXT NOT NULL, -- JSON: CA IDs
    fault TEXT,
    bytes BIGINT NOT NULL, -- the bytes that the exchange takes
    request_is_truncated BOOLEAN NOT NULL,
    answer_is_truncated BOOLEAN NOT NULL,
    request_is_packed BOOLEAN NOT NULL, -- request_body is in gzip
    answer_is_packed BOOLEAN NOT NULL,
    request_headers TEXT NOT NULL, -- JSON: [[name, value], …]
    answer_headers TEXT NOT NULL, -- JSON
    request_body BYTEA NOT NULL,
    answer_body BYTEA NOT NULL
);

-- The smartcards of exchanges: a search for a card finds its exchanges among many.
CREATE TABLE exchange_card (
    card TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (card, number)
);

-- The notes of operators about exchanges. Rows of both tables are deleted with their exchange.
CREATE TABLE exchange_note (
    number BIGINT NOT NULL,
    note BIGINT NOT NULL, -- counted from 1
    at BIGINT NOT NULL,
    "user" TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (number, note)
);

-- The last numbers of requests and of exchanges. A transaction that takes numbers updates the row, and so locks it until its
-- commit: numbers become visible in order. bytes is the size of all exchanges together.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    bytes BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counter VALUES ('request', 0, 0), ('exchange', 0, 0);

-- One row per card that a request ever named. A transaction that changes a card's rows in card_queue or card_lock has locked
-- the card's row here before, and the rows of several cards in order.
CREATE TABLE card (
    card TEXT COLLATE "C" PRIMARY KEY,
    sequence_number BIGINT NOT NULL -- the number of the card's last request in its sequence
) WITH (fillfactor = 80);

-- One row per life of a gateway. A node that sees the beat unchanged for lease_ms, by its own steady clock, marks the
-- node dead.
CREATE TABLE node (
    id TEXT PRIMARY KEY,
    beat BIGINT NOT NULL DEFAULT 0,
    lease_ms BIGINT NOT NULL,
    is_dead BOOLEAN NOT NULL DEFAULT FALSE,
    seen_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);

-- One row per transaction of the last day: after a lost answer to a commit, the row tells that the commit was made.
CREATE TABLE commit_token (
    token BYTEA PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX commit_token_at ON commit_token (at);

-- The last step of the server's date, as the first node noticed it: the other nodes then do not shift the due times again.
CREATE TABLE date_step (
    noticed_at TIMESTAMPTZ NOT NULL,
    by_ms BIGINT NOT NULL
);

-- The calls left to each user for now, at all nodes together. allowance and sign_in are not in the log: after a crash of the
-- server, or on another server, they are empty.
CREATE UNLOGGED TABLE allowance (
    user_id TEXT COLLATE "C" PRIMARY KEY,
    calls DOUBLE PRECISION NOT NULL, -- negative: more calls were made than allowed
    filled_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);

-- Attempts to sign in, by hashes of name and address, of the name, and of the address.
CREATE UNLOGGED TABLE sign_in (
    key BYTEA PRIMARY KEY,
    failures BIGINT NOT NULL, -- since the last success
    failed_at TIMESTAMPTZ,
    succeeded_at TIMESTAMPTZ
);
