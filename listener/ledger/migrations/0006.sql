-- The ledger, version 6: accounts.

-- Accounts and authentication profiles that were made in the console; those of files are never here. Their secrets are in
-- `secrets`, sealed, as account/ID/FIELD and oauth/NAME/FIELD; a profile's rotated refresh token is oauth/NAME.
CREATE TABLE kept_settings (
  kind       TEXT NOT NULL CHECK (kind IN ('account', 'oauth')),
  id         TEXT NOT NULL COLLATE NOCASE,
  version    INTEGER NOT NULL CHECK (version > 0),   -- raised by each change; an edit of an older one is refused
  settings   TEXT NOT NULL,            -- the keys of [[accounts]] or [oauth.NAME] as JSON, without secrets
  secrets    TEXT NOT NULL,            -- JSON: the secrets that are kept, each with the version it was given in
  changed_at REAL NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- Which mailbox an account's rows came from. When it becomes another one, unique ids mean nothing any more: see moving.py.
CREATE TABLE identities (
  account  TEXT PRIMARY KEY,
  mailbox  TEXT NOT NULL,              -- protocol, host and user
  moves    INTEGER NOT NULL DEFAULT 0  -- how often it became another one
) STRICT, WITHOUT ROWID;
