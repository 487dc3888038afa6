-- Version 3: requests of the same content may be sent in one call.

ALTER TABLE request
    ADD COLUMN joint_key BYTEA, -- of the requests that may be sent in one call; with joint_fields NULL for what is sent alone, and at the end
    ADD COLUMN joint_fields TEXT, -- JSON: all values of the message but the cards
    ADD COLUMN joint_call TEXT; -- the joint call that it is under way in; '' until that is stored, and so not sent
CREATE INDEX request_joint ON request (joint_key, ready_at, number)
    WHERE joint_key IS NOT NULL AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NULL;
ALTER TABLE attempt ADD COLUMN joint_call TEXT; -- that it was made in

-- One row a call for several requests; deleted with the last of them.
CREATE TABLE joint_call (
    id TEXT COLLATE "C" PRIMARY KEY,
    numbers TEXT NOT NULL, -- JSON: the requests, in the order of their cards in the call
    body TEXT NOT NULL
);
