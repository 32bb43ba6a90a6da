-- The ledger, version 5: admin. Who may use the API, and who ordered what.

CREATE TABLE api_tokens (
  id         TEXT PRIMARY KEY,         -- the part of the token that is no secret; says which digest to compare with
  name       TEXT NOT NULL,
  scope      TEXT NOT NULL CHECK (scope IN ('read', 'full')),
  digest     BLOB NOT NULL CHECK (length(digest) = 32),      -- SHA-256 of the whole token; the token itself is nowhere
  created_at REAL NOT NULL,
  revoked_at REAL                      -- null: valid
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at      REAL NOT NULL,
  who     TEXT NOT NULL,               -- the token's name, or the way in: control socket, command line
  action  TEXT NOT NULL,               -- the verb
  target  TEXT NOT NULL,               -- what it is about: an account, a message's number, a token's name …
  outcome TEXT NOT NULL CHECK (outcome IN ('ordered', 'refused')),
  detail  TEXT NOT NULL                -- JSON
) STRICT;
CREATE INDEX audit_by_who ON audit (who, id);
CREATE INDEX audit_by_action ON audit (action, id);

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_never_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- --- what the lists are searched by ----------------------------------------------------------------------------------

-- The words of subjects and senders. No trigger fills these tables (with trusted_schema = 0 none may), nor does filing: the daemon
-- reads the history since `text_state.event` soon after, a little at a time.
CREATE VIRTUAL TABLE messages_text USING fts5 (
  subject, sender, tokenize = 'unicode61 remove_diacritics 2', prefix = '3', columnsize = 0);
CREATE VIRTUAL TABLE cases_text USING fts5 (
  subject, requester, tokenize = 'unicode61 remove_diacritics 2', prefix = '3', columnsize = 0);
CREATE TABLE text_state (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  event INTEGER NOT NULL               -- the last event whose message's words were read
) STRICT;
INSERT INTO text_state (id, event) VALUES (1, 0);

-- What changed without an event of its own, or is gone: its words are to be read again, or forgotten.
CREATE TABLE text_due (
  list TEXT NOT NULL CHECK (list IN ('messages', 'cases')),
  id   INTEGER NOT NULL,               -- messages.entry or cases.number
  PRIMARY KEY (list, id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER messages_text_gone AFTER DELETE ON messages
BEGIN INSERT OR IGNORE INTO text_due VALUES ('messages', OLD.entry); END;
CREATE TRIGGER cases_text_gone AFTER DELETE ON cases
BEGIN INSERT OR IGNORE INTO text_due VALUES ('cases', OLD.number); END;
CREATE TRIGGER cases_text_changed AFTER UPDATE OF subject, requester ON cases
WHEN OLD.subject <> NEW.subject OR OLD.requester <> NEW.requester
BEGIN INSERT OR IGNORE INTO text_due VALUES ('cases', NEW.number); END;

CREATE INDEX messages_by_kind ON messages (kind, entry);
CREATE INDEX entries_by_time ON entries (coalesce(received_at, accepted_at), id);
CREATE INDEX cases_by_status ON cases (status, number);
