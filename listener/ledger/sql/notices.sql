-- Whom to tell of cases, and what is wrong at the moment.

-- name: insert_notice
INSERT INTO notices (account, person, entry, case_id, is_new, at) VALUES (?, ?, ?, ?, ?, ?);

-- name: people
SELECT n.account, n.person, coalesce((SELECT at FROM told WHERE account = n.account AND person = n.person), 0)
FROM (SELECT DISTINCT account, person FROM notices INDEXED BY notices_by_person) AS n;

-- name: of_person
SELECT n.id, n.entry, n.case_id, n.is_new, n.at, c.subject, c.requester, m.subject, m.sender, m.body
FROM notices AS n JOIN cases AS c ON c.id = n.case_id JOIN messages AS m ON m.entry = n.entry
WHERE n.account = :account AND n.person = :person ORDER BY n.id LIMIT :most;

-- name: remove_notices
DELETE FROM notices WHERE account = :account AND person = :person AND id <= :last;

-- name: set_told
INSERT INTO told (account, person, at) VALUES (:account, :person, :now)
ON CONFLICT (account, person) DO UPDATE SET at = excluded.at;

-- name: alerts
SELECT kind, about, said, raised_at, cleared_at, hooked FROM alerts;

-- name: raise_alert
INSERT INTO alerts (kind, about, said, raised_at) VALUES (:kind, :about, :said, :now)
ON CONFLICT (kind, about) DO UPDATE SET said = excluded.said, raised_at = excluded.raised_at, cleared_at = NULL, hooked = '';

-- name: clear_alert
UPDATE alerts SET cleared_at = :now WHERE kind = :kind AND about = :about AND cleared_at IS NULL;

-- name: hooked_alert
UPDATE alerts SET hooked = :hooked WHERE kind = :kind AND about = :about AND raised_at = :raised_at;

-- name: drop_alert
DELETE FROM alerts WHERE kind = :kind AND about = :about;

-- name: forget_alert
DELETE FROM alerts WHERE kind = :kind AND about = :about AND cleared_at IS NOT NULL;
