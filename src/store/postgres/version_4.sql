-- Version 4: the answer to a joint call stands once, not with each of its requests. A node of version 3 goes on writing it with
-- each, and does not show it where it stands once.

ALTER TABLE joint_call ADD COLUMN response TEXT; -- the answer, which all of them show
