"""Where an account connects to and what it signs in with: endpoints, and passwords read anew at every sign-in.

`endpoint_of` and `credentials_of` turn the receiver or sender of an account into the protocols' words; OAuth 2.0 tokens come
from `oauth.py` through the same seam. Passwords lie in files or systemd credentials; a rotated one needs no restart. A
`Secret` never shows itself: not in `repr`, `str`, formats, JSON or pickles. Only `reveal()` gives the value, and only the
line that hands it to the protocol calls it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, NoReturn

from ..config import Account
from ..config.files import MAX_SECRET, secret_trouble
from ..config.kept import KeptFile
from ..errors import PermanentFailure
from ..protocols.endpoint import Endpoint, LowestTLS
from ..protocols.endpoint import Security as EndpointSecurity
from ..protocols.sasl import Credentials, Kind

MASK = "***"

Section = Literal["receiver", "sender"]
TokenOf = Callable[[str, str, str], Callable[[], Awaitable[str]]]
SkewOf = Callable[[str], float | None]
"""A profile → how many seconds its issuer's clock was ahead of ours when its token came; None where nothing told (R-104)."""
"""Profile's name, user and protocol → what gives a valid access token."""


class Secret:
    """A value that is used and never shown. Compares by value, so that a rotation can be noticed."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> tuple[Any, ...]:
        return Secret, (MASK,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> NoReturn:
        raise TypeError("secrets are no settings: name the file they lie in")


def endpoint_of(account: Account, section: Section) -> Endpoint:
    """Where this side of the account connects to, and how protected. Raises PermanentFailure when there is no such side."""
    side = account.receiver if section == "receiver" else account.sender
    if side is None:
        raise PermanentFailure("the account has no sender", setting="sender", hint="add [accounts.sender]")
    return Endpoint(
        side.host,
        side.port,
        security=EndpointSecurity(side.security),
        min_tls=LowestTLS(side.min_tls),
        truststore_file=side.truststore_file,
        truststore_password_file=side.truststore_password_file,
        insecure=side.insecure,
        section=section,
    )


def credentials_of(account: Account, section: Section, token_of: TokenOf) -> Credentials:
    """What this side of the account signs in with. Nothing is read yet. Raises PermanentFailure when the side has nothing."""
    side = account.receiver if section == "receiver" else account.sender
    if side is not None and side.oauth is not None:
        return Credentials(side.user, token_of(side.oauth, side.user, side.protocol.value), Kind.TOKEN, section)
    if side is not None and side.password_file is not None:
        return Credentials(side.user, _password_of(side.password_file, f"{section}.password_file"), Kind.PASSWORD, section)
    raise PermanentFailure("nothing to sign in with", setting=f"{section}.password_file", hint="write password_file or oauth")


def _password_of(path: Path | KeptFile, setting: str) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        return (await asyncio.to_thread(read_secret, path, setting)).reveal()

    return read


def read_secret(path: Path | KeptFile, setting: str) -> Secret:
    """The secret in a file, or kept in the ledger, without the line end that editors add; spaces belong to it.

    Raises PermanentFailure naming the setting when the file cannot be used: missing, unreadable, empty, too large, no text.
    """
    if reason := secret_trouble(path):
        raise PermanentFailure(reason, setting=setting)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SECRET).decode()
    except UnicodeDecodeError:
        raise PermanentFailure(f"{path} is not UTF-8 text", setting=setting, hint="write the secret anew") from None
    except OSError as error:  # it vanished since we looked
        raise PermanentFailure(f"{path} cannot be read: {error.strerror}", setting=setting) from None
    return Secret(text.rstrip("\r\n"))
