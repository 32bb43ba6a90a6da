"""Secrets are read at each sign-in and shown nowhere."""

import copy
import json
import pickle
import traceback
from pathlib import Path

import pytest

from listener.config import Account
from listener.credentials import Secret, credentials_of, read_secret
from listener.errors import PermanentFailure
from listener.protocols.sasl import Kind

CANARY = "correct-horse-battery"


def account(**receiver: object) -> Account:
    side = {"host": "h.example", "user": "jo", **receiver}
    return Account.model_validate({"id": "a", "receiver": side, "sender": {"host": "s.example", "user": "jo", "oauth": "p"}})


def no_tokens(profile: str, user: str, protocol: str):
    async def token() -> str:
        return f"token of {profile} for {user} by {protocol}"

    return token


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        "{}".format,
        "{:>40}".format,
        "{!r}".format,
        lambda secret: f"{[secret]} {(secret,)} { {'k': secret} }",
        lambda secret: json.dumps(secret, default=str),
        lambda secret: repr(pickle.dumps(secret)),
        lambda secret: copy.deepcopy(secret).reveal(),
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    ],
)
def test_a_secret_shows_itself_nowhere(shown) -> None:
    text = shown(Secret(CANARY))
    assert CANARY not in text
    assert "***" in text


def test_a_secret_has_no_attributes_to_dump() -> None:
    with pytest.raises(TypeError):
        vars(Secret(CANARY))


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(secret)

    try:
        fail(Secret(CANARY))
    except ValueError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert CANARY not in "".join(told.format())


def test_equal_secrets_are_equal_so_that_a_rotation_is_noticed() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize(("content", "value"), [("x\n", "x"), ("x\r\n", "x"), (" x y \n", " x y "), ("pä\n", "pä"), ("x", "x")])
def test_only_the_line_end_is_left_out(tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    assert read_secret(tmp_path / "secret", "receiver.password_file").reveal() == value


@pytest.mark.parametrize(
    ("octets", "reason"),
    [(b"\n", "is empty"), (b"x" * 70_000, "larger than"), (b"\xff\xfe", "UTF-8"), (None, "there is no file")],
)
def test_a_secret_that_cannot_be_used_names_file_and_setting(tmp_path: Path, octets: bytes | None, reason: str) -> None:
    if octets is not None:
        (tmp_path / "secret").write_bytes(octets)
    with pytest.raises(PermanentFailure, match=reason) as raised:
        read_secret(tmp_path / "secret", "sender.password_file")
    assert raised.value.setting == "sender.password_file"


async def test_a_password_is_read_anew_at_each_sign_in(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("old\n")
    credentials = credentials_of(account(password_file=tmp_path / "secret"), "receiver", no_tokens)
    assert (credentials.user, credentials.kind, await credentials.ask()) == ("jo", Kind.PASSWORD, "old")
    (tmp_path / "secret").write_text("new\n")
    assert await credentials.ask() == "new"


async def test_a_profile_gives_tokens_for_the_sides_user(tmp_path: Path) -> None:
    credentials = credentials_of(account(password_file=tmp_path / "secret"), "sender", no_tokens)
    assert (credentials.kind, await credentials.ask()) == (Kind.TOKEN, "token of p for jo by smtp")
    assert credentials.section == "sender"


def test_a_side_without_anything_to_sign_in_with_is_refused() -> None:
    with pytest.raises(PermanentFailure, match="nothing to sign in with"):
        credentials_of(account(), "receiver", no_tokens)


async def test_credentials_do_not_show_the_password(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CANARY)
    credentials = credentials_of(account(password_file=tmp_path / "secret"), "receiver", no_tokens)
    await credentials.ask()
    assert CANARY not in repr(credentials)
