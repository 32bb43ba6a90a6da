"""Calls a webhook: one signed POST a message, to an address that was vetted when the connection was made.

The dispatcher calls `handle` on the daemon's loop. The request is JSON with `Idempotency-Key` and `X-Listener-Signature:
t=…,v1=hex(HMAC-SHA256(secret, t + "." + body))`. 2xx is filed, and the JSON object in it (`reference`, `note`, `close`,
`reply`) is used; a 4xx but 408, 425 and 429 is refused for good; everything else is a failure that may pass.

Rules of the file
1. No connection but to an address that `addresses.refusal` let pass, checked on the socket itself; no proxy, no redirect.
2. Time, octets of the answer and its header are bounded; the answer is never decompressed.
3. The URL may hold a secret of the receiver's, so neither logs nor errors show more of it than the host.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ..errors import ConfigurationError, Fault
from ..message.model import InboundMessage
from . import Case, Entry, Filed, HookFailed, HookRefused, Outcome
from .addresses import refusal
from .outcomes import from_answer, one_line

TIMEOUT = 10.0
"""Seconds for one call, from look-up to the last octet of the answer."""

MAX_ANSWER = 1 << 20
"""Octets of an answer that is read."""

MAX_EXPLANATION = 4096
"""Octets of a refusal's body that are read for its first line."""

KEEP_ALIVE = 2.0
"""Seconds that an idle connection is kept: enough for a burst, shorter than servers wait before they hang up on us."""

LARGE = 256 * 1024
"""Characters of text from which a request is put together off the loop."""

RETRYABLE = frozenset({408, 425, 429})
"""The 4xx that may pass: timeout, too early (RFC 8470), too many requests (RFC 6585)."""

SignUrl = Callable[[int, str | None], str]
"""Entry id, and the sha256 of an attachment or None for the raw message → a signed URL that expires."""


class AddressRefused(OSError):
    """No connection is made to this address."""


