"""What people make, change and delete in the console: accounts and profiles, kept in the ledger and merged with the files.

One change at a time: it is checked together with everything else, then committed with its sealed secrets in one transaction,
then applied to the running daemon. Before the commit nothing has happened; after it the change is in force at the latest with
the next start. Raises ConfigurationError (every fault, in the API's names), EditedMeanwhile, Refused, LedgerError.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ..config import Account, Config, OAuthProfile
from ..config.checks import Names
from ..config.kept_fields import api_name, api_words
from ..credentials.sealing import SealedSecrets
from ..errors import ConfigurationError, Fault, Refused
from ..ledger import EditedMeanwhile, Kept, KeptKind, Ledger, secret_name
from .drafts import MODELS, Draft, draft, saved
from .merging import Merged, Merger, store_faults, taken

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Commit = Callable[[], Awaitable[None]]


class Steering(Protocol):
    """Who runs the configuration: the supervisor, or nobody where no daemon runs."""

    @property
    def files(self) -> Config:
        """What the files said when they were last read."""
        ...

    def changing(self) -> AbstractAsyncContextManager[object]:
        """Held while the configuration is changed: one change at a time, reloads included."""
        ...

    async def adopt(self, merged: Merged, commit: Commit) -> None:
        """Prepare what can be refused, commit, apply. Raises ConfigurationError before the commit; `commit`'s own errors."""
        ...


