"""Our own client of Microsoft Graph on aiohttp: one mailbox, bounded in everything, and the token for one host only.

Used by `GraphMailbox` and by sending. Microsoft's SDK is not used at run time: it sends the token to a nextLink of any host,
drops `Prefer` on next links and repeats sendMail (docs/decisions/0004-dependencies.md); it tests our fake server instead.

Rules of the file
1. Every request asks for immutable ids: an id that changes with a move would make one message two (R-32).
2. The token goes to the configured host and to no other; redirects are not followed; links are pinned (links.py).
3. Every answer is bounded: JSON by MAX_JSON, MIME by what the caller allows; a longer MIME stream is cut.
4. A 401 costs one new token, where there is one, and one repetition. 429, 503 and 504 pause the whole mailbox, briefly here,
   else by `Throttled`.
5. What changes something on the server is repeated only where the server says that it did nothing (401, 429).
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from yarl import URL

from ...errors import ConnectionLost, InsecureConnection, PermanentFailure, ServerUnavailable, TokenExpired
from .. import tls
from ..dial import permit
from ..endpoint import Endpoint, Security, is_loopback, tls_context
from . import links, refusals
from .pacing import Pacing, http_date, retry_after
from .refusals import Reply

CONNECT_SECONDS = 30.0
READ_SECONDS = 60.0
"""Between two pieces of an answer; Graph may think that long about its first one."""
JSON_SECONDS = 120.0
MIME_SECONDS = 600.0
"""For a whole message, however slowly it trickles."""
MAX_JSON = 8 * 1024 * 1024
MAX_PAGES = 10_000
"""Of one collection."""
MAX_HEADER = 256 * 1024
CHUNK = 64 * 1024
TRIES = 4
"""Requests for one answer, where the server asks for patience."""
LONGEST_PAUSE = 20.0
"""Seconds that are waited out here; a longer pause ends the session, and the supervisor waits."""
FIRST_PAUSE = 1.0
"""Where the server does not say how long; doubled each time."""
IMMUTABLE = 'IdType="ImmutableId"'
AGENT = "Listener"
_END = b"\r\n\r\n"

Token = Callable[[], Awaitable[str]]
Trace = Callable[[str, str], None]
"""Direction (`>` ours, `<` theirs) and one line, without secrets."""


@dataclass(frozen=True, slots=True)
class Mime:
    """The octets of a message, or of its header section only, where the whole is larger than allowed."""

    octets: bytes
    whole: bool


class GraphClient:
    """One mailbox of one cloud. `reached_at` is when the server last answered, POSIX seconds.

    `skew` is by how many seconds its clock is ahead of ours, as its last answer's Date says; None: it said none.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        mailbox: str,
        token: Token,
        *,
        context: Any = None,
        invalidate: Callable[[], None] = lambda: None,
        pacing: Pacing | None = None,
        trace: Trace | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.endpoint = endpoint
        self.mailbox = mailbox
        self.pacing = pacing or Pacing()
        self.reached_at = now()
        self.skew: float | None = None
        self._token, self._invalidate = token, invalidate
        self._trace, self._now = trace, now
        self._accepted_token = ""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context if context is not None else True, limit=4),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            raise_for_status=False,
            headers={"User-Agent": AGENT, "Accept-Encoding": "identity"},
        )

    @classmethod
    async def open(cls, endpoint: Endpoint, mailbox: str, token: Token, **how: Any) -> Self:
        """Ready to ask; nothing was sent yet. Raises InsecureConnection for a trust store or plaintext that cannot be."""
        if endpoint.security == Security.TLS:
            return cls(endpoint, mailbox, token, context=await asyncio.to_thread(tls_context, endpoint), **how)
        _only_loopback(endpoint)
        return cls(endpoint, mailbox, token, **how)

    async def close(self) -> None:
        """Drop the connections. Never raises."""
        await self._http.close()

    # --- asking ------------------------------------------------------------------------------------------------------

    def url(self, *path: str, **query: str) -> str:
        """A URL of this mailbox; `query` names OData options without their `$`."""
        asked = {f"${name}": value for name, value in query.items()}
        return links.url(self.endpoint, "users", self.mailbox, *path, query=asked)

    def pinned(self, link: object) -> str:
        """A link of an answer that may be followed; see links.pinned."""
        return links.pinned(self.endpoint, link)

    async def get(self, url: str, *, page: int | None = None) -> dict[str, Any]:
        """The document there. Raises what a refusal means."""
        return refusals.required(await self.ask("GET", url, page=page), self.mailbox, self.endpoint.section)

    async def collection(self, url: str) -> AsyncIterator[dict[str, Any]]:
        """The documents of a collection, page after page. Raises what a refusal means, and ServerUnavailable without an end."""
        for _ in range(MAX_PAGES):
            document = await self.get(url)
            yield document
            if "@odata.nextLink" not in document:
                return
            url = self.pinned(document["@odata.nextLink"])
        raise ServerUnavailable(f"{self.endpoint} lists without end")

    async def ask(
        self,
        method: str,
        url: str,
        *,
        body: Mapping[str, Any] | None = None,
        page: int | None = None,
        repeat: bool = True,
    ) -> Reply:
        """One request; a refusal that concerns only the item asked for (400, 403, 404, 409, 410 …) comes back as the Reply.

        `page`: how many items a page of the answer may have. `repeat` False: not even 429 is asked again.
        Raises ConnectionLost, InsecureConnection, Throttled, ServerUnavailable, AuthenticationRefused, ConsentLost.
        """
        payload = None if body is None else json.dumps(body).encode()
        return await self.send(method, url, payload, "application/json", page=page, repeat=repeat)

    async def send(
        self, method: str, url: str, payload: bytes | None, kind: str, *, page: int | None = None, repeat: bool = True
    ) -> Reply:
        """The same with a body of any content type (MIME goes as base64 in `text/plain`)."""

        async def read(response: aiohttp.ClientResponse) -> Reply:
            return await self._reply(response)

        headers = {"Content-Type": kind} if payload is not None else {}
        headers["Prefer"] = IMMUTABLE + (f", odata.maxpagesize={page}" if page else "")
        found = await self._patiently(method, url, headers, payload, read, JSON_SECONDS, repeat=repeat)
        assert isinstance(found, Reply)
        return found

    async def mime(self, message: str, limit: int) -> Mime | Reply:
        """The octets of one message, cut at the end of its header once they are more than `limit`; or the refusal."""

        async def read(response: aiohttp.ClientResponse) -> Mime | Reply:
            return await self._reply(response) if response.status != 200 else await self._octets(response, limit)

        url = self.url("messages", message, "$value")
        try:
            return await self._patiently("GET", url, {"Prefer": IMMUTABLE}, None, read, MIME_SECONDS, repeat=True)
        except ServerUnavailable as error:  # perhaps it is this message: the receiver counts what costs us a session
            raise ConnectionLost(error.reason) from error

    # --- one request, with patience ----------------------------------------------------------------------------------

    async def _patiently(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        payload: bytes | None,
        read: Callable[[aiohttp.ClientResponse], Awaitable[Mime | Reply]],
        seconds: float,
        *,
        repeat: bool,
    ) -> Mime | Reply:
        renewed = False
        for attempt in range(TRIES):
            async with self._exchange(method, url, headers, payload, seconds) as (response, token):
                found = await read(response)
                asked = retry_after(response.headers.get("Retry-After"), self._now())
            if isinstance(found, Mime) or found.status not in (401, *refusals.WAITABLE):
                return found if isinstance(found, Mime) else self._passed(found)
            if found.status == 401:
                await self._renew(found, token, renewed)
                renewed = True
                continue
            pause = FIRST_PAUSE * 2**attempt if asked is None else asked
            self.pacing.pause(min(pause, LONGEST_PAUSE))
            if not _repeatable(method, found, repeat) or pause > LONGEST_PAUSE or attempt == TRIES - 1:
                raise refusals.throttled(found, asked)
        raise ServerUnavailable(f"{self.endpoint} was asked {TRIES} times")

    async def _renew(self, refused: Reply, token: str, renewed: bool) -> None:
        """Rule 4. Raises TokenExpired where the same token is all that can be had, and it was good before."""
        self._invalidate()
        if not renewed and await self._token() != token:
            return
        if not renewed and (token == self._accepted_token or "expired" in refused.words):
            raise TokenExpired(refused.shown)
        raise refusals.unauthorised(refused, self.endpoint.section)

    def _passed(self, reply: Reply) -> Reply:
        """A refusal for the caller to judge; one that concerns the connection or the server as a whole is raised here."""
        if 300 <= reply.status < 400:
            raise refusals.failure(reply, self.mailbox, self.endpoint.section)
        if reply.status >= 500 and not reply.unconvertible:
            raise ServerUnavailable(reply.shown)
        return reply

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], payload: bytes | None, seconds: float
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """One request in its turn: its answer to read, and the token it bore. Whatever breaks becomes one of our errors."""
        async with self.pacing.turn():
            if self._http.closed:
                raise ConnectionLost("the session was closed")
            token = _printable(await self._token(), self.endpoint)
            bearer = {"Authorization": f"Bearer {token}"}
            timeout = aiohttp.ClientTimeout(seconds, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
            self._show(">", f"{method} {URL(url, encoded=True).path}")
            try:
                async with self._http.request(
                    method,
                    URL(url, encoded=True),
                    headers={**headers, **bearer},
                    data=payload,
                    allow_redirects=False,
                    timeout=timeout,
                ) as response:
                    self._show("<", str(response.status))
                    date = http_date(response.headers.get("Date"))
                    self.skew = None if date is None else date - self._now()
                    yield response, token
                    self.reached_at = self._now()
                    if response.status != 401:
                        self._accepted_token = token
            except aiohttp.ClientConnectorCertificateError as error:
                raise tls.fault(error.certificate_error, self.endpoint) from error  # type: ignore[arg-type]
            except aiohttp.ClientSSLError as error:
                raise self._tls_fault(error) from error
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise ConnectionLost(f"the connection to {self.endpoint} broke: {_words(error)}") from error

    def _tls_fault(self, error: aiohttp.ClientSSLError) -> Exception:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ssl.SSLError):
            return tls.fault(cause, self.endpoint)
        return tls.broken_off(self.endpoint)

    def _show(self, direction: str, line: str) -> None:
        if self._trace is not None:
            self._trace(direction, line)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _reply(self, response: aiohttp.ClientResponse) -> Reply:
        document = await self._document(response)
        code, words = refusals.refusal(response.status, document)
        return Reply(
            response.status,
            document if 200 <= response.status < 300 else {},
            code,
            words,
            response.headers.get("Location"),
            response.headers.get("WWW-Authenticate", "")[:1000],
            http_date(response.headers.get("Date")),
        )

    async def _document(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        """The JSON object of an answer; an error page that is none counts as an empty one."""
        self._no_coding(response)
        octets = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK):
            octets += chunk
            if len(octets) > MAX_JSON:
                response.close()
                raise ConnectionLost(f"{self.endpoint} answers without end")
        if not octets:
            return {}
        try:
            document = json.loads(octets)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return document
        if response.status < 300:
            raise ConnectionLost(f"{self.endpoint} answers with something that is no JSON object")
        return {}

    async def _octets(self, response: aiohttp.ClientResponse, limit: int) -> Mime:
        """Up to `limit` octets; what is longer is cut at the end of the header, and the rest never read."""
        self._no_coding(response)
        octets = bytearray()
        announced = response.content_length
        enough = 0 if announced is not None and announced > limit else limit
        async for chunk in response.content.iter_chunked(CHUNK):
            octets += chunk
            if len(octets) > enough and (enough or _END in octets or len(octets) >= MAX_HEADER):
                response.close()
                return Mime(_header(octets), whole=False)
        return Mime(bytes(octets), whole=True) if len(octets) <= limit else Mime(_header(octets), whole=False)

    def _no_coding(self, response: aiohttp.ClientResponse) -> None:
        """We ask for none; a compressed answer could be a bomb."""
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            response.close()
            raise ConnectionLost(f"{self.endpoint} compresses its answer although asked not to")


def _repeatable(method: str, reply: Reply, repeat: bool) -> bool:
    return repeat and (method == "GET" or reply.status == 429)


def _header(octets: bytearray) -> bytes:
    end = octets.find(_END, 0, MAX_HEADER)
    return bytes(octets[: end + len(_END) if end >= 0 else MAX_HEADER])


def _printable(token: str, endpoint: Endpoint) -> str:
    if token and all(0x21 <= ord(c) <= 0x7E for c in token):
        return token
    raise PermanentFailure("the access token is empty or holds a control character", setting=endpoint.setting("oauth"))


def _only_loopback(endpoint: Endpoint) -> None:
    """In clear to this machine's own addresses only; names are not asked for theirs."""
    try:
        is_loopback(endpoint.host)
    except ValueError:
        said = "Microsoft Graph is spoken in clear to an address of this machine only"
        raise InsecureConnection(said, setting=endpoint.setting("security"), hint='use security = "tls"') from None
    permit(endpoint, [endpoint.host])


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return {"ServerDisconnectedError": "the server hung up", "ClientPayloadError": "the answer was cut off"}.get(
        type(error).__name__, type(error).__name__
    )