class WebhookHost:
    """A HookHost for `webhook:NAME`. `read_secret` gives the signing key (read anew for each call); None: unsigned."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        read_secret: Callable[[], bytes] | None = None,
        allow_private: bool = False,
        timeout: float = TIMEOUT,
        sign_url: SignUrl | None = None,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._setting = f"webhook.{name.partition(':')[2]}"
        self._url = url
        self._read_secret = read_secret
        self._allow_private = allow_private
        self._timeout = timeout
        self._sign_url = sign_url
        self._resolver = resolver
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Check the settings and make the session. Raises ConfigurationError."""
        reason = url_fault(self._url, allow_private=self._allow_private)
        if reason:
            raise ConfigurationError([Fault(f"{self._setting}.url", reason)])
        if self._read_secret is not None:
            self._secret()
        vetted = VettedResolver(self._resolver(), self._allow_private)
        connector = aiohttp.TCPConnector(
            resolver=vetted,
            socket_factory=self._socket,
            use_dns_cache=False,
            keepalive_timeout=KEEP_ALIVE,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            auto_decompress=False,
            trust_env=False,
        )

    async def handle(self, message: InboundMessage, case: Case, entry: Entry) -> Outcome | None:
        """POST it once. Raises HookFailed or HookRefused."""
        build = self._body(message, case, entry)
        body = await asyncio.to_thread(build) if _is_large(message) else build()
        return await self.post(body, entry.idempotency_key)

    async def post(self, body: bytes, key: str) -> Filed:
        """POST this JSON once, under that idempotency key. Raises HookFailed or HookRefused."""
        if self._session is None:
            raise HookFailed("the webhook was not started")
        try:
            async with self._session.post(
                URL(self._url), data=BytesIO(body), headers=self._headers(body, key), allow_redirects=False
            ) as answer:
                return await self._judge(answer)
        except TimeoutError:
            raise HookFailed(f"took longer than {self._timeout:g} s") from None
        except ConfigurationError as error:  # the secret has become unreadable
            raise HookFailed(str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise HookFailed(f"could not be called: {_reason(error)}") from None

    async def stop(self) -> None:
        """Close the connections. Never raises."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _body(self, message: InboundMessage, case: Case, entry: Entry) -> Callable[[], bytes]:
        def build() -> bytes:
            shown = message.as_json()
            for attachment in shown["attachments"]:
                attachment["url"] = self._sign_url(entry.id, attachment["sha256"]) if self._sign_url else None
            content = {
                "id": entry.id,
                "account": entry.account,
                "case": asdict(case),
                "message": shown,
                "raw_url": self._sign_url(entry.id, None) if self._sign_url else None,
            }
            return json.dumps(content).encode("ascii")

        return build

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "Listener",
            "Idempotency-Key": key,
        }
        if self._read_secret is not None:
            headers["X-Listener-Signature"] = signature(self._secret(), body, self._clock())
        return headers

    def _secret(self) -> bytes:
        assert self._read_secret is not None
        try:
            secret = self._read_secret()
        except OSError as error:
            raise ConfigurationError([Fault(f"{self._setting}.secret_file", f"cannot be read: {error.strerror}")]) from None
        if not secret:
            raise ConfigurationError([Fault(f"{self._setting}.secret_file", "is empty")])
        return secret

    async def _judge(self, answer: aiohttp.ClientResponse) -> Filed:
        """What the status and the body mean."""
        status = answer.status
        if 200 <= status < 300:
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise HookFailed(f"answered {status} with a compressed body, which was not asked for")
            return from_answer(await _bounded(answer.content))
        if 400 <= status < 500 and status not in RETRYABLE:
            raise HookRefused(f"answered {status}: {await _explanation(answer)}")
        if 300 <= status < 400:
            raise HookFailed(f"answered {status}; redirects are not followed, write the final address into {self._setting}.url")
        raise HookFailed(f"answered {status}", retry_after=retry_after(answer.headers.get("Retry-After"), self._clock()))

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last word on where a connection goes: asked with the very address that is connected to next."""
        family, kind, protocol, _, address = info
        _vet(address[0], self._allow_private)
        return socket.socket(family=family, type=kind, proto=protocol)


class VettedResolver(AbstractResolver):
    """Another resolver's answers without the addresses that must not be connected to."""

    def __init__(self, inner: AbstractResolver, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Raises AddressRefused when none is left."""
        found = await self._inner.resolve(host, port, family)
        fit = [a for a in found if refusal(a["host"], allow_private=self._allow_private) is None]
        if found and not fit:
            _vet(found[0]["host"], self._allow_private)
        return fit

    async def close(self) -> None:
        await self._inner.close()


def signature(secret: bytes, body: bytes, now: float) -> str:
    """The value of `X-Listener-Signature` for a body sent at `now` (POSIX seconds)."""
    moment = str(int(now))
    mac = hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={mac}"


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After field (RFC 9110 §10.2.3: seconds or a date); None when it says nothing usable."""
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)


def url_fault(url: str, *, allow_private: bool) -> str | None:
    """What is wrong with the setting, as far as it shows without looking anything up; None when it is fine."""
    try:
        parsed = URL(url)
        host = parsed.host
    except ValueError as error:
        return f"is no URL: {error}"
    if parsed.scheme not in ("https", "http") or not host:
        return "write an address such as https://crm.example.com/inbound"
    if parsed.user is not None or parsed.password is not None:
        return "holds a user or password; authenticate by secret_file instead"
    if parsed.scheme == "http" and not allow_private:
        return "plain http is refused; use https, or set allow_private = true for a server in your own network"
    if host.rstrip(".").lower() == "localhost" and not allow_private:
        return "localhost is refused; set allow_private = true if it is meant"
    if ":" in host or host.replace(".", "").isdigit():
        reason = refusal(host, allow_private=allow_private)
        return f"{host} is {reason}" if reason else None
    return None


def _vet(address: str, allow_private: bool) -> None:
    reason = refusal(address, allow_private=allow_private)
    if reason:
        raise AddressRefused(f"{address} is {reason}")


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """The whole body. Raises HookFailed when it is larger than MAX_ANSWER."""
    parts: list[bytes] = []
    size = 0
    async for part in content.iter_any():
        size += len(part)
        if size > MAX_ANSWER:
            raise HookFailed(f"answered more than {MAX_ANSWER} octets")
        parts.append(part)
    return b"".join(parts)


async def _explanation(answer: aiohttp.ClientResponse) -> str:
    """The beginning of a refusal's body as one line; its reason phrase when there is none."""
    text = one_line((await answer.content.read(MAX_EXPLANATION)).decode("utf-8", "replace"), 200)
    return text or one_line(answer.reason or "no reason given", 200)


def _reason(error: Exception) -> str:
    """What went wrong, without the URL."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return one_line(f"{error.host}: {error.os_error.strerror or error.os_error}")
    if isinstance(error, aiohttp.InvalidURL):
        return "its url is not usable"
    return one_line(f"{type(error).__name__}: {error}")


def _is_large(message: InboundMessage) -> bool:
    parts: Sequence[str | None] = (message.text, message.html, message.reply.text, message.reply.quoted)
    return sum(len(part) for part in parts if part) > LARGE
