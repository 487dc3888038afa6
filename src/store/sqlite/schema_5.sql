-- Version 5: bodies of exchanges are packed, what all exchanges take is counted, and a secret's hash is forgotten with the
-- secret. A released migration is never edited.

ALTER TABLE exchange ADD COLUMN request_is_packed INTEGER NOT NULL DEFAULT 0; -- its body is in gzip
ALTER TABLE exchange ADD COLUMN answer_is_packed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exchange ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0; -- that it takes
UPDATE exchange SET bytes = 256 + length(path) + length(request_headers) + length(answer_headers)
    + length(request_body) + length(answer_body);

-- One row: what all exchanges take together, whoever adds or deletes some.
CREATE TABLE exchange_total (bytes INTEGER NOT NULL) STRICT;
INSERT INTO exchange_total SELECT coalesce(sum(bytes), 0) FROM exchange;
CREATE TRIGGER exchange_added AFTER INSERT ON exchange BEGIN
    UPDATE exchange_total SET bytes = bytes + new.bytes;
END;
CREATE TRIGGER exchange_deleted AFTER DELETE ON exchange BEGIN
    UPDATE exchange_total SET bytes = bytes - old.bytes;
END;

-- A hash of the key and the secret in the body, until the request has ended; content is without the secret from here on.
ALTER TABLE idempotency_key ADD COLUMN secret BLOB;
CREATE INDEX idempotency_key_secret ON idempotency_key (number) WHERE secret IS NOT NULL;
