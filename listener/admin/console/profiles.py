"""Authentication profiles: the list with what expires, one profile, its form, its test, and consent in the browser.

Consent leaves for the issuer and comes back to `/oauth/callback`, without our session's cookie (it is SameSite=Strict), so a
cookie of its own, good for ten minutes and that path, ties the two ends together.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ...errors import ConfigurationError, Refused
from ..headers import PAGE
from . import profile_fields
from .desk import Desk, editable
from .forms import Form, settings, values, with_faults
from .posted import posted, version_in

CONSENT_COOKIE = "listener-consent"
CONSENT_SECONDS = 600
CALLBACK = "/oauth/callback"
PROTOCOLS = ("imap", "graph", "smtp", "pop3")


class ProfilePages:
    """Handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get("/profiles", self._list),
            web.get("/profiles/new", self._new),
            web.post("/profiles/new", self._take),
            web.get("/profiles/{profile}", self._show),
            web.get("/profiles/{profile}/edit", self._edit),
            web.post("/profiles/{profile}/edit", self._take),
            # What these orders show is a page, which refreshes itself under their address.
            web.get("/profiles/{profile}/test", self._show),
            web.post("/profiles/{profile}/test", self._test),
            web.get("/profiles/{profile}/consent", self._show),
            web.post("/profiles/{profile}/consent", self._consent),
            web.post("/profiles/{profile}/delete", self._delete),
        ]

    def open_routes(self) -> list[web.RouteDef]:
        """Served without a session: where an issuer sends the browser back to."""
        return [web.get(CALLBACK, self._callback)]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        rows = await self._desk.accounts(request).profiles()
        return await self._desk.page(request, "profiles.html", rows=rows)

    async def _show(self, request: web.Request, **tested: Any) -> web.StreamResponse:
        profile = await self._desk.accounts(request).profile(request.match_info["profile"])
        shown = {"tested": None, "section": "/profiles"} | tested
        labels = profile_fields.labels()
        return await self._desk.page(request, "profile.html", profile=profile, protocols=PROTOCOLS, labels=labels, **shown)

    # --- the form -----------------------------------------------------------------------------------------------------

    async def _new(self, request: web.Request) -> web.StreamResponse:
        parts = profile_fields.parts(is_new=True)
        shown, kept = values(parts, {})
        return await self._form(request, None, Form(parts, shown | profile_fields.steering({}), kept))

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        found = await self._editable(request)
        parts = profile_fields.parts(is_new=False)
        before = {**found["settings"], "id": found["id"]}
        shown, kept = values(parts, before)
        return await self._form(request, found, Form(parts, shown | profile_fields.steering(before), kept))

    async def _form(self, request: web.Request, found: Mapping[str, Any] | None, form: Form, status: int = 200) -> web.Response:
        return await self._desk.page(request, "profile_form.html", status, found=found, form=form, section="/profiles")

    async def _editable(self, request: web.Request) -> Mapping[str, Any]:
        return editable("profile", await self._desk.accounts(request).profile(request.match_info["profile"]))

    async def _take(self, request: web.Request) -> web.StreamResponse:
        sent = await request.post()
        found = await self._editable(request) if "profile" in request.match_info else None
        parts = profile_fields.parts(is_new=found is None)
        read, faults = posted(parts, sent)
        read = profile_fields.implied(read | ({"id": found["id"]} if found else {}))
        before = {**found["settings"], "id": found["id"]} if found else {}
        kept = values(parts, before)[1]
        form = Form(parts, read, kept)
        if sent.get("do") == "refresh":
            return await self._form(request, found, form)
        if faults:
            return await self._form(request, found, with_faults(form, faults), 422)
        made = profile_fields.finished(settings(parts, read, before, kept), read)
        try:
            return await self._save(request, made, sent, found)
        except ConfigurationError as error:
            faults = [(one.setting, one.reason) for one in error.faults]
            return await self._form(request, found, with_faults(form, faults), 422)
        except Refused as error:
            return await self._form(request, found, with_faults(form, [("", str(error))]), 409)

    async def _save(self, request: web.Request, made: Any, sent: Mapping[str, Any], found: Any) -> web.StreamResponse:
        verbs = self._desk.accounts(request)
        if found:
            saved = await verbs.update_profile(found["id"], {"settings": made, "version": version_in(sent)})
        else:
            saved = await verbs.create_profile({"settings": made})
        return self._desk.saved(request, f"/profiles/{saved['id']}", "The profile is saved.")

    # --- orders -------------------------------------------------------------------------------------------------------

    async def _test(self, request: web.Request) -> web.StreamResponse:
        sent = await request.post()
        body = {
            "settings": None,
            "profile": request.match_info["profile"],
            "user": str(sent.get("user", ""))[:300],
            "protocol": str(sent.get("protocol", "imap")),
        }
        return await self._show(request, tested=await self._desk.accounts(request).test_profile(body))

    async def _consent(self, request: web.Request) -> web.StreamResponse:
        """Send the browser to the issuer."""
        session = secrets.token_urlsafe(32)
        base = f"{request.scheme}://{request.host}"
        begun = await self._desk.accounts(request).begin_consent(request.match_info["profile"], session, base=base)
        target = urlsplit(begun["url"])
        answer = await self._desk.page(
            request, "leave.html", url=begun["url"], host=target.hostname or "", profile=request.match_info["profile"],
            redirect_uri=begun["redirect_uri"], section="/profiles",
        )  # fmt: skip
        secure = request.secure or urlsplit(begun["redirect_uri"]).scheme == "https"
        answer.set_cookie(
            CONSENT_COOKIE, session, max_age=CONSENT_SECONDS, path=CALLBACK, httponly=True, secure=secure, samesite="Lax"
        )
        return answer

    async def _callback(self, request: web.Request) -> web.StreamResponse:
        """Back from the issuer. Whoever comes is known by the consent's own cookie, and learns nothing but how it went."""
        session = request.cookies.get(CONSENT_COOKIE, "")
        verbs: Any = self._desk.verbs
        done = await verbs.accounts_.finish_consent(dict(request.query), session)
        answer = self._desk.rendering.html("consented.html", 200 if done["ok"] else 409, done=done)
        answer.headers.update(PAGE)
        answer.del_cookie(CONSENT_COOKIE, path=CALLBACK)
        return answer

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["profile"]
        version = str((await request.post()).get("version", ""))
        done = self._desk.accounts(request).delete_profile(name, version)
        return await self._desk.ordered(done, f"The profile {name} is removed.", back=f"/profiles/{name}", to="/profiles")
