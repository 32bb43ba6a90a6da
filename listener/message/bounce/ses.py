"""Amazon SES tells of bounces and complaints in JSON, mailed by SNS, instead of RFC 3464 and RFC 5965 reports.

`read` gives the notification's type and its recipients as delivery status fields, so that `bounce` treats both alike.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from ..structure import Part, own_parts
from .notice import text_of

MAX_RECIPIENTS: Final = 500
_FIELDS: Final = {"action": "action", "status": "status", "diagnosticCode": "diagnostic-code"}


class Notification(NamedTuple):
    """`kind` is `bounce`, `complaint`, `delivery`, `deliverydelay` … or "" when this is no SES notification."""

    kind: str = ""
    groups: tuple[dict[str, str], ...] = ()
    message_id: str | None = None


NO_NOTIFICATION: Final = Notification()


def read(root: Part) -> Notification:
    """The notification in the message's text, if SNS sent it. Never raises."""
    if not root.get("x-amz-sns-message-id").strip():
        return NO_NOTIFICATION
    text = next((text_of(part) for part in own_parts(root) if part.content_type == "text/plain"), "")
    body = text.partition("\n--\n")[0].strip().replace("!\n ", "").replace("\n", "")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return NO_NOTIFICATION
    if not isinstance(data, dict):
        return NO_NOTIFICATION
    kind = str(data.get("notificationType") or data.get("eventType") or "").casefold()
    mail = data.get("mail")
    message_id = mail.get("messageId") if isinstance(mail, dict) else None
    return Notification(kind, tuple(_groups(kind, data)), message_id if isinstance(message_id, str) else None)


def _groups(kind: str, data: dict[str, Any]) -> list[dict[str, str]]:
    detail = data.get({"bounce": "bounce", "deliverydelay": "deliveryDelay"}.get(kind, ""))
    if not isinstance(detail, dict):
        return []
    rows = detail.get("bouncedRecipients") or detail.get("delayedRecipients")
    groups: list[dict[str, str]] = []
    for row in rows[:MAX_RECIPIENTS] if isinstance(rows, list) else ():
        if not isinstance(row, dict) or not isinstance(row.get("emailAddress"), str):
            continue
        group = {"final-recipient": f"rfc822; {row['emailAddress']}", "action": "failed" if kind == "bounce" else "delayed"}
        groups.append(group | {field: row[key] for key, field in _FIELDS.items() if isinstance(row.get(key), str)})
    return groups
