"""The verbs about authentication profiles: made, changed, tested, consented to. Plain JSON in, plain JSON out.

Part of `account_verbs.py`. A token is never in an answer: of a test one learns what it is for and how long it holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..accounts.consents import users
from ..accounts.showing import given, in_force
from ..config import Grant, OAuthProfile
from ..config.checks import consent_possible
from ..config.files import grant_warnings
from ..config.kept_fields import api_name, api_words
from ..credentials.expiry import expiry_of
from ..credentials.oauth import Token, Tokens
from ..errors import AccountFailure, ConfigurationError, PermanentFailure
from ..ledger import KeptKind, Row
from ..protocols.graph.grants import granted
from .account_desk import DeskVerbs, fields_of, settings_of, settings_or_none, shown, version_of
from .health import timestamp
from .routes import BadRequest, NotFound

PROTOCOLS = ("imap", "pop3", "smtp", "graph")
TEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ProfileVerbs(DeskVerbs):
    """See `AccountVerbs`."""

    async def profiles(self) -> list[Row]:
        """Every profile by name."""
        used = users(self.desk.config())
        return [await self._profile(name, used.get(name, [])) for name in self.profile_names()]

    def profile_names(self) -> list[str]:
        """Their ids alone, in order."""
        return sorted({*self.desk.config().oauth, *self.desk.book.ids(KeptKind.PROFILE)})

    async def profile(self, profile: str) -> Row:
        """One profile: as it was given, who uses it, how its tokens and its consent stand."""
        return await self._profile(profile, users(self.desk.config()).get(profile, []))

    async def _profile(self, profile: str, used_by: list[str]) -> Row:
        config, book = self.desk.config(), self.desk.book
        kept, running = book.kept(KeptKind.PROFILE, profile), config.oauth.get(profile)
        if kept is None and running is None:
            raise NotFound(f"no profile {profile!r}")
        place = config.places.get(f"oauth/{profile}")
        from_file = kept is None or place is not None
        settings = given(kept) if kept is not None and not from_file else {}
        if running is not None and from_file:
            settings = {"id": profile, **await asyncio.to_thread(in_force, running)}
        left = self.desk.tokens.seconds_left(profile)
        return {
            "id": profile,
            "source": "file" if from_file else "ledger",
            "file": place,
            "editable": not from_file,
            "version": None if kept is None else kept.version,
            "changed_at": None if kept is None else timestamp(kept.changed_at),
            "parked": book.why_parked(KeptKind.PROFILE, profile) or None,
            "settings": settings,
            "consent": await self._consent(profile, running),
            "used_by": used_by,
            "token": None if left is None else {"seconds_left": round(left), "expires_at": timestamp(self.desk.now() + left)},
            "secret_expires_at": timestamp(await asyncio.to_thread(expiry_of, running)) if running else None,
            "warnings": [{"field": "grant", "reason": said} for said in grant_warnings(running.grant)] if running else [],
        }

    async def create_profile(self, body: Mapping[str, Any]) -> Row:
        """A new profile."""
        settings = settings_of(body)
        async with self.order("profile.create", str(settings.get("id", ""))[:100], fields=fields_of(settings)):
            kept = await self.desk.book.add(KeptKind.PROFILE, settings)
        return await self.profile(kept.id)

    async def update_profile(self, profile: str, body: Mapping[str, Any]) -> Row:
        """All its settings anew; secrets that are not given stay. Accounts that use it sign in again."""
        self.kept(KeptKind.PROFILE, profile)
        settings = settings_of(body)
        async with self.order("profile.update", profile, fields=fields_of(settings)):
            await self.desk.book.change(KeptKind.PROFILE, profile, version_of(body.get("version")), settings)
        return await self.profile(profile)

    async def delete_profile(self, profile: str, version: str | int) -> Row:
        """Refused while an account uses it."""
        self.kept(KeptKind.PROFILE, profile)
        async with self.order("profile.delete", profile):
            await self.desk.book.remove(KeptKind.PROFILE, profile, version_of(version))
        return {"id": profile, "deleted": True}

    async def check_profile(self, body: Mapping[str, Any]) -> Row:
        """What these settings would be, and every fault; nothing is saved or asked for."""
        found, faults = await self.desk.book.profile_of(settings_of(body), self.named(body, "profile"))
        effective = await asyncio.to_thread(in_force, found) if found is not None else {}
        warnings = [{"field": "grant", "reason": said} for said in grant_warnings(found.grant)] if found else []
        return {"ok": not faults, "faults": shown(faults), "warnings": warnings, "effective": effective}

    async def test_profile(self, body: Mapping[str, Any]) -> Row:
        """Have a new access token; what it is for and how long it holds, never what it is."""
        settings, name = settings_or_none(body), self.named(body, "profile")
        user, protocol = body.get("user") or "", body.get("protocol") or "imap"
        if protocol not in PROTOCOLS or not isinstance(user, str):
            raise BadRequest(f"choose one of {', '.join(PROTOCOLS)}", field="protocol")
        begun = time.monotonic()
        async with self.order("profile.test", name or "", draft=settings is not None):
            try:
                async with asyncio.timeout(TEST_SECONDS):
                    found = await self._token(settings, name, user, protocol)
            except (AccountFailure, TimeoutError) as error:
                return {"ok": False, "seconds": round(time.monotonic() - begun, 3)} | _why(error, name or "draft")
        token, lifetime = found
        return {
            "ok": True,
            "seconds": round(time.monotonic() - begun, 3),
            "lifetime": round(lifetime),
            "expires_at": timestamp(self.desk.now() + lifetime),
            "scopes": granted(token.value.reveal()) or token.scope.split(),
            "said": "an access token was issued",
            "hint": "",
            "field": "",
        }

    async def _token(
        self, settings: Mapping[str, Any] | None, name: str | None, user: str, protocol: str
    ) -> tuple[Token, float]:
        """A fresh one and the seconds it holds."""
        if settings is None:
            tokens, name = self.desk.tokens, name or ""
            return await _fresh(tokens, name, user, protocol)
        profile, faults = await self.desk.book.profile_of(settings, name)
        if profile is None or faults:
            raise ConfigurationError(faults)
        if profile.grant is Grant.REFRESH_TOKEN:
            raise PermanentFailure(
                "a refresh token may change with its first use, so it is not tried before it is kept",
                hint="save the profile first",
            )
        draft = Tokens({name or "draft": profile}, _Nowhere())
        try:
            return await _fresh(draft, name or "draft", user, protocol)
        finally:
            await draft.close()

    async def _consent(self, name: str, profile: OAuthProfile | None) -> Row:
        if profile is None or profile.grant is not Grant.REFRESH_TOKEN:
            return {"possible": False, "given": False}
        given = profile.refresh_token_file is not None
        try:
            given = given or await self.desk.tokens.consent_kept(name)
        except AccountFailure:
            given = False
        return {"possible": consent_possible(profile), "given": given}

    async def begin_consent(self, profile: str, session: str, login_hint: str = "", base: str = "") -> Row:
        """Where to send the browser; `session` is bound to it."""
        async with self.order("profile.consent", profile):
            begun = self.desk.consents.begin(profile, session, base=base, login_hint=login_hint[:300])
        return {"url": begun.url, "expires_at": timestamp(begun.expires_at), "redirect_uri": begun.redirect_uri}

    async def finish_consent(self, query: Mapping[str, str], session: str) -> Row:
        """What the browser brought back from the issuer; what came of it, in words."""
        done = await self.desk.consents.finish(query, session)
        if done.profile:
            async with self.by("a browser that consents").order("profile.consented", done.profile, ok=done.ok):
                pass
        return {
            "profile": done.profile,
            "ok": done.ok,
            "said": done.said,
            "hint": done.hint,
            "accounts": list(done.accounts),
        }


async def _fresh(tokens: Tokens, name: str, user: str, protocol: str) -> tuple[Token, float]:
    source = tokens.source(name, user, protocol)
    source.invalidate()
    token = await source.present()
    return token, token.left(tokens.clock())


def _why(error: AccountFailure | TimeoutError, name: str) -> Row:
    if isinstance(error, TimeoutError):
        return {"said": f"no token within {TEST_SECONDS:.0f} s", "hint": "is the issuer reachable?", "field": "token_url"}
    setting = error.setting.removeprefix(f"oauth.{name}").removeprefix(".")
    return {
        "said": api_words(OAuthProfile, error.reason),
        "hint": api_words(OAuthProfile, error.hint),
        "field": api_name(OAuthProfile, setting),
    }


class _Nowhere:
    """Keeps nothing: a draft has nothing to keep."""

    async def load(self, name: str) -> str | None:
        return None

    async def save(self, name: str, value: str) -> None:
        raise PermanentFailure(f"{name} cannot be kept here", setting=name)
