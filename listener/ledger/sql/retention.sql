-- What may be let go, found by readers in windows of ascending order, and let go by the writer, which asks again.

-- name: kept_raw
SELECT id FROM raw WHERE octets IS NOT NULL AND id > :after ORDER BY id LIMIT :most;

-- name: prunable_raw
SELECT r.id FROM json_each(:window) AS w CROSS JOIN raw AS r ON r.id = w.value
WHERE r.octets IS NOT NULL AND EXISTS (SELECT 1 FROM entries WHERE raw = r.id)
AND NOT EXISTS (
  SELECT 1 FROM entries AS e WHERE e.raw = r.id AND (
    e.state NOT IN ('done', 'ignored')
    OR e.accepted_at >= CASE WHEN EXISTS (SELECT 1 FROM attachments WHERE entry = e.id) THEN :attached ELSE :plain END));

-- name: oldest_of_window
SELECT min(e.accepted_at) FROM json_each(:window) AS w CROSS JOIN entries AS e ON e.raw = w.value;

-- name: prune_raw
UPDATE raw SET octets = NULL WHERE id = :id AND octets IS NOT NULL;

-- name: old_cases
SELECT number, updated_at FROM cases WHERE (updated_at, number) > (:updated_at, :number) AND updated_at < :before
ORDER BY updated_at, number LIMIT :most;

-- name: prunable_cases
SELECT c.id FROM json_each(:window) AS w CROSS JOIN cases AS c ON c.number = w.value
WHERE c.updated_at < :before
AND NOT EXISTS (
  SELECT 1 FROM messages AS m JOIN entries AS e ON e.id = m.entry
  WHERE m.case_id = c.id AND e.state NOT IN ('done', 'ignored'))
AND NOT EXISTS (SELECT 1 FROM responses WHERE case_id = c.id AND (due_at IS NOT NULL OR state = 'sending'))
AND NOT EXISTS (SELECT 1 FROM responses AS r JOIN muted AS m ON m.response = r.id WHERE r.case_id = c.id);

-- Mail to people of ours, notifications and alerts, is in no case; rows ascend with age.

-- name: old_mails
SELECT id, created_at, purpose IN ('notification', 'alert') AND case_id IS NULL AND due_at IS NULL
       AND state NOT IN ('ready', 'sending') AND NOT EXISTS (SELECT 1 FROM muted WHERE response = responses.id)
FROM responses WHERE id > :after ORDER BY id LIMIT :most;

-- name: prune_mails
DELETE FROM responses WHERE id IN (SELECT value FROM json_each(:mails)) AND due_at IS NULL AND state NOT IN ('ready', 'sending');

-- name: gone_entries
SELECT id FROM entries WHERE gone = 1 AND id > :after ORDER BY id LIMIT :most;

-- name: oldest_of_entries
SELECT min(e.accepted_at) FROM json_each(:window) AS w CROSS JOIN entries AS e ON e.id = w.value;

-- name: prunable_entries
SELECT e.id FROM json_each(:window) AS w CROSS JOIN entries AS e ON e.id = w.value
WHERE e.gone = 1 AND e.owed = 0 AND e.state IN ('done', 'ignored') AND e.accepted_at < :before
AND NOT EXISTS (SELECT 1 FROM messages WHERE entry = e.id AND case_id IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM entries AS d WHERE d.duplicate_of = e.id)
AND NOT EXISTS (SELECT 1 FROM cases WHERE opened_by = e.id)
AND NOT EXISTS (SELECT 1 FROM responses WHERE entry = e.id)
AND NOT EXISTS (SELECT 1 FROM muted WHERE entry = e.id)
AND NOT EXISTS (SELECT 1 FROM held WHERE entry = e.id)
-- The newest ids stay, so that no id is ever given a second time.
AND e.id < (SELECT max(id) FROM entries)
AND NOT EXISTS (SELECT 1 FROM events WHERE id = (SELECT max(id) FROM events) AND entry = e.id);

-- History of accounts as a whole, and the audit: rows ascend with age; the newest stay, so that no id is ever given a second time.

-- name: old_account_events
SELECT id, at FROM events WHERE entry IS NULL AND id > :after AND id < (SELECT max(id) FROM events) ORDER BY id LIMIT :most;

-- name: old_orders
SELECT id, at FROM audit WHERE id > :after AND id < (SELECT max(id) FROM audit) ORDER BY id LIMIT :most;

-- name: move_horizon
UPDATE horizon SET at = max(at, :before);

-- name: prune_account_events
DELETE FROM events WHERE id IN (SELECT value FROM json_each(:lines)) AND entry IS NULL AND at < :before;

-- name: prune_orders
DELETE FROM audit WHERE id IN (SELECT value FROM json_each(:lines)) AND at < :before;

-- name: vacuum
PRAGMA incremental_vacuum(256);

-- name: case_numbers
SELECT number FROM cases WHERE id IN (SELECT value FROM json_each(:cases));

-- What goes with a case, in this order. Its entries stay, as keys.

-- name: case_part_deliveries
DELETE FROM deliveries WHERE entry IN (
  SELECT m.entry FROM json_each(:cases) AS c CROSS JOIN messages AS m ON m.case_id = c.value);

-- name: case_part_responses
DELETE FROM responses WHERE id IN (
  SELECT r.id FROM json_each(:cases) AS c CROSS JOIN responses AS r ON r.case_id = c.value);

-- name: case_part_attachments
DELETE FROM attachments WHERE entry IN (
  SELECT m.entry FROM json_each(:cases) AS c CROSS JOIN messages AS m ON m.case_id = c.value);

-- name: case_part_message_ids
DELETE FROM message_ids WHERE (account, message_id, entry) IN (
  SELECT e.account, m.message_id, m.entry FROM json_each(:cases) AS c
  CROSS JOIN messages AS m ON m.case_id = c.value CROSS JOIN entries AS e ON e.id = m.entry);

-- name: case_part_messages
DELETE FROM messages WHERE entry IN (
  SELECT m.entry FROM json_each(:cases) AS c CROSS JOIN messages AS m ON m.case_id = c.value);

-- name: case_part_participants
DELETE FROM participants WHERE case_id IN (SELECT value FROM json_each(:cases));

-- name: case_part_references
DELETE FROM case_references WHERE case_id IN (SELECT value FROM json_each(:cases));

-- name: case_part_itself
DELETE FROM cases WHERE id IN (SELECT value FROM json_each(:cases));

-- What goes with a key, in this order.

-- name: key_part_announced
INSERT INTO removals (entry) SELECT value FROM json_each(:entries);

-- name: key_part_attachments
DELETE FROM attachments WHERE entry IN (SELECT value FROM json_each(:entries));

-- name: key_part_messages
DELETE FROM messages WHERE entry IN (SELECT value FROM json_each(:entries));

-- name: key_part_events
DELETE FROM events WHERE entry IN (SELECT value FROM json_each(:entries));

-- name: key_part_itself
DELETE FROM entries WHERE id IN (SELECT value FROM json_each(:entries));

-- name: key_part_end
DELETE FROM removals;

-- name: key_raws
SELECT raw FROM entries WHERE id IN (SELECT value FROM json_each(:entries)) AND raw IS NOT NULL;

-- name: remove_raw
DELETE FROM raw WHERE id IN (SELECT value FROM json_each(:raws)) AND NOT EXISTS (SELECT 1 FROM entries WHERE raw = raw.id);

-- name: still_listed
UPDATE entries SET gone = 0 WHERE id IN (SELECT value FROM json_each(:entries)) AND gone = 1;
