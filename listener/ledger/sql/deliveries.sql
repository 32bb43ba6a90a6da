-- A hook's work on a message. The head of the line of a case and hook has due_at; those behind it have none.

-- name: due
SELECT id, entry, account, case_id, hook, attempts FROM deliveries
WHERE state = 'due' AND due_at IS NOT NULL AND due_at <= :now ORDER BY due_at, id;

-- name: due_of_hook
SELECT id, entry, account, case_id, hook, attempts FROM deliveries
WHERE hook = :hook AND state = 'due' AND due_at IS NOT NULL AND due_at <= :now ORDER BY due_at, id;

-- name: next_due
SELECT id, due_at FROM deliveries WHERE state = 'due' AND due_at IS NOT NULL ORDER BY due_at;

-- name: next_due_of_hook
SELECT id, due_at FROM deliveries WHERE hook = :hook AND state = 'due' AND due_at IS NOT NULL ORDER BY due_at;

-- name: begin
UPDATE deliveries SET attempts = attempts + 1 WHERE id = :id AND state = 'due' RETURNING attempts;

-- name: begun
SELECT d.id, d.entry, d.account, e.folder, d.hook, d.idempotency_key, e.received_at, m.body,
       c.id, c.subject, c.requester, c.status, c.opened_by = d.entry, r.reference, m.standing = 'unverified'
FROM deliveries AS d
JOIN entries AS e ON e.id = d.entry
JOIN messages AS m ON m.entry = d.entry
JOIN cases AS c ON c.id = d.case_id
LEFT JOIN case_references AS r ON r.case_id = d.case_id AND r.hook = d.hook
WHERE d.id = :id;

-- name: delivery
SELECT entry, case_id, account, hook, state, attempts FROM deliveries WHERE id = :id;

-- name: finish
UPDATE deliveries SET state = :state, reason = :reason, outcome = :outcome, due_at = NULL WHERE id = :id;

-- name: postpone
UPDATE deliveries SET due_at = :due_at, reason = :reason, attempts = attempts - :uncounted WHERE id = :id;

-- name: advance
UPDATE deliveries SET due_at = :now WHERE due_at IS NULL AND id = (
  SELECT min(id) FROM deliveries WHERE case_id = :case_id AND hook = :hook AND state = 'due')
AND NOT EXISTS (
  SELECT 1 FROM deliveries WHERE case_id = :case_id AND hook = :hook AND state = 'due' AND due_at IS NOT NULL);

-- name: unfinished
SELECT count(*) FILTER (WHERE state = 'due'), count(*) FILTER (WHERE state = 'dead'),
       count(*) FILTER (WHERE state = 'dead' AND reason = 'hook_removed')
FROM deliveries WHERE entry = :entry;

-- name: settle_entry
UPDATE entries SET state = :state, reason = :reason WHERE id = :entry AND state = 'filed';

-- name: set_reference
INSERT INTO case_references (case_id, hook, reference) VALUES (:case_id, :hook, :reference)
ON CONFLICT (case_id, hook) DO UPDATE SET reference = excluded.reference;

-- name: touch_case
UPDATE cases SET updated_at = :now, status = CASE WHEN :close THEN 'closed' ELSE status END,
                 closed_at = CASE WHEN :close AND status = 'open' THEN :now ELSE closed_at END
WHERE id = :case_id;

-- name: waiting
SELECT id, account, hook FROM deliveries WHERE state = 'due' AND id > :after ORDER BY id LIMIT :most;

-- name: revive
UPDATE deliveries SET state = 'due', attempts = 0, due_at = CASE WHEN EXISTS (
  SELECT 1 FROM deliveries AS line
  WHERE line.case_id = deliveries.case_id AND line.hook = deliveries.hook AND line.state = 'due') THEN NULL ELSE :now END
WHERE entry = :entry AND state = 'dead';

-- name: answered
SELECT d.idempotency_key, m.body, m.standing = 'unverified' FROM deliveries AS d JOIN messages AS m ON m.entry = d.entry WHERE d.id = :id;
