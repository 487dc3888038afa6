-- Version 4: what an exchange of a client failed with, and who made it. A released migration is never edited.

ALTER TABLE exchange ADD COLUMN error_type TEXT; -- of RFC 9209, 2.3; NULL with an error: the client left
ALTER TABLE exchange ADD COLUMN user TEXT; -- that the client signed in as
