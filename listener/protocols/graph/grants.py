"""What an access token of Entra says that it grants: application permissions (`roles`) or delegated ones (`scp`).

Read only to give hints: nothing is verified, nothing is decided by it. Permissions that a role assignment in Exchange gives
(RBAC for Applications) are in no token. Never raises, and never shows the token.
"""

from __future__ import annotations

import base64
import binascii
import json

MAX_GRANTS = 50


def granted(token: str) -> list[str]:
    """The names, sorted; none for a token that is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return []
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return []
    if not isinstance(claims, dict):
        return []
    roles, scopes = claims.get("roles"), claims.get("scp")
    names = roles if isinstance(roles, list) else scopes.split() if isinstance(scopes, str) else []
    return sorted({name for name in names if isinstance(name, str) and name.isprintable()})[:MAX_GRANTS]
