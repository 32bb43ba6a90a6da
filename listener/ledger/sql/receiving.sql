-- What receivers ask and write. Parameters by name.

-- name: baselines
SELECT folder, sync_state, received_at FROM baselines WHERE account = :account;

-- name: baseline
SELECT sync_state, received_at FROM baselines WHERE account = :account AND folder = :folder;

-- name: insert_baseline
INSERT INTO baselines (account, folder, sync_state, received_at) VALUES (:account, :folder, :sync_state, :received_at)
ON CONFLICT (account, folder) DO NOTHING;

-- name: account_begins
INSERT INTO accounts (id, started_at) VALUES (:account, :now)
ON CONFLICT (id) DO UPDATE SET started_at = coalesce(accounts.started_at, excluded.started_at);

-- name: insert_present
INSERT INTO entries (account, folder, unique_id, extent, state, reason, epoch, accepted_at)
VALUES (?, ?, ?, 'none', 'ignored', 'before_baseline', ?, ?)
ON CONFLICT (account, folder, unique_id) DO NOTHING;

-- name: sync_states
SELECT folder, sync_state FROM sync_states WHERE account = :account AND sync_state IS NOT NULL;

-- name: folder
SELECT sync_state, generation, resetting FROM sync_states WHERE account = :account AND folder = :folder;

-- name: set_folder
INSERT INTO sync_states (account, folder, sync_state, generation, resetting)
VALUES (:account, :folder, :sync_state, :generation, :resetting)
ON CONFLICT (account, folder) DO UPDATE
SET sync_state = excluded.sync_state, generation = excluded.generation, resetting = excluded.resetting;

-- name: known
SELECT e.unique_id, e.id, e.extent, e.state, e.reason, e.owed, e.refetch, e.generation, e.gone, e.received_at, e.provider_id
FROM json_each(:unique_ids) AS listed
CROSS JOIN entries AS e ON e.account = :account AND e.folder = :folder AND e.unique_id = listed.value;

-- name: by_provider_id
SELECT id, generation FROM entries
WHERE account = :account AND provider_id = :provider_id AND folder = :folder LIMIT :most;

-- name: by_message_id
SELECT e.id, e.generation FROM (
  SELECT entry FROM message_ids WHERE account = :account AND message_id = :message_id ORDER BY entry DESC LIMIT :most
) AS found
CROSS JOIN entries AS e ON e.id = found.entry
WHERE e.folder = :folder AND e.size = :size AND e.received_at = :received_at;

-- name: last_ids
SELECT coalesce((SELECT max(id) FROM entries), 0), coalesce((SELECT max(id) FROM raw), 0);

-- name: contents
SELECT r.digest, r.id, r.octets IS NULL, coalesce(e.id, 0), coalesce(e.folder, ''), coalesce(e.generation, 0)
FROM raw AS r
LEFT JOIN entries AS e ON e.raw = r.id AND e.account = ? AND e.extent = 'whole' AND e.duplicate_of IS NULL
WHERE r.digest IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                   ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_raw
INSERT INTO raw (id, digest, octets) VALUES (?, ?, ?);

-- name: restore_raw
UPDATE raw SET octets = ? WHERE id = ?;

-- name: stale_duplicate
SELECT id FROM entries
WHERE duplicate_of = :original AND generation < :generation AND folder = :folder LIMIT 1;

-- name: insert_entry
INSERT INTO entries (id, account, folder, unique_id, provider_id, size, received_at, generation, extent, raw,
                     state, reason, duplicate_of, owed, refetch, epoch, accepted_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: displace
UPDATE entries SET unique_id = unique_id || ' displaced ' || id, owed = 0 WHERE id = :id;

-- name: rebind
UPDATE entries SET unique_id = :unique_id, gone = 0, received_at = coalesce(:received_at, received_at), provider_id = coalesce(:provider_id, provider_id),
                   generation = :generation, owed = CASE WHEN :acknowledged THEN 0 ELSE :owe AND extent = 'whole' END
WHERE id = :id;

-- name: renew
UPDATE entries SET generation = :generation WHERE id = :id;

-- name: fill
UPDATE entries SET extent = 'whole', raw = :raw, refetch = 0, owed = :owed, epoch = :epoch, attempts = 0,
                   state = 'accepted', reason = '', duplicate_of = :duplicate_of, size = :size, received_at = coalesce(:received_at, received_at)
WHERE id = :id;

-- name: fill_duplicate
UPDATE entries SET state = 'ignored', reason = 'duplicate' WHERE id = :id;

-- name: fill_header
UPDATE entries SET extent = 'header', raw = :raw WHERE id = :id;

-- name: quarantine_again
UPDATE entries SET state = 'quarantined', reason = :reason, refetch = 0 WHERE id = :id;

-- name: confirm
UPDATE entries SET owed = 0, gone = ? WHERE account = ? AND folder = ? AND unique_id = ? AND owed = 1;

-- name: owed
SELECT folder, unique_id FROM entries INDEXED BY entries_owed WHERE account = :account AND owed = 1 ORDER BY id LIMIT :most OFFSET :passed;

-- name: released
SELECT folder, unique_id, size, received_at, provider_id FROM entries INDEXED BY entries_released
WHERE account = :account AND refetch = 1 AND state = 'quarantined' AND unique_id NOT GLOB 'moved [0-9]*'
ORDER BY id LIMIT :most;

-- name: newest
SELECT id, account, CASE extent WHEN 'whole' THEN coalesce(size, 0) ELSE 0 END, accepted_at FROM entries
WHERE id < :below ORDER BY id DESC LIMIT :most;

-- name: fetch_attempted
INSERT INTO fetch_attempts (account, folder, unique_id, attempts) VALUES (:account, :folder, :unique_id, 1)
ON CONFLICT (account, folder, unique_id) DO UPDATE SET attempts = attempts + 1
RETURNING attempts;

-- name: any_fetch_attempts
SELECT EXISTS (SELECT 1 FROM fetch_attempts WHERE account = :account);

-- name: forget_fetch_attempts
DELETE FROM fetch_attempts WHERE account = ? AND folder = ? AND unique_id = ?;
