"""Secrets that Listener itself has to keep (rotated refresh tokens) lie in the ledger only encrypted: AES-256-GCM (R-87).

`SealedSecrets` is the `TokenStore` of `oauth.py` over the ledger's `secrets`. The key is derived (HKDF, RFC 5869) from
`listener.key_file`, else from a file made in `state_dir`. Each secret has its own nonce and is bound to its name, so that one
cannot be put in the place of another. With another key, or after tampering, a secret is not opened: it must be given anew.
Former keys (`old_key_files`; without a `key_file` those that `rotation.py` left in `state_dir`) still open what they sealed.
`keyring` derives the keys of thread tokens (`tokens.py`) from the same files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..config import Listener
from ..errors import ConfigurationError, Fault, PermanentFailure
from ..tokens import Key, Keyring
from . import read_secret

KEY_FILE = "listener-key"
"""In `state_dir`, where no `key_file` is configured."""
FORMER_KEYS = f"{KEY_FILE}.old-*"
"""Beside it, what it was before."""
SHORTEST_KEY = 16
"""Characters; a shorter one can be guessed."""
VERSION = b"\x01"
NONCE = 12
"""Octets (NIST SP 800-38D §8.2)."""
PURPOSE = b"listener secrets v1"
TOKENS = b"listener thread tokens v1"
LINKS = b"listener signed addresses v1"
"""What a key is derived for (HKDF's info): one purpose never learns another's key."""

log = structlog.get_logger(__name__)


class SecretKeeper(Protocol):
    """What the ledger does for us."""

    async def secret(self, name: str) -> bytes | None: ...
    async def set_secret(self, name: str, sealed: bytes | None) -> None: ...
    def read_secret(self, name: str) -> bytes | None: ...


class SealedSecrets:
    """Secrets by name, kept by the ledger, readable only with a key. `keys` gives them, the present one first.

    They are asked for each time: another process, or another part of this one, may have changed them.
    """

    def __init__(self, keeper: SecretKeeper, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keeper = keeper
        self._keys = keys

    async def load(self, name: str) -> str | None:
        """What was saved. Raises PermanentFailure when it cannot be opened with our keys."""
        sealed = await self._keeper.secret(name)
        return None if sealed is None else await asyncio.to_thread(lambda: unsealed(self._present(), name, sealed))

    async def save(self, name: str, value: str) -> None:
        """Durable when it returns."""
        await self._keeper.set_secret(name, await self.seal(name, value))

    async def seal(self, name: str, value: str) -> bytes:
        """As `save` keeps it, for whoever keeps it together with other things. Raises PermanentFailure without a key."""
        return await asyncio.to_thread(lambda: sealed_with(self._present()[0], name, value))

    def read(self, name: str) -> str:
        """As `load`, but not async, and safe on any thread. Raises PermanentFailure also when it is not there."""
        sealed = self._keeper.read_secret(name)
        if sealed is None:
            raise PermanentFailure(f"the secret {name} is not there", hint="give it anew")
        return unsealed(self._present(), name, sealed)

    def _present(self) -> Sequence[bytes]:
        """Raises PermanentFailure when there is no key that can be used."""
        try:
            return self._keys()
        except ConfigurationError as error:
            raise PermanentFailure(error.faults[0].reason, setting="listener.key_file") from None


def sealed_with(key: bytes, name: str, value: str) -> bytes:
    """The value as the ledger keeps it."""
    nonce = secrets.token_bytes(NONCE)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, value.encode(), name.encode())


def unsealed(keys: Sequence[bytes], name: str, sealed: bytes) -> str:
    """The value, opened with the first key that fits. Raises PermanentFailure when none does."""
    nonce, ciphertext = sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
    if sealed[:1] == VERSION and len(nonce) == NONCE:
        for key in keys:
            with contextlib.suppress(InvalidTag):
                return AESGCM(key).decrypt(nonce, ciphertext, name.encode()).decode()
    raise PermanentFailure(
        f"the secret {name} cannot be opened with the present key",
        setting="listener.key_file",
        hint="give the key that it was kept with, or consent again",
    )


def sealing_keys(listener: Listener) -> tuple[bytes, ...]:
    """The keys of secrets, 32 octets each, the present one first; where there is none it is made in `state_dir`, 0600.

    Raises ConfigurationError.
    """
    return tuple(derived(path, setting, PURPOSE) for path, setting in _key_files(listener, make=True))


def keyring(listener: Listener, *, make: bool) -> Keyring:
    """The keys of thread tokens: `key_file`'s signs, those of `old_key_files` verify too.

    Without a `key_file` the one in `state_dir` is used, and with `make` made where it is missing. Raises ConfigurationError.
    """
    return Keyring(tuple(Key(derived(path, setting, TOKENS)) for path, setting in _key_files(listener, make=make)))


def _key_files(listener: Listener, *, make: bool) -> list[tuple[Path, str]]:
    """The files of the keys, the present one first, each with its setting."""
    current = listener.key_file or listener.state_dir / KEY_FILE
    former = list(listener.old_key_files)
    if listener.key_file is None:
        if not current.exists():
            if not make:
                return []
            current = _generated(listener.state_dir)
        former += sorted(listener.state_dir.glob(FORMER_KEYS))
    return [(current, "listener.key_file"), *((old, "listener.old_key_files") for old in former)]


def link_keys(listener: Listener) -> tuple[bytes, ...]:
    """The keys of signed addresses: the present one signs, former ones are accepted too. Raises ConfigurationError."""
    return tuple(derived(path, setting, LINKS) for path, setting in _key_files(listener, make=True))


def derived(path: Path, setting: str, purpose: bytes) -> bytes:
    """The key in a file as it is used for one purpose, 32 octets. Raises ConfigurationError naming the setting."""
    try:
        text = read_secret(path, setting).reveal()
    except PermanentFailure as error:
        raise ConfigurationError([Fault(setting, error.reason)]) from None
    if len(text) < SHORTEST_KEY:
        reason = f"{path} has fewer than {SHORTEST_KEY} characters: anybody could guess that key"
        raise ConfigurationError([Fault(setting, reason)])
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(text.encode())


def _generated(state_dir: Path) -> Path:
    path = state_dir / KEY_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path
    except OSError as error:
        raise ConfigurationError([Fault("listener.key_file", f"{path} cannot be made: {error.strerror}")]) from None
    write_key(descriptor)
    log.warning("key.generated", file=str(path))
    return path


def write_key(descriptor: int) -> None:
    """A new key into an open file, durably."""
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
