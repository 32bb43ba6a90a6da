-- What comes too fast from one sender: counted, held, and released in order.

-- name: arrivals
SELECT wanted.value ->> 0, wanted.value ->> 1, a.at FROM json_each(?) AS wanted
CROSS JOIN arrivals AS a
ON a.account = wanted.value ->> 0 AND a.sender = wanted.value ->> 1 AND a.at > wanted.value ->> 2 AND a.at < wanted.value ->> 3;

-- name: held_back
SELECT wanted.value ->> 0, wanted.value ->> 1 FROM json_each(?) AS wanted
WHERE EXISTS (SELECT 1 FROM held AS h WHERE h.account = wanted.value ->> 0 AND h.sender = wanted.value ->> 1);

-- name: insert_arrival
INSERT INTO arrivals (account, sender, at, until) VALUES (?, ?, ?, ?);

-- name: forget_arrivals
DELETE FROM arrivals WHERE id < (SELECT min(id) FROM arrivals) + :most AND until <= :now;

-- name: insert_held
INSERT INTO held (entry, account, sender) VALUES (?, ?, ?);

-- name: hold
INSERT INTO floods (account, sender, since, due_at) VALUES (:account, :sender, :now, :due_at)
ON CONFLICT (account, sender) DO UPDATE
SET due_at = CASE WHEN floods.since + :longest <= :now THEN floods.due_at
  ELSE min(max(floods.due_at, excluded.due_at), floods.since + :longest) END;

-- name: due_floods
SELECT account, sender FROM floods WHERE due_at <= :now ORDER BY due_at LIMIT :most;

-- name: next_flood
SELECT min(due_at) FROM floods;

-- name: oldest_held
SELECT entry FROM held WHERE account = :account AND sender = :sender AND waiting = 1 ORDER BY entry LIMIT :most;

-- name: postpone_flood
UPDATE floods SET due_at = :due_at WHERE account = :account AND sender = :sender;

-- name: forget_flood
DELETE FROM floods WHERE account = :account AND sender = :sender;

-- name: quarantined
SELECT e.id, e.account, e.reason, m.sender FROM entries AS e LEFT JOIN messages AS m ON m.entry = e.id
WHERE e.state = 'quarantined' AND e.id > :after ORDER BY e.id LIMIT :most;

-- name: quarantined_of_account
SELECT e.id, e.account, e.reason, m.sender FROM entries AS e LEFT JOIN messages AS m ON m.entry = e.id
WHERE e.account = :account AND e.state = 'quarantined' AND e.id > :after ORDER BY e.id LIMIT :most;
