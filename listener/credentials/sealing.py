"""Secrets that Listener itself has to keep (rotated refresh tokens) lie in the ledger only encrypted: AES-256-GCM (R-87).

`SealedSecrets` is the `TokenStore` of `oauth.py` over the ledger's `secrets`. The key is derived (HKDF, RFC 5869) from
`listener.key_file`, else from a file made in `state_dir`. Each secret has its own nonce and is bound to its name, so that one
cannot be put in the place of another. With another key, or after tampering, a secret is not opened: it must be given anew.
`keyring` derives the keys of thread tokens (`tokens.py`) from the same file, and from older ones during a rotation.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
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
    """Secrets by name, kept by the ledger, readable only with the key; `key` gives it when it is first needed."""

    def __init__(self, keeper: SecretKeeper, key: Callable[[], bytes]) -> None:
        self._keeper = keeper
        self._key = key
        self._made: AESGCM | None = None

    async def load(self, name: str) -> str | None:
        """What was saved. Raises PermanentFailure when it cannot be opened with this key."""
        sealed = await self._keeper.secret(name)
        return None if sealed is None else self._open(await self._cipher(), name, sealed)

    async def save(self, name: str, value: str) -> None:
        """Durable when it returns."""
        await self._keeper.set_secret(name, await self.seal(name, value))

    async def seal(self, name: str, value: str) -> bytes:
        """As `save` keeps it, for whoever keeps it together with other things. Raises PermanentFailure without a key."""
        cipher, nonce = await self._cipher(), secrets.token_bytes(NONCE)
        return VERSION + nonce + cipher.encrypt(nonce, value.encode(), name.encode())

    def read(self, name: str) -> str:
        """As `load`, but not async, and safe on any thread. Raises PermanentFailure also when it is not there."""
        sealed = self._keeper.read_secret(name)
        if sealed is None:
            raise PermanentFailure(f"the secret {name} is not there", hint="give it anew")
        return self._open(self._cipher_now(), name, sealed)

    async def _cipher(self) -> AESGCM:
        return await asyncio.to_thread(self._cipher_now)

    def _cipher_now(self) -> AESGCM:
        """Raises PermanentFailure when there is no key that can be used."""
        if self._made is None:
            try:
                self._made = AESGCM(self._key())
            except ConfigurationError as error:
                raise PermanentFailure(error.faults[0].reason, setting="listener.key_file") from None
        return self._made

    def _open(self, cipher: AESGCM, name: str, sealed: bytes) -> str:
        nonce, ciphertext = sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        try:
            if sealed[:1] != VERSION or len(nonce) != NONCE:
                raise InvalidTag
            return cipher.decrypt(nonce, ciphertext, name.encode()).decode()
        except InvalidTag:
            raise PermanentFailure(
                f"the secret {name} cannot be opened with the present key",
                setting="listener.key_file",
                hint="give the key that it was kept with, or consent again",
            ) from None


def sealing_key(key_file: Path | None, state_dir: Path) -> bytes:
    """The key, 32 octets. Without a `key_file` one is made in `state_dir`, 0600. Raises ConfigurationError."""
    return derived(key_file or _generated(state_dir), "listener.key_file", PURPOSE)


def keyring(listener: Listener, *, make: bool) -> Keyring:
    """The keys of thread tokens: `key_file`'s signs, those of `old_key_files` verify too.

    Without a `key_file` the one in `state_dir` is used, and with `make` made where it is missing. Raises ConfigurationError.
    """
    current = listener.key_file or listener.state_dir / KEY_FILE
    if listener.key_file is None and not current.exists():
        if not make:
            return Keyring()
        current = _generated(listener.state_dir)
    files = [(current, "listener.key_file"), *((old, "listener.old_key_files") for old in listener.old_key_files)]
    return Keyring(tuple(Key(derived(path, setting, TOKENS)) for path, setting in files))


def link_keys(listener: Listener) -> tuple[bytes, ...]:
    """The keys of signed addresses: `key_file`'s signs, those of `old_key_files` are accepted too. Raises ConfigurationError."""
    files = [(listener.key_file or _generated(listener.state_dir), "listener.key_file")]
    files += [(old, "listener.old_key_files") for old in listener.old_key_files]
    return tuple(derived(path, setting, LINKS) for path, setting in files)


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
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    log.warning("key.generated", file=str(path))
    return path