class AccountBook:
    """Everything kept, in memory as it is in the ledger. `load` it first."""

    def __init__(self, ledger: Ledger, sealed: SealedSecrets, steering: Steering) -> None:
        self._ledger, self._sealed, self._steering = ledger, sealed, steering
        self._merger = Merger(lambda name: sealed.read(name).encode())
        self._kept: dict[KeptKind, dict[str, Kept]] = {kind: {} for kind in KeptKind}
        self.parked: Mapping[tuple[KeptKind, str], tuple[Fault, ...]] = {}

    async def load(self) -> None:
        """Read what is kept."""
        for kind in KeptKind:
            self._kept[kind] = {kept.id: kept for kept in await self._ledger.kept.all(kind)}

    async def merged(self, files: Config) -> Merged:
        """The files and what is kept, as one configuration."""
        return await self._merge(files, self._kept)

    async def _merge(self, files: Config, everything: Mapping[KeptKind, Mapping[str, Kept]]) -> Merged:
        drafts = {kind: [saved(kind, kept) for kept in everything[kind].values()] for kind in KeptKind}
        return await asyncio.to_thread(self._merger.merge, files, drafts[KeptKind.PROFILE], drafts[KeptKind.ACCOUNT])

    # --- what is there ------------------------------------------------------------------------------------------------

    def kept(self, kind: KeptKind, id: str) -> Kept | None:
        """What is kept under that id."""
        return self._kept[kind].get(id)

    def ids(self, kind: KeptKind) -> list[str]:
        """Every id that is kept."""
        return list(self._kept[kind])

    def why_parked(self, kind: KeptKind, id: str) -> str:
        """Why it does not run; "" when it does."""
        return "; ".join(f"{f.setting}: {f.reason}" if f.setting else f.reason for f in self.parked.get((kind, id), ()))

    # --- looking before leaping -------------------------------------------------------------------------------------

    async def account_of(self, settings: Mapping[str, Any], id: str | None) -> tuple[Account | None, tuple[Fault, ...]]:
        """What these settings make, over the kept account `id` where one is named; nothing is kept. Every fault with it."""
        one = draft(KeptKind.ACCOUNT, settings, self._known(KeptKind.ACCOUNT, id))
        account = (await asyncio.to_thread(self._merger.account, one, self._names()))[0]
        return account, await self._faults(one, id)

    async def profile_of(self, settings: Mapping[str, Any], id: str | None) -> tuple[OAuthProfile | None, tuple[Fault, ...]]:
        """The same for a profile."""
        one = draft(KeptKind.PROFILE, settings, self._known(KeptKind.PROFILE, id))
        return (await asyncio.to_thread(self._merger.profile, one))[0], await self._faults(one, id)

    async def _faults(self, one: Draft, before: str | None) -> tuple[Fault, ...]:
        """Everything that is wrong with it, its new secrets at hand."""
        found = await asyncio.to_thread(self._looked_at, one, self._names())
        about_id = [*self._new_id(one, before), *taken(self._steering.files, one)]
        rest = [fault for fault in found if not (about_id and fault.setting == "id")]
        return tuple(dict.fromkeys([*about_id, *rest]))

    def _looked_at(self, one: Draft, names: Names) -> list[Fault]:
        is_account = one.kind is KeptKind.ACCOUNT
        table, found = self._merger.account(one, names) if is_account else self._merger.profile(one)
        return [*found, *store_faults(one.kind, table)]

    def _names(self) -> Names:
        """What an account may refer to."""
        files = self._steering.files
        profiles = {id for id in self._kept[KeptKind.PROFILE] if (KeptKind.PROFILE, id) not in self.parked}
        return Names(frozenset(files.oauth) | profiles, frozenset(files.webhook), frozenset(files.command))

    # --- changes ------------------------------------------------------------------------------------------------------

    async def add(self, kind: KeptKind, settings: Mapping[str, Any], *, with_history: bool = False) -> Kept:
        """A new one; an account is paused. Raises Refused for an id whose mail is in the ledger, unless `with_history`."""
        async with self._steering.changing():
            one = draft(kind, settings, None)
            _refuse(await self._faults(one, None))
            if kind is KeptKind.ACCOUNT and not with_history and await self._ledger.kept.has_history(one.id):
                raise Refused(_HISTORY.format(one.id))
            sealed = {name: octets for name, octets in (await self._seal(one)).items() if octets is not None}
            return await self._change(
                one, 1, lambda: self._ledger.kept.add(kind, one.id, one.settings, sealed, with_history=with_history)
            )

    async def change(self, kind: KeptKind, id: str, version: int, settings: Mapping[str, Any]) -> Kept:
        """Its new settings, all of them, made of that version."""
        async with self._steering.changing():
            one = draft(kind, settings, self._at_version(kind, id, version))
            _refuse(await self._faults(one, id))
            sealed = await self._seal(one)
            return await self._change(
                one, version + 1, lambda: self._ledger.kept.change(kind, id, version, one.settings, sealed)
            )

    async def remove(self, kind: KeptKind, id: str, version: int) -> None:
        """Settings and secrets; an account's mail and cases stay. Raises Refused for a profile that is used."""
        async with self._steering.changing():
            self._at_version(kind, id, version)
            after = {k: dict(kept) for k, kept in self._kept.items()}
            del after[kind][id]
            merged = await self._merge(self._steering.files, after)
            if broken := self._newly_parked(merged):
                raise Refused(f"it is used by {', '.join(broken)}")

            async def commit() -> None:
                await self._ledger.kept.remove(kind, id, version)
                self._kept, self.parked = after, merged.parked

            await self._steering.adopt(merged, commit)

    async def _change(self, one: Draft, version: int, commit: Callable[[], Awaitable[Kept]]) -> Kept:
        """Look at it together with all others as it will be, then commit and apply."""
        secrets = dict(one.kept) | {name: version for name, value in one.given.items() if value is not None}
        after = {kind: dict(kept) for kind, kept in self._kept.items()}
        after[one.kind][one.id] = Kept(one.id, version, one.settings, secrets, 0.0)
        merged = await self._merge(self._steering.files, after)
        _refuse(merged.parked.get((one.kind, one.id), ()))
        if broken := self._newly_parked(merged):
            raise Refused(f"then {', '.join(broken)} could not run any more")

        async def kept() -> None:
            after[one.kind][one.id] = await commit()
            self._kept, self.parked = after, merged.parked

        try:
            await self._steering.adopt(merged, kept)
        except ConfigurationError as error:
            raise ConfigurationError([_at_field(one, fault) for fault in error.faults]) from None
        return after[one.kind][one.id]

    def _newly_parked(self, merged: Merged) -> list[str]:
        return sorted(id for kind, id in merged.parked.keys() - self.parked.keys() if kind is KeptKind.ACCOUNT)

    async def _seal(self, one: Draft) -> dict[str, bytes | None]:
        return {
            name: None if value is None else await self._sealed.seal(secret_name(one.kind, one.id, name), value)
            for name, value in one.given.items()
        }

    def _known(self, kind: KeptKind, id: str | None) -> Kept | None:
        kept = self._kept[kind].get(id) if id is not None else None
        if id is not None and kept is None:
            raise Refused(f"{id!r} is not kept in the ledger")
        return kept

    def _at_version(self, kind: KeptKind, id: str, version: int) -> Kept:
        kept = self._kept[kind].get(id)
        if kept is None or kept.version != version:
            raise EditedMeanwhile(f"{id!r}", kept.version if kept else None)
        return kept

    def _new_id(self, one: Draft, before: str | None) -> list[Fault]:
        if before is not None:
            return [] if one.id == before else [Fault("id", "cannot be changed: the ledger knows it by this")]
        if not ID.fullmatch(one.id):
            return [Fault("id", "write letters, digits, -, _ or ., at most 64, beginning with a letter or digit")]
        same = next((id for id in self._kept[one.kind] if id.casefold() == one.id.casefold()), None)
        return [Fault("id", f'there is one of the id "{same}" already')] if same is not None else []


_HISTORY = (
    "there is mail of an earlier account {!r} in the ledger: choose another id, or say that its history goes on "
    "(continue_history), if it is the same mailbox"
)


def _at_field(one: Draft, fault: Fault) -> Fault:
    """What only taking it on showed (a template, a hook), at the field of the form."""
    setting = fault.setting.removeprefix(f"accounts.{one.id}.").removeprefix(f"oauth.{one.id}.")
    return Fault(api_name(MODELS[one.kind], setting), api_words(MODELS[one.kind], fault.reason))


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise ConfigurationError(faults)
