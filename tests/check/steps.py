"""An account, `check` run on it, and its steps by name."""

import ssl
from pathlib import Path

import trustme

from listener.check import Step, check_account
from listener.config import Account

USER, PASSWORD = "ann@example.com", "correct horse"


def serving(authority: trustme.CA, *names: str, **kwargs: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA, **kwargs).configure_cert(context)
    return context


def receiver(files: Path, port: int, **more: object) -> dict[str, object]:
    settings = {"host": "127.0.0.1", "port": port, "user": USER, "password_file": files / "password", "security": "none"}
    return settings | more


def under_tls(files: Path, port: int, **more: object) -> dict[str, object]:
    return receiver(files, port, security="tls", truststore_file=files / "ca.pem", **more)


async def checked(receiver: dict[str, object], sender: dict[str, object] | None = None, **account: object) -> list[Step]:
    trust = {"trust": {"authserv_id": "mx.example.com"}}
    made = Account.model_validate({"id": "a", "receiver": receiver, "sender": sender, **trust, **account})

    def no_tokens(profile: str, user: str, protocol: str):
        async def token() -> str:
            return "good-token"

        return token

    return [step async for step in check_account(made, no_tokens)]


def last(steps: list[Step], side: str = "receiver") -> Step:
    return [step for step in steps if step.side == side][-1]


def names(steps: list[Step]) -> list[str]:
    return [step.name for step in steps]
