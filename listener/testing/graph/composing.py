"""Messages that clients make: Graph's JSON, or MIME in base64, turned into octets."""

from __future__ import annotations

import base64
import binascii
import email.utils
import json
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

DOMAIN = "graph.invalid"


def composed(kind: str, body: bytes, number: int) -> bytes | None:
    """The octets of the message in a request's body, None when it is none. `number` makes its Message-ID."""
    if kind.startswith("text/plain"):
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error:
            return None
    value = parameters(body)
    return from_json(value.get("message") or json.loads(body), number) if value else None


def parameters(body: bytes) -> dict[str, Any]:
    """The parameters of an action by name in small letters: case does not matter to Graph, and the SDK begins them large."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return {name.lower(): given for name, given in value.items()} if isinstance(value, dict) else {}


def from_json(value: Mapping[str, Any], number: int) -> bytes:
    """A message of Graph's JSON: recipients, subject and a text or HTML body."""
    message = EmailMessage()
    message["Message-ID"] = value.get("internetMessageId") or f"<{number}@{DOMAIN}>"
    message["Date"] = email.utils.formatdate()
    message["Subject"] = value.get("subject") or ""
    for header, key in (("To", "toRecipients"), ("Cc", "ccRecipients")):
        addresses = [one["emailAddress"]["address"] for one in value.get(key) or ()]
        if addresses:
            message[header] = ", ".join(addresses)
    for extra in value.get("internetMessageHeaders") or ():
        message[extra["name"]] = extra["value"]
    content = value.get("body") or {}
    html = str(content.get("contentType", "")).lower() == "html"
    message.set_content(content.get("content") or "", subtype="html" if html else "plain")
    return message.as_bytes()
