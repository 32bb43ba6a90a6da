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
