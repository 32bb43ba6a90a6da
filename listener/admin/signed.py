"""Signed addresses: how the receiver of a webhook fetches a raw message or an attachment without a token of ours.

    PUBLIC_URL/signed/ENTRY/DIGEST/PART?expires=POSIX&signature=HEX      PART: `raw`, or an attachment's SHA-256

The supervisor makes `Links` (a key derived from `listener.key_file`) and gives `Links.url` to the webhooks and the whole to
`Signed`, which serves the addresses on the admin server. An address names one part of one message by content: neither another
entry nor, after a lost ledger, another message with that number is ever served by it.

Rules of the file
1. The signature is checked before anything is looked up, in constant time; an address that is not ours costs one HMAC.
2. What is served is a download (attachment, nosniff, never a type that a browser shows), read by a process that can be killed.
3. Everything is bounded: answers at a time, those that wait, and how long one may take to be fetched.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from ..config import Config
from ..credentials.sealing import link_keys
from ..errors import MessageFailure
from ..ledger import Ledger
from .console.message_parts import Reader
from .console.messages import download
from .problems import Denied, Failure

PATH = "/signed/{entry:[0-9]{1,18}}/{digest:[0-9a-f]{64}}/{part:raw|[0-9a-f]{64}}"
RAW = "raw"
LIFETIME = 24 * 3600.0
"""Seconds for which an address is good: a receiver may queue what it is told; each attempt of a webhook gets new ones."""
AT_ONCE = 4
"""Parts that are read and sent at a time; each may be as large as a message."""
WAITING = 64
"""Requests that wait for their turn; further ones are told to come back."""
SEND_WITHIN = 300.0
"""Seconds in which an answer must be taken."""
CHUNK = 256 * 1024

NOT_SIGNED = Failure(403, "this address was not signed by us, or was changed")
EXPIRED = Failure(410, "this address has expired; the webhook gets a new one with each attempt")
GONE = Failure(404, "this part is not kept any more")
BUSY = Failure(503, "too many downloads at a time; try again", headers=(("Retry-After", "2"),))


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and checks addresses. `keys`: the first signs, all are good. `digest_of` an entry: SHA-256 of its raw octets."""

    keys: Sequence[bytes]
    public_url: str
    digest_of: Callable[[int], bytes | None]
    now: Callable[[], float] = time.time
    lifetime: float = LIFETIME

    def url(self, entry: int, sha256: str | None) -> str:
        """The address of an attachment, or of the raw message (None). Raises LookupError for an entry without octets."""
        digest = self.digest_of(entry)
        if digest is None:
            raise LookupError(f"entry {entry} has no octets")
        path, expires = f"{entry}/{digest.hex()}/{sha256 or RAW}", int(self.now() + self.lifetime)
        signature = _signature(self.keys[0], path, str(expires))
        return f"{self.public_url.rstrip('/')}/signed/{path}?expires={expires}&signature={signature}"

    def check(self, entry: str, digest: str, part: str, expires: str, signature: str) -> None:
        """Raises Denied unless we signed just this, and it has not expired."""
        path = f"{entry}/{digest}/{part}"
        given = signature.encode("utf-8", "surrogateescape")
        good = [hmac.compare_digest(_signature(key, path, expires).encode(), given) for key in self.keys]
        if not any(good):
            raise Denied(NOT_SIGNED)
        if int(expires) < self.now():  # signed by us, so it is a number
            raise Denied(EXPIRED)


def links_of(config: Config, ledger: Ledger, now: Callable[[], float]) -> Links | None:
    """The maker of addresses, where `admin.public_url` says how others reach us. Raises ConfigurationError."""
    if config.admin.public_url is None:
        return None
    return Links(link_keys(config.listener), config.admin.public_url, ledger.read_digest, now)


class Signed:
    """Serves the addresses of one daemon."""

    def __init__(self, links: Links, ledger: Ledger) -> None:
        self._links = links
        self._ledger = ledger
        self._reader = Reader()
        self._seats = asyncio.Semaphore(AT_ONCE)
        self._coming = 0

    def routes(self) -> list[web.RouteDef]:
        """No token is asked for: the address is one."""
        return [web.get(PATH, self._serve, allow_head=False)]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked, query = request.match_info, request.query
        entry, digest, part = asked["entry"], asked["digest"], asked["part"]
        self._links.check(entry, digest, part, query.get("expires", ""), query.get("signature", ""))
        if self._coming >= AT_ONCE + WAITING:
            raise Denied(BUSY)
        self._coming += 1
        try:
            async with self._seats:
                octets, headers = await self._part(int(entry), bytes.fromhex(digest), part)
                return await _send(request, octets, headers)
        finally:
            self._coming -= 1

    async def _part(self, entry: int, digest: bytes, part: str) -> tuple[bytes, dict[str, str]]:
        """Octets and headers. Raises Denied."""
        raw = await asyncio.to_thread(self._raw, entry, digest)
        if raw is None:
            raise Denied(GONE)
        if part == RAW:
            return raw, download(f"message-{entry}.eml")
        message = await self._ledger.message(entry)
        names = [one.filename for one in message.attachments if one.sha256 == part] if message else []
        if not names:
            raise Denied(GONE)
        try:
            contents = await self._reader.attachment(raw, part)
        except MessageFailure as error:
            raise Denied(Failure(503, f"the attachment cannot be read: {error}")) from None
        if contents is None:
            raise Denied(GONE)
        return contents, download(names[0])

    def _raw(self, entry: int, digest: bytes) -> bytes | None:
        return self._ledger.read_raw(entry) if self._links.digest_of(entry) == digest else None


async def _send(request: web.Request, octets: bytes, headers: dict[str, str]) -> web.StreamResponse:
    answer = web.StreamResponse(headers=headers | {"Content-Length": str(len(octets))})
    try:
        async with asyncio.timeout(SEND_WITHIN):
            await answer.prepare(request)
            for start in range(0, len(octets), CHUNK):
                await answer.write(octets[start : start + CHUNK])
            await answer.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return answer


def _signature(key: bytes, path: str, expires: str) -> str:
    signed = f"signed\0{path}\0{expires}".encode("utf-8", "surrogateescape")
    return hmac.digest(key, signed, "sha256").hex()
