"""Making and changing an email account: the form, its test and preview before anything is saved, and switching it on.

One address takes everything that the form can do (`do`): save, start (save and switch on), test, preview, refresh (show what
applies now, for browsers without a script). Whatever is wrong comes back as the same form with each fault at its field;
secrets never do.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from ...config.presets import providers
from ...errors import ConfigurationError, ListenerError, Refused
from . import account_fields
from .desk import Desk, editable
from .foreseen import foreseen
from .forms import Form, Part, Settings, at_field, settings, values, with_faults
from .posted import posted, version_in

PREVIEWED = 20
"""Messages that a preview looks at."""
LIVE = "application/x-ndjson"
"""What the script asks for, to show each step of a test as it happens."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The form as it was sent. `account` is empty for a new one, `version` what was edited."""

    account: str
    version: int | None
    form: Form
    settings: Settings
    faults: tuple[tuple[str, str], ...] = ()


class AccountForm:
    """Handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are served; before those of `accounts.py`."""
        return [
            web.get("/accounts/new", self._new),
            web.post("/accounts/new", self._take),
            web.get("/accounts/{account}/edit", self._edit),
            web.post("/accounts/{account}/edit", self._take),
            web.post("/accounts/{account}/try", self._try),
        ]

    # --- show ---------------------------------------------------------------------------------------------------------

    async def _new(self, request: web.Request) -> web.StreamResponse:
        parts = self._parts(request, is_new=True)
        shown, kept = values(parts, {})
        return await self._page(request, Draft("", None, Form(parts, shown | account_fields.steering({}), kept), {}))

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        found = await self._found(request)
        parts = self._parts(request, is_new=False)
        shown, kept = values(parts, found["settings"])
        notes = {one["field"]: one["reason"] for one in found["warnings"]}
        form = Form(parts, shown | account_fields.steering(found["settings"]), kept, notes=notes)
        return await self._page(request, Draft(found["id"], found["version"], form, found["settings"]))

    async def _page(self, request: web.Request, draft: Draft, status: int = 200, **trial: Any) -> web.Response:
        return await self._desk.page(
            request, "account_form.html", status, draft=draft, form=draft.form, presets=_presets(), section="/accounts",
            steps=trial.get("steps"), preview=trial.get("preview"), trouble=trial.get("trouble", ""),
        )  # fmt: skip

    def _parts(self, request: web.Request, *, is_new: bool) -> tuple[Part, ...]:
        return account_fields.parts(self._desk.accounts(request).profile_names(), is_new=is_new)

    async def _found(self, request: web.Request) -> Mapping[str, Any]:
        return editable("account", await self._desk.accounts(request).account(request.match_info["account"]))

    # --- take ---------------------------------------------------------------------------------------------------------

    async def _take(self, request: web.Request) -> web.StreamResponse:
        wanted = str((await request.post()).get("do", "save"))
        draft = await self._draft(request)
        if wanted == "refresh":
            return await self._page(request, draft)
        if draft.faults:
            return await self._refused(request, draft, draft.faults)
        try:
            if wanted == "test":
                return await self._test(request, draft)
            if wanted == "preview":
                return await self._preview(request, draft)
            return await self._save(request, draft, start=wanted == "start")
        except ConfigurationError as error:
            return await self._refused(request, draft, [(one.setting, one.reason) for one in error.faults])
        except Refused as error:
            return await self._refused(request, draft, [("", str(error))], 409)

    async def _draft(self, request: web.Request) -> Draft:
        """What was sent, as settings. A kept secret stays kept where its field is empty."""
        form = await request.post()
        found = await self._found(request) if "account" in request.match_info else None
        before: Settings = dict(found["settings"]) if found else {}
        parts = self._parts(request, is_new=found is None)
        sent, faults = posted(parts, form)
        sent = account_fields.implied(sent)
        if found:
            sent["id"] = found["id"]
        kept = values(parts, before)[1]
        made = account_fields.finished(settings(parts, sent, before, kept), sent)
        return Draft(found["id"] if found else "", version_in(form), Form(parts, sent, kept), made, tuple(faults))

    async def _refused(self, request: web.Request, draft: Draft, faults: Any, status: int = 422) -> web.Response:
        """The form again, with its faults."""
        return await self._page(request, replace(draft, form=with_faults(draft.form, faults)), status)

    async def _save(self, request: web.Request, draft: Draft, *, start: bool) -> web.StreamResponse:
        verbs = self._desk.accounts(request)
        if draft.account:
            saved = await verbs.update_account(draft.account, {"settings": draft.settings, "version": draft.version})
        else:
            saved = await verbs.create_account({"settings": draft.settings})
        name = saved["id"]
        if start:
            await self._desk.by(request).resume(name)
        state = "saved and switched on" if start else "saved; it is switched off" if saved["paused"] else "saved"
        return self._desk.saved(request, f"/accounts/{name}", f"The account is {state}.")

    # --- try ----------------------------------------------------------------------------------------------------------

    async def _test(self, request: web.Request, draft: Draft) -> web.StreamResponse:
        body = {"settings": draft.settings, "account": draft.account or None}
        rows: AsyncIterator[Mapping[str, Any]] = self._desk.accounts(request).test_account(body)
        if LIVE not in request.headers.get("Accept", ""):
            steps = [row async for row in rows]
            shown = _shown(draft.form)
            failed = [row for row in steps if "done" not in row and not row["ok"] and row["field"]]
            faults = [(_place(row, shown), _fault(row)) for row in failed]
            return await self._page(request, replace(draft, form=with_faults(draft.form, faults)), steps=steps)
        return await self._live(request, draft.form, rows)

    async def _live(self, request: web.Request, form: Form, rows: AsyncIterator[Mapping[str, Any]]) -> web.StreamResponse:
        """Each step as a line of JSON the moment it is known: its HTML, and its fault with the field's name."""
        answer: web.StreamResponse | None = None
        shown = _shown(form)
        async with aclosing(rows) as steps:  # type: ignore[type-var]
            async for row in steps:
                if answer is None:  # what cannot even be begun is an ordinary answer
                    answer = web.StreamResponse(headers={"Content-Type": LIVE, "X-Accel-Buffering": "no"})
                    await answer.prepare(request)
                line = {"html": self._desk.rendering.text("step.html", step=row), "done": bool(row.get("done"))}
                if not row.get("done") and not row["ok"]:
                    line |= {"field": at_field(_place(row, shown), shown), "fault": _fault(row)}
                await answer.write(json.dumps(line).encode() + b"\n")
        return answer or web.json_response({})

    async def _try(self, request: web.Request) -> web.StreamResponse:
        """The same for an account as it is saved, also one from a file. Without a script the result is a page of its own."""
        name = request.match_info["account"]
        draft = Draft(name, None, Form((), {}), {})
        body = {"settings": None, "account": name}
        if (await request.post()).get("do") == "preview":
            return await self._result(request, name, **await self._looked(request, body))
        rows = self._desk.accounts(request).test_account(body)
        if LIVE in request.headers.get("Accept", ""):
            return await self._live(request, draft.form, rows)
        return await self._result(request, name, steps=[row async for row in rows])

    async def _result(self, request: web.Request, name: str, **trial: Any) -> web.Response:
        shown = {"steps": None, "preview": None, "trouble": ""} | trial
        return await self._desk.page(request, "tried.html", account=name, section="/accounts", **shown)

    async def _looked(self, request: web.Request, body: Mapping[str, Any]) -> dict[str, Any]:
        """A preview's rows, or why there are none."""
        try:
            rows = await self._desk.accounts(request).preview_draft({**body, "limit": PREVIEWED, "since": None})
        except (ConfigurationError, Refused):
            raise
        except ListenerError as error:
            return {"trouble": str(error)}
        return {"preview": [foreseen(row) for row in rows]}

    async def _preview(self, request: web.Request, draft: Draft) -> web.StreamResponse:
        body = {"settings": draft.settings, "account": draft.account or None}
        return await self._page(request, draft, **await self._looked(request, body))


def _shown(form: Form) -> set[str]:
    return {one.name for one in form.fields() if one.applies(form.values)}


def _fault(row: Mapping[str, Any]) -> str:
    """What is wrong, and what to change."""
    return f"{row['said']} ({row['hint']})" if row["hint"] else str(row["said"])


def _place(row: Mapping[str, Any], shown: Collection[str]) -> str:
    """The field of a failed step. Servers do not say which of user and password is wrong: it is mostly the password."""
    field: str = row["field"]
    password = f"{field.removesuffix('.user')}.password"
    return password if field.endswith(".user") and row["name"] == "sign-in" and password in shown else field


def _presets() -> str:
    """What the script fills in when a provider is chosen, as JSON."""
    found = {
        name: {
            "domains": list(provider.domains),
            "graph": provider.graph,
            "hint": provider.hint,
            **{
                way: [
                    {"host": end.host, "port": end.port, "security": str(end.security), "auth": list(end.auth)}
                    for end in provider.endpoints(way)
                ]
                for way in ("imap", "pop3", "smtp")
            },
        }
        for name, provider in providers().items()
    }
    return json.dumps(found)
