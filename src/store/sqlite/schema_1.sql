-- Version 1. A released migration is never edited. Times are milliseconds since 1970, UTC.

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

-- One row a provisioning request. Everything up to created_at is written once.
CREATE TABLE request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    family TEXT NOT NULL,
    type TEXT NOT NULL,
    priority TEXT NOT NULL,
    process_immediately INTEGER,
    scheduled_at INTEGER NOT NULL,
    items TEXT NOT NULL, -- JSON: [[id, name, value], …]
    cards TEXT NOT NULL, -- JSON: the smartcards it touches
    subscription TEXT,
    body TEXT, -- the SOAP request, rendered once and sent as it stands
    refusal TEXT, -- JSON: why it is rejected without being sent
    sequence_number INTEGER NOT NULL,
    created_by TEXT NOT NULL REFERENCES user (id),
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    ready_at INTEGER NOT NULL, -- scheduled_at, or the time of the next attempt
    lease TEXT, -- who is sending it now: the run's id
    uncertain INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    executed_at INTEGER,
    updated_at INTEGER NOT NULL,
    reference_number TEXT,
    failure TEXT, -- JSON
    process_name TEXT NOT NULL,
    process_id TEXT
) STRICT;
CREATE INDEX request_waiting ON request (priority, ready_at, number)
    WHERE state = 'PENDING' AND lease IS NULL AND uncertain = 0;
CREATE INDEX request_filter ON request (family, state, type, number);
CREATE INDEX request_reference ON request (reference_number, number) WHERE reference_number IS NOT NULL;

-- Which cards and boxes a request touches, for the list filters and for a card's sequence.
CREATE TABLE device (
    kind TEXT NOT NULL, -- 'card' or 'stb'
    ca_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    sequence_number INTEGER NOT NULL,
    PRIMARY KEY (kind, ca_id, number)
) STRICT, WITHOUT ROWID;

-- The open requests of each card: a request is sent only when no earlier due one of its cards stands here.
CREATE TABLE lane (
    card TEXT NOT NULL,
    number INTEGER NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (card, number)
) STRICT, WITHOUT ROWID;

-- One row an attempt at sending.
CREATE TABLE attempt (
    number INTEGER NOT NULL REFERENCES request (number),
    attempt INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    http_status INTEGER,
    error TEXT,
    response TEXT,
    PRIMARY KEY (number, attempt)
) STRICT, WITHOUT ROWID;
