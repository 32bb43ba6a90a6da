"""Every fault that Listener distinguishes, by two questions: whom does it concern, and may it pass by itself.

    process   ConfigurationError (exit 78), LedgerError and its kinds (exit 75)
    account   TransientFailure: back off and open again · PermanentFailure: keep probing slowly, tell a person
    message   MessageFailure: this one message goes to quarantine, the others go on

Unknown is temporary. Only the supervisor catches these broadly; text in them is shown to people, so it says what, where
and what to do, and never holds a secret. `SyncStateInvalid` is not among them: a mailbox reconciles by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ListenerError(Exception):
    """The root of all of them."""


class Refused(ListenerError):
    """A person's order that cannot be carried out as things stand; the text says why. Changes nothing."""


# --- process ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the configuration: which setting, why, and the place (`line` 0 when unknown)."""

    setting: str
    reason: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.setting}: {self.reason}" if self.setting else f"{place}{self.reason}"


class ConfigurationError(ListenerError):
    """The configuration cannot be used; `faults` lists every reason at once. Exit 78."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in faults))


class LedgerError(ListenerError):
    """The ledger cannot be used. Exit 75."""


class LedgerLocked(LedgerError):
    """Another process holds the state directory."""


class LedgerNewer(LedgerError):
    """The ledger was written by a newer Listener; this one must not touch it."""


class LedgerFull(LedgerError):
    """Disk full or read-only: stop fetching, keep mail on the server, try again later. Nothing was committed."""


class LedgerFailed(LedgerError):
    """The storage failed (EIO, fsync, corruption): this process must end, because nothing it wrote since can be trusted."""


class FenceLost(LedgerError):
    """A newer owner exists; this one's write was refused."""


# --- account ---------------------------------------------------------------------------------------------------------


class AccountFailure(ListenerError):
    """Something that concerns one account. `hint` says what to do, `setting` which setting is meant."""

    def __init__(self, reason: str, *, setting: str = "", hint: str = "") -> None:
        self.reason, self.setting, self.hint = reason, setting, hint
        super().__init__(reason + (f" ({setting})" if setting else "") + (f": {hint}" if hint else ""))


class TransientFailure(AccountFailure):
    """May pass by itself: back off and open a new session."""


class ConnectionLost(TransientFailure):
    """The connection broke, stalled or spoke nonsense."""


class ServerUnavailable(TransientFailure):
    """The server says that it cannot serve us now."""


class Throttled(TransientFailure):
    """The server asks us to wait `retry_after` seconds (None: it did not say how long)."""

    def __init__(self, reason: str, *, retry_after: float | None = None, setting: str = "", hint: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(reason, setting=setting, hint=hint)


class TokenExpired(TransientFailure):
    """The access token ran out during the session: refresh and reconnect at once, without back-off."""


class PermanentFailure(AccountFailure):
    """A person must act; keep probing slowly."""


class AuthenticationRefused(PermanentFailure):
    """The server refused the credentials themselves (and nothing less)."""


class ConsentLost(PermanentFailure):
    """The OAuth 2.0 grant is gone (`invalid_grant` and its kin): a person must consent again."""


class FolderMissing(PermanentFailure):
    """A watched folder is not there or cannot be selected; that folder alone is parked."""

    def __init__(self, folder: str, reason: str, *, hint: str = "") -> None:
        self.folder = folder
        super().__init__(reason, setting="receiver.folders", hint=hint)


class InsecureConnection(PermanentFailure):
    """TLS could not be had as asked (certificate, version, STARTTLS): no credential was sent."""


# --- message ---------------------------------------------------------------------------------------------------------


class MessageFailure(ListenerError):
    """One message is the trouble; `reason` is the fixed word kept with the quarantined row."""

    reason = "failed"


class ParseTimeout(MessageFailure):
    """Parsing took longer than its limit and was killed."""

    reason = "parse_timeout"


class ParseCrash(MessageFailure):
    """The process that parsed it died."""

    reason = "parse_crash"
