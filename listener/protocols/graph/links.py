"""URLs of Microsoft Graph: made from ids that a server gave us, and links of its answers that we may follow. No I/O.

A nextLink or deltaLink is an attacker's until proven: the bearer token goes along with it. So a link must name the very
scheme, host and port that the settings name (national clouds have hosts of their own), and our API version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from ...errors import ConnectionLost, InsecureConnection
from ..endpoint import Endpoint, Security

VERSION = "v1.0"
MAX_LINK = 8_192
"""Characters of a link; delta tokens are a few hundred."""
MAX_ID = 1_024
_ID = re.compile(rf"[\x21-\x7e]{{1,{MAX_ID}}}")
_LINK = re.compile(rf"[\x21-\x7e]{{1,{MAX_LINK}}}")


def base(endpoint: Endpoint) -> str:
    """`https://HOST[:PORT]`, without a slash at the end."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    scheme, default = ("http", 80) if endpoint.security == Security.NONE else ("https", 443)
    return f"{scheme}://{host}" + ("" if endpoint.port == default else f":{endpoint.port}")


def url(endpoint: Endpoint, *path: str, query: Mapping[str, str] | None = None) -> str:
    """The URL of a path under the version; each part is quoted, so that no id can leave its place."""
    parts = "/".join(part if part.startswith("$") else quote(part, safe="") for part in path)
    asked = "?" + urlencode(query, quote_via=quote, safe="$,") if query else ""
    return f"{base(endpoint)}/{VERSION}/{parts}{asked}"


def pinned(endpoint: Endpoint, link: object) -> str:
    """The link of an answer, if it may be followed. Raises InsecureConnection for another host, ConnectionLost for nonsense."""
    if not isinstance(link, str) or not _LINK.fullmatch(link):
        raise ConnectionLost(f"{endpoint} gives a link that is none")
    try:
        ours, theirs = urlsplit(base(endpoint)), urlsplit(link)
        same = (theirs.scheme, theirs.hostname, theirs.port or _default(theirs.scheme)) == (
            (ours.scheme, ours.hostname, ours.port or _default(ours.scheme))
        )
    except ValueError:
        same, theirs = False, urlsplit("")
    if not same or "@" in theirs.netloc:
        raise InsecureConnection(
            f"{endpoint} gives a link to another host ({_shown(theirs.hostname)})",
            setting=endpoint.setting("host"),
            hint="nothing was sent there; if the mailbox is in a national cloud, name that cloud's host",
        )
    if not theirs.path.startswith(f"/{VERSION}/"):
        raise ConnectionLost(f"{endpoint} gives a link outside of its API")
    return link


def identifier(value: object) -> str | None:
    """An id as Graph gives them (base64url and its like), or None."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _default(scheme: str) -> int:
    return 80 if scheme == "http" else 443


def _shown(host: str | None) -> str:
    return "".join(c for c in (host or "no host")[:100] if c.isprintable())
