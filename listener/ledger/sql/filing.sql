-- From an accepted entry to a case and its deliveries.

-- name: due_entries
SELECT e.id, length(r.octets) FROM entries AS e INDEXED BY entries_due JOIN raw AS r ON r.id = e.raw
WHERE e.state = 'accepted' ORDER BY e.epoch, e.id;

-- name: due_entry
SELECT e.account, e.folder, e.received_at, e.epoch, e.attempts, r.octets, e.released, e.accepted_at FROM entries AS e JOIN raw AS r ON r.id = e.raw
WHERE e.id = ?;

-- name: parse_attempted
UPDATE entries SET attempts = attempts + 1 WHERE id = :id AND state = 'accepted' RETURNING attempts;

-- name: parses_given_up
UPDATE entries SET attempts = attempts - 1
WHERE id IN (SELECT value FROM json_each(:entries)) AND state = 'accepted' AND attempts > 0;

-- name: to_file
SELECT e.id, e.account, e.state, r.digest, e.provider_id FROM json_each(?) AS wanted
CROSS JOIN entries AS e ON e.id = wanted.value JOIN raw AS r ON r.id = e.raw;

-- name: filed_in
SELECT case_id FROM messages WHERE entry = ?;

-- name: set_states
UPDATE entries SET state = :state, reason = :reason WHERE id IN (SELECT value FROM json_each(:entries));

-- name: insert_message
INSERT INTO messages (entry, case_id, message_id, kind, subject, sender, body, standing) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (entry) DO UPDATE
SET case_id = excluded.case_id, message_id = excluded.message_id, kind = excluded.kind, subject = excluded.subject,
    sender = excluded.sender, body = excluded.body, standing = excluded.standing;

-- name: held_by_header
SELECT id FROM entries WHERE account = ? AND folder = ? AND unique_id = ? AND extent = 'header';

-- name: insert_message_id
INSERT INTO message_ids (account, message_id, entry, case_id) VALUES (?, ?, ?, ?);

-- name: insert_attachment
INSERT OR REPLACE INTO attachments (entry, position, filename, content_type, size, sha256, content_id, disposition)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_participant
INSERT INTO participants (case_id, address, name, role) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: line_busy
SELECT EXISTS (SELECT 1 FROM deliveries WHERE case_id = ? AND hook = ? AND state = 'due');

-- name: insert_delivery
INSERT INTO deliveries (entry, case_id, account, hook, idempotency_key, state, due_at) VALUES (?, ?, ?, ?, ?, 'due', ?);
