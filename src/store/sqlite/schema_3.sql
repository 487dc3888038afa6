-- Version 3: the requests that clients pass through, the way to find attempts by time, and what recording needs. A
-- released migration is never edited.

-- One row an exchange of a client with upstream. Bodies come last: whoever lists the rows does not read them.
CREATE TABLE exchange (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    path TEXT NOT NULL,
    error TEXT,
    status INTEGER, -- this and the next: of upstream's answer, if one came
    reason TEXT,
    request_is_truncated INTEGER NOT NULL,
    answer_is_truncated INTEGER NOT NULL,
    request_headers TEXT NOT NULL, -- JSON: [[name, value], …]
    answer_headers TEXT NOT NULL, -- JSON
    request_body BLOB NOT NULL,
    answer_body BLOB NOT NULL
) STRICT;

-- Attempts in the order in which they ended, which is the order in which they are written.
CREATE INDEX attempt_ended_at ON attempt (started_at + duration_ms);

ALTER TABLE request ADD COLUMN call TEXT; -- JSON: what the client called with, without token, its secret masked
ALTER TABLE attempt ADD COLUMN content_type TEXT; -- of the answer
