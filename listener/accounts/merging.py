"""The running configuration: what the files say, and what the ledger keeps, checked by the same code and together.

What is kept and has a fault does not stop the others: it is *parked*, with every reason. One id in a file and in the ledger
is such a fault, and the file's is the one that runs. Whoever edits something looks whether that very thing is parked; a reload
refuses a configuration that parks anything, as it refuses every fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..config import Account, Config, OAuthProfile
from ..config.checks import Names
from ..config.files import truststore_trouble
from ..config.kept import KeptFile
from ..config.kept_fields import api_name, api_words
from ..config.load import read_account, read_profile
from ..config.values import Table
from ..errors import Fault, PermanentFailure
from ..hooks.loading import hook_fault
from ..ledger import KeptKind
from .drafts import MODELS, Draft, as_table

Read = Callable[[str], bytes]
Parked = Mapping[tuple[KeptKind, str], tuple[Fault, ...]]


@dataclass(frozen=True, slots=True)
class Merged:
    """`config`: what runs. `parked`: by kind and id, what is kept and cannot run, with every reason in the API's words."""

    config: Config
    parked: Parked


class Merger:
    """Remembers what it read, so that an edit of one account does not read ten thousand others anew."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._accounts: dict[str, tuple[object, Account | None, tuple[Fault, ...]]] = {}

    def merge(self, files: Config, profiles: Iterable[Draft], accounts: Iterable[Draft]) -> Merged:
        """Everything together. Blocks (hooks are imported): call it on a thread."""
        parked: dict[tuple[KeptKind, str], tuple[Fault, ...]] = {}
        oauth = dict(files.oauth)
        in_files = {id.casefold() for id in files.oauth}
        for draft in profiles:
            profile, faults = self.profile(draft)
            faults = (*(taken(files, draft) if draft.id.casefold() in in_files else ()), *faults)
            if faults or profile is None:
                parked[draft.kind, draft.id] = faults
            else:
                oauth[draft.id] = profile
        names = Names(frozenset(oauth), frozenset(files.webhook), frozenset(files.command))
        found: list[Account] = []
        in_files = {account.id.casefold() for account in files.accounts}
        for draft in accounts:
            account, faults = self._remembered(draft, names)
            faults = (*(taken(files, draft) if draft.id.casefold() in in_files else ()), *faults)
            if faults or account is None:
                parked[draft.kind, draft.id] = faults
            else:
                found.append(account)
        if not found and len(oauth) == len(files.oauth):
            return Merged(files, parked)
        return Merged(files.model_copy(update={"accounts": (*files.accounts, *found), "oauth": oauth}), parked)

    def profile(self, draft: Draft) -> tuple[OAuthProfile | None, tuple[Fault, ...]]:
        """One profile, and everything that is wrong with it."""
        profile, faults = read_profile(as_table(draft, self._read))
        return profile, (*draft.faults, *_in_words(draft.kind, faults))

    def account(self, draft: Draft, names: Names) -> tuple[Account | None, tuple[Fault, ...]]:
        """One account, and everything that is wrong with it."""
        account, faults = read_account(as_table(draft, self._read), names, check_hook=hook_fault)
        return account, (*draft.faults, *_in_words(draft.kind, faults))

    def _remembered(self, draft: Draft, names: Names) -> tuple[Account | None, tuple[Fault, ...]]:
        key = (draft.settings, draft.kept, names)
        known = self._accounts.get(draft.id)
        if known is None or known[0] != key:
            known = self._accounts[draft.id] = (key, *self.account(draft, names))
        return known[1], known[2]


def taken(files: Config, draft: Draft) -> list[Fault]:
    """One id in a file and in the ledger."""
    kind = "account" if draft.kind is KeptKind.ACCOUNT else "profile"
    ids = [account.id for account in files.accounts] if draft.kind is KeptKind.ACCOUNT else list(files.oauth)
    same = next((id for id in ids if id.casefold() == draft.id.casefold()), None)
    if same is None:
        return []
    place = files.places.get(f"{draft.kind}/{same}", "the configuration file")
    return [Fault("id", f'there is {"an" if kind == "account" else "a"} {kind} "{same}" in {place} too: remove one of them')]


def _in_words(kind: KeptKind, faults: Iterable[Fault]) -> list[Fault]:
    """Faults as a form can show them: in the API's names, and without a file."""
    model = MODELS[kind]
    return [Fault(api_name(model, f.setting), api_words(model, f.reason)) for f in faults]


def store_faults(kind: KeptKind, table: Table | None) -> list[Fault]:
    """What is wrong with the trust stores of a draft, its passwords at hand. Slow: PKCS#12 is made so.

    Not asked of what is kept already: it was looked at when it was given, and nothing else changes it.
    """
    found = []
    for name in ("", "receiver", "sender"):
        side = getattr(table, name, None) if name else table
        file = getattr(side, "truststore_file", None)
        if isinstance(file, KeptFile):
            fault = _store_fault(file, getattr(side, "truststore_password_file", None))
            found.append(Fault(f"{name}.{fault.setting}".removeprefix("."), fault.reason))
    return _in_words(kind, (fault for fault in found if fault.reason))


def _store_fault(file: KeptFile, password_file: Path | KeptFile | None) -> Fault:
    try:
        return truststore_trouble(file, password_file)
    except PermanentFailure:  # the key that it was sealed with is gone
        return Fault("truststore_password_file", "what is kept cannot be opened any more: write it again")
