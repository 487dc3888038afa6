-- Version 2: doubts that are resolved by rule or by an operator, cheap lines of cards, secrets, results of queries,
-- idempotency keys. A released migration is never edited.

DROP INDEX request_waiting;
ALTER TABLE request ADD COLUMN doubt TEXT; -- RESOLVING, UNRESOLVED or ORDERED: sent, and the outcome is not known
UPDATE request SET doubt = 'UNRESOLVED' WHERE uncertain = 1;
ALTER TABLE request DROP COLUMN uncertain;
ALTER TABLE request ADD COLUMN resolve_until INTEGER; -- with RESOLVING
ALTER TABLE request ADD COLUMN wire TEXT; -- what is sent in place of body, while it has a secret that body masks
ALTER TABLE request ADD COLUMN result TEXT; -- JSON: what a query's answer tells
-- The request that this one was found waiting for: it need not be looked at again before that one changes.
ALTER TABLE request ADD COLUMN waits_for INTEGER;
CREATE INDEX request_waiting ON request (priority, ready_at, number)
    WHERE state = 'PENDING' AND lease IS NULL AND waits_for IS NULL AND doubt IS NOT 'UNRESOLVED';
CREATE INDEX request_unresolved ON request (number) WHERE doubt = 'UNRESOLVED';
CREATE INDEX request_waits_for ON request (waits_for) WHERE waits_for IS NOT NULL;

-- The request that has a card to itself: it is under way, or its doubt is being resolved. It stands here and not in
-- lane, where from now on those stand that wait; one that waits for an operator's decision is never due there.
CREATE TABLE taken (
    card TEXT PRIMARY KEY NOT NULL,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO taken
    SELECT card, number FROM lane WHERE number IN (SELECT number FROM request WHERE lease IS NOT NULL);
DELETE FROM lane WHERE EXISTS (SELECT 1 FROM taken WHERE taken.card = lane.card AND taken.number = lane.number);
INSERT OR IGNORE INTO lane
    SELECT ca_id, number, 9223372036854775807 FROM device JOIN request USING (number)
    WHERE kind = 'card' AND doubt = 'UNRESOLVED';

-- The devices of rejected requests, which are few: what a list of a device's rejections would otherwise look for long.
CREATE TABLE rejected (
    kind TEXT NOT NULL,
    ca_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, ca_id, number)
) STRICT, WITHOUT ROWID;
INSERT INTO rejected
    SELECT kind, ca_id, number FROM device JOIN request USING (number) WHERE request.state = 'REJECTED';

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

-- Idempotency-Key of a user, by its hash; content is a hash of the key and the body.
CREATE TABLE idempotency_key (
    key BLOB PRIMARY KEY NOT NULL,
    content BLOB NOT NULL,
    number INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_key_expires_at ON idempotency_key (expires_at);
