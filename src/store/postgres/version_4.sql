-- Version 4: the answer to a joint call is stored once, in joint_call, not with each attempt. A node of version 3 still
-- stores it with each attempt, and does not show an answer stored in joint_call.

ALTER TABLE joint_call ADD COLUMN response TEXT; -- the answer, which all requests of the call show
