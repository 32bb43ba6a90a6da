-- What people and health checks look at. Lists are newest first and read only what they print.

-- name: entry_row
SELECT e.id, e.account, e.state, m.kind, m.message_id, m.subject, m.sender, e.received_at, m.case_id, e.reason, coalesce(e.duplicate_of, e.copy_of), m.standing
FROM entries AS e LEFT JOIN messages AS m ON m.entry = e.id WHERE e.id = ?;

-- name: newest
SELECT id FROM entries WHERE id < :before ORDER BY id DESC LIMIT :most;

-- name: newest_of_state
SELECT id FROM entries WHERE state = :state AND id < :before ORDER BY id DESC LIMIT :most;

-- name: newest_of_account
SELECT id FROM entries WHERE account = :account AND state = :state AND id < :before ORDER BY id DESC LIMIT :most;

-- name: case_row
SELECT c.number, c.id, c.account, c.subject, c.requester, c.status, c.messages, (
  SELECT r.reference FROM case_references AS r WHERE r.case_id = c.id ORDER BY r.hook LIMIT 1), c.updated_at
FROM cases AS c WHERE c.id = ?;

-- name: case_number
SELECT number FROM cases WHERE id = ?;

-- name: newest_cases
SELECT id FROM cases WHERE number < :before ORDER BY number DESC LIMIT :most;

-- name: newest_cases_of_account
SELECT id FROM cases WHERE account = :account AND number < :before ORDER BY number DESC LIMIT :most;

-- name: case_entries
SELECT entry FROM messages WHERE case_id = :case_id ORDER BY entry DESC LIMIT :most;

-- name: case_participants
SELECT address, name, role FROM participants WHERE case_id = :case_id
UNION ALL
SELECT DISTINCT r.recipient, '', 'recipient' FROM responses AS r
WHERE r.case_id = :case_id AND r.purpose IN ('automatic', 'hook') AND r.state NOT IN ('suppressed', 'failed')
AND NOT EXISTS (SELECT 1 FROM participants AS p WHERE p.case_id = :case_id AND p.address = r.recipient) LIMIT :most;

-- name: case_links
SELECT l.other, c.subject, c.status, l.kind, l.why, 'earlier', l.id FROM case_links AS l CROSS JOIN cases AS c ON c.id = l.other
WHERE l.case_id = :case_id
UNION ALL
SELECT l.case_id, c.subject, c.status, l.kind, l.why, 'later', l.id FROM case_links AS l CROSS JOIN cases AS c ON c.id = l.case_id
WHERE l.other = :case_id LIMIT :most;

-- name: case_references
SELECT hook, reference FROM case_references WHERE case_id = ? ORDER BY hook;

-- name: case_notes
SELECT d.entry, d.hook, d.outcome ->> '$.note' FROM messages AS m JOIN deliveries AS d ON d.entry = m.entry
WHERE m.case_id = ? AND d.outcome ->> '$.note' IS NOT NULL ORDER BY d.entry, d.hook;

-- name: explain
SELECT folder, unique_id, size, extent, owed, attempts, accepted_at, raw FROM entries WHERE id = ?;

-- name: has_raw
SELECT octets IS NOT NULL FROM raw WHERE id = ?;

-- name: events
SELECT at, kind, detail FROM events WHERE entry = :entry ORDER BY id DESC LIMIT :most;

-- name: account_events
SELECT id, at, kind, detail FROM events WHERE account = :account AND entry IS NULL AND id < :before ORDER BY id DESC LIMIT :most;

-- name: entry_deliveries
SELECT id, hook, state, attempts, due_at, reason, idempotency_key, outcome FROM deliveries WHERE entry = ? ORDER BY hook;

-- name: body
SELECT body FROM messages WHERE entry = ?;

-- name: raw
SELECT r.octets FROM entries AS e JOIN raw AS r ON r.id = e.raw WHERE e.id = ?;

-- name: raw_digest
SELECT r.digest FROM entries AS e JOIN raw AS r ON r.id = e.raw WHERE e.id = ?;

-- name: backlog
SELECT count(*), min(oldest) FROM (
  SELECT coalesce(received_at, accepted_at) AS oldest FROM entries WHERE account = :account AND state = 'accepted'
  UNION ALL
  SELECT coalesce(received_at, accepted_at) FROM entries WHERE account = :account AND state = 'filed');

-- name: oldest_unprocessed
SELECT 'accepted', min(coalesce(received_at, accepted_at)) FROM entries WHERE state = 'accepted'
UNION ALL SELECT 'filed', min(coalesce(received_at, accepted_at)) FROM entries WHERE state = 'filed';

-- name: counts
SELECT account, state, reason, entries FROM tallies WHERE entries > 0;

-- name: paused
SELECT id FROM accounts WHERE paused = 1;

-- name: set_paused
INSERT INTO accounts (id, paused) VALUES (:account, :paused) ON CONFLICT (id) DO UPDATE SET paused = excluded.paused;

-- name: secret
SELECT sealed FROM secrets WHERE name = ?;

-- name: set_secret
INSERT INTO secrets (name, sealed, updated_at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at;

-- name: secrets
SELECT name, sealed FROM secrets ORDER BY name;

-- name: remove_secret
DELETE FROM secrets WHERE name = ?;

-- name: probe
UPDATE fences SET probes = probes + 1 WHERE name = 'ledger';

-- name: verb_entry
SELECT account, state, reason, extent FROM entries WHERE id = ?;

-- name: set_state
UPDATE entries SET state = :state, reason = '', attempts = 0 WHERE id = :id;

-- name: want
UPDATE entries SET refetch = 1 WHERE id = :id;
