"""`check` against a real Dovecot: what it calls good is good, and what it calls wrong is what Dovecot refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from dovecot.mail import message
from dovecot.server import PASSWORD, Dovecot
from listener.check import Step, check_account
from listener.config import Account

pytestmark = pytest.mark.dovecot


async def checked(dovecot: Dovecot, user: str, folder: Path, password: str = PASSWORD, **receiver: object) -> list[Step]:
    (folder / "password").write_text(password + "\n")
    settings = {"host": "localhost", "port": dovecot.imaps, "user": user, "password_file": folder / "password"}
    settings |= {"truststore_file": dovecot.ca_file, **receiver}
    account = Account.model_validate({"id": "a", "receiver": settings, "trust": {"authserv_id": "localhost"}})
    return [step async for step in check_account(account, lambda profile, user, protocol: None)]


async def test_a_good_account_over_tls(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, [message(1), message(2)])
    steps = await checked(dovecot, user, tmp_path, min_tls="1.3")
    assert [step.name for step in steps] == ["dns", "tcp", "tls", "capabilities", "password", "sign-in", "folder", "idle"]
    assert all(step.ok for step in steps), steps
    assert "2 messages" in steps[6].said
    assert "UIDNEXT 3" in steps[6].said


async def test_starttls(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    steps = await checked(dovecot, user, tmp_path, port=dovecot.imap, security="starttls")
    assert all(step.ok for step in steps), steps
    assert steps[2].said.startswith("TLSv1.")


async def test_a_wrong_password(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    step = (await checked(dovecot, user, tmp_path, password="wrong"))[-1]
    assert (step.name, step.ok, step.setting) == ("sign-in", False, "receiver.user")


async def test_a_folder_that_is_not_there_and_those_that_are(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.doveadm("mailbox", "create", "-u", user, "Büro & mehr")
    steps = await checked(dovecot, user, tmp_path, folders=["Inbx"], after="move:Büro & mehr")
    folder = next(step for step in steps if step.name == "folder")
    assert not folder.ok
    assert '"Büro & mehr"' in folder.hint
    assert next(step for step in steps if step.name == "move target").ok


async def test_a_certificate_of_an_unknown_authority(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    step = (await checked(dovecot, user, tmp_path, truststore_file=None))[-1]
    assert (step.name, step.ok, step.setting) == ("tls", False, "receiver.truststore_file")
