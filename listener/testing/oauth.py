"""A scriptable OAuth 2.0 token server on loopback (RFC 6749, RFC 7662), for tests of sign-ins by token.

    async with TokenServer() as server:
        server.answer(status=429, headers={"Retry-After": "7"})      # once; then it issues tokens again
        ...                                                          # let a client POST to server.url
        assert server.requests[0]["grant_type"] == "refresh_token"

Every POST is a token request, whatever its path (so `/TENANT/oauth2/v2.0/token` is one), but `/introspect`, which says of a
`token` whether it was issued here and is still good. `issued` are the access tokens that it gave, in order.

A GET of `/authorize` is a person's browser (RFC 6749 §4.1, RFC 7636): whoever comes consents at once, and is sent back with a
code, unless `deny` says otherwise. The code is good once, for the same redirect address and the right verifier.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from aiohttp import web

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the next request gets instead of a token."""

    status: int
    json: Mapping[str, Any] | None
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class TokenServer:
    """`async with` starts and ends it. `lifetime` seconds are told as `expires_in`; `rotate` gives a new refresh token each
    time, and only that one is taken then. While `gate` is not set, requests wait. `user` is whom introspection names; tokens in
    `revoked` are good no more. `port` 0 takes a free one.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        lifetime: float = 3600,
        rotate: bool = False,
        user: str = "",
        port: int = 0,
    ) -> None:
        self.lifetime, self.rotate, self.user = lifetime, rotate, user
        self.requests: list[dict[str, str]] = []
        self.issued: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.revoked: set[str] = set()
        self.deny = ""
        self.visits: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.refresh_token: str | None = None
        self.port = port
        self._tls = tls
        self._answers: deque[Answer] = deque()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The token endpoint."""
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}/token"

    @property
    def authorize_url(self) -> str:
        """Where a browser is sent to consent. `deny` is the error that it is sent back with; `visits` are the queries."""
        return self.url.removesuffix("/token") + "/authorize"

    def answer(
        self,
        *,
        status: int = 200,
        json: Mapping[str, Any] | None = None,
        text: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Give the next request this answer; several calls make a queue."""
        self._answers.append(Answer(status, json, text, headers or {}))

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/introspect", self._introspect)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_route("*", "/{path:.*}", self._token)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.gate.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.requests.append(form | {"path": request.path, **dict(request.query.items())})
        await self.gate.wait()
        if self._answers:
            answer = self._answers.popleft()
            if answer.json is not None:
                return web.json_response(answer.json, status=answer.status, headers=answer.headers)
            return web.Response(text=answer.text, status=answer.status, headers=answer.headers, content_type="text/html")
        if form.get("grant_type") == "authorization_code":
            return self._redeemed(form)
        given = form.get("refresh_token")
        if self.refresh_token is not None and given != self.refresh_token:  # RFC 6749 §10.4: it was used before
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(self._issue())

    async def _authorize(self, request: web.Request) -> web.Response:
        """RFC 6749 §4.1.1 and §4.1.2."""
        query = dict(request.query.items())
        self.visits.append(query)
        answer = {"state": query.get("state", "")}
        if self.deny:
            answer |= {"error": self.deny, "error_description": "the person said no"}
        else:
            answer["code"] = f"code-{len(self._codes) + 1}"
            self._codes[answer["code"]] = query
        raise web.HTTPFound(f"{query.get('redirect_uri', '')}?{urlencode(answer)}")

    def _redeemed(self, form: Mapping[str, str]) -> web.Response:
        """RFC 6749 §4.1.3, RFC 7636 §4.6: once, to the same address, with the verifier of the challenge."""
        asked = self._codes.pop(form.get("code", ""), {})
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if not asked or asked.get("code_challenge") != proof or asked.get("redirect_uri") != form.get("redirect_uri"):
            return web.json_response({"error": "invalid_grant", "error_description": "no such code"}, status=400)
        self.refresh_token = f"refresh-{len(self.issued) + 1}"
        return web.json_response(self._issue() | {"refresh_token": self.refresh_token, "scope": asked.get("scope", "")})

    def _issue(self) -> dict[str, Any]:
        number = len(self.issued) + 1
        self.issued.append(f"access-{number}")
        answer = {"access_token": self.issued[-1], "token_type": "Bearer", "expires_in": self.lifetime}
        if self.rotate:
            self.refresh_token = f"refresh-{number}"
            answer["refresh_token"] = self.refresh_token
        return answer

    async def _introspect(self, request: web.Request) -> web.Response:
        """RFC 7662 §2."""
        token = str((await request.post()).get("token", ""))
        return web.json_response({"active": token in self.issued and token not in self.revoked, "username": self.user})
