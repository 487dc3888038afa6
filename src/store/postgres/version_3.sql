-- Version 3: requests of the same content may be sent in one call.

ALTER TABLE request
    ADD COLUMN joint_key BYTEA, -- shared by requests that may join a call; NULL, like joint_fields, for a request sent alone or ended
    ADD COLUMN joint_fields TEXT, -- JSON: all values of the SOAP request except the cards
    ADD COLUMN joint_call TEXT; -- the joint call that the request is under way in; '' until the call is stored, before it is sent
CREATE INDEX request_joint ON request (joint_key, ready_at, number)
    WHERE joint_key IS NOT NULL AND state = 'PENDING' AND lease_owner IS NULL AND waits_for IS NULL AND in_doubt IS NULL;
ALTER TABLE attempt ADD COLUMN joint_call TEXT; -- the joint call of the attempt

-- One row per joint call; deleted with its last request.
CREATE TABLE joint_call (
    id TEXT COLLATE "C" PRIMARY KEY,
    numbers TEXT NOT NULL, -- JSON: the requests, in the order of their cards in the call
    body TEXT NOT NULL
);
