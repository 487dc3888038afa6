-- Version 3: what recording and exporting need. A released migration is never edited.

ALTER TABLE request ADD COLUMN call TEXT; -- JSON: what the client called with, without token, its secret masked
ALTER TABLE attempt ADD COLUMN content_type TEXT; -- of the answer
