-- Accounts and authentication profiles made in the console, and which mailbox an account's rows came from.

-- name: all
SELECT id, version, settings, secrets, changed_at FROM kept_settings WHERE kind = :kind ORDER BY id;

-- name: one
SELECT id, version, settings, secrets, changed_at FROM kept_settings WHERE kind = :kind AND id = :id;

-- name: keep
INSERT INTO kept_settings (kind, id, version, settings, secrets, changed_at)
VALUES (:kind, :id, :version, :settings, :secrets, :changed_at)
ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, settings = excluded.settings, secrets = excluded.secrets,
                                     changed_at = excluded.changed_at;

-- name: remove
DELETE FROM kept_settings WHERE kind = :kind AND id = :id;

-- name: remove_secrets
DELETE FROM secrets WHERE name = :name OR (name >= :name || '/' AND name < :name || '0');

-- name: forget_account
DELETE FROM accounts WHERE id = ?;

-- name: pause_account
INSERT INTO accounts (id, paused) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET paused = 1;

-- name: has_history
SELECT EXISTS (SELECT 1 FROM tallies WHERE account = :id) OR EXISTS (SELECT 1 FROM baselines WHERE account = :id);

-- name: identity
SELECT mailbox, moves FROM identities WHERE account = ?;

-- name: set_identity
INSERT INTO identities (account, mailbox, moves) VALUES (:account, :mailbox, :moves)
ON CONFLICT (account) DO UPDATE SET mailbox = excluded.mailbox, moves = excluded.moves;

-- name: retire_ids
UPDATE entries SET unique_id = :prefix || unique_id, owed = 0 WHERE account = :account AND unique_id NOT GLOB 'moved [0-9]*';

-- name: restart_folders
INSERT INTO sync_states (account, folder, sync_state)
SELECT account, folder, :sync_state FROM baselines WHERE account = :account
ON CONFLICT (account, folder) DO UPDATE SET sync_state = excluded.sync_state;

-- name: forget_all_attempts
DELETE FROM fetch_attempts WHERE account = ?;
