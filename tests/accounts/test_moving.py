"""The same mailbox at another server: nothing is filed twice, nothing new is lost, and the new server is told nothing wrong."""

import time

import pytest
from accounts_house import CANARY, USER, mail, settings

from listener.testing.imap import ImapServer
from listener.testing.pop3 import Pop3Server

LONG_AGO = time.time() - 90 * 86400


def subjects(rows, state="done"):
    return [row["subject"] for row in rows if row["state"] == state]


def moved_to(server, **more):
    return {"settings": settings(server, password={"set": True}, **more), "version": 1}


@pytest.fixture
async def other():
    async with ImapServer(users={USER: CANARY}) as one:
        yield one


async def test_the_same_mail_at_a_new_server_is_recognised_whatever_ids_it_has_there(house, server, other):
    """Both servers give UIDVALIDITY and UIDs of their own; here the same UID is another message on each."""
    other.store()["INBOX"].renumber(server.store()["INBOX"].uid_validity)
    for number in (1, 2, 3):
        server.deliver("INBOX", mail(number), internal_date=LONG_AGO + number)
    await house.made(server)
    await house.filed(3)
    for number in (9, 3, 2, 1):
        other.deliver("INBOX", mail(number), internal_date=LONG_AGO + number)
    await house.verbs.update_account("support", moved_to(other))
    assert subjects(await house.filed(4)) == ["number 1", "number 2", "number 3", "number 9"]
    await house.until(lambda: house.state("support") == "idle")
    other.deliver("INBOX", mail(10))
    rows = await house.filed(5)
    assert len(rows) == 5
    assert subjects(rows)[-1] == "number 10"
    events = [row["kind"] for row in await house.ledger.account_events("support")]
    assert events.count("account.moved") == 1


async def test_mail_of_the_new_server_from_before_the_baseline_stays_out(house, server, other):
    server.deliver("INBOX", mail(1), internal_date=LONG_AGO)
    await house.made(server, start="now")
    await house.until(lambda: house.state("support") == "idle")
    server.deliver("INBOX", mail(2))
    await house.filed(1)
    other.deliver("INBOX", mail(7), internal_date=LONG_AGO)
    other.deliver("INBOX", mail(1), internal_date=LONG_AGO)
    other.deliver("INBOX", mail(2), internal_date=time.time())
    other.deliver("INBOX", mail(8), internal_date=time.time() + 1)
    await house.verbs.update_account("support", moved_to(other, start="now"))
    assert subjects(await house.filed(2)) == ["number 2", "number 8"]


async def test_a_receipt_that_is_owed_to_the_old_server_is_not_given_to_the_new_one(house, server, other):
    """The old server's UID 1 is another message at the new one, and must not be deleted there before it is stored."""
    other.store()["INBOX"].renumber(server.store()["INBOX"].uid_validity)
    server.script.on("UID STORE", reply="NO [SERVERBUG] not now", times=50)
    server.deliver("INBOX", mail(1))
    await house.made(server, receiver={"after": "delete"})
    await house.filed(1)
    await house.verbs.pause("support")
    assert await house.ledger.owed("support")
    other.deliver("INBOX", mail(5))
    stored_when_told = []

    def observe(command):
        if command.name in ("UID STORE", "UID EXPUNGE", "UID MOVE"):
            stored_when_told.append(house.daemon.metrics is not None)

    other.observe = observe
    await house.verbs.update_account("support", moved_to(other, receiver={"after": "keep"}))
    await house.verbs.resume("support")
    await house.filed(2)
    await house.until(lambda: house.state("support") == "idle")
    assert stored_when_told == []
    assert len(other.store()["INBOX"].messages) == 1


async def test_another_user_at_the_same_server_is_another_mailbox_too(house):
    async with ImapServer(users={USER: CANARY, "second@example.com": CANARY}) as server:
        server.deliver("INBOX", mail(1), user=USER)
        server.deliver("INBOX", mail(1), user="second@example.com")
        server.deliver("INBOX", mail(2), user="second@example.com")
        await house.made(server)
        await house.filed(1)
        second = settings(server, password={"set": True}, receiver={"user": "second@example.com"})
        await house.verbs.update_account("support", {"settings": second, "version": 1})
        assert subjects(await house.filed(2)) == ["number 1", "number 2"]


async def test_an_account_of_a_file_is_reconciled_too_when_its_host_changes(house, server, other):
    def written(port):
        head = '[[accounts]]\nid = "fromfile"\nstart = "all"\n[accounts.receiver]\nhost = "127.0.0.1"\nsecurity = "none"\n'
        house.write(f'{head}port = {port}\nuser = "{USER}"\npassword_file = "password"\n')

    for number in (1, 2):
        server.deliver("INBOX", mail(number))
    for number in (3, 2, 1):
        other.deliver("INBOX", mail(number))
    written(server.port)
    await house.reload()
    await house.filed(2)
    written(other.port)
    await house.reload()
    assert subjects(await house.filed(3)) == ["number 1", "number 2", "number 3"]
    assert len(await house.ledger.messages(limit=100)) == 3


async def test_from_imap_to_pop3_the_same_octets_are_the_same_mail(house, server):
    async with Pop3Server(users={USER: CANARY}) as pop3:
        for number in (1, 2):
            server.deliver("INBOX", mail(number))
        await house.made(server)
        await house.filed(2)
        for number in (2, 1, 3):
            pop3.deliver("INBOX", mail(number))
        by_pop3 = settings(pop3, password={"set": True}, receiver={"protocol": "pop3"})
        await house.verbs.update_account("support", {"settings": by_pop3, "version": 1})
        assert subjects(await house.filed(3)) == ["number 1", "number 2", "number 3"]


async def test_from_one_pop3_server_to_another_old_mail_stays_out_and_known_mail_is_known(house):
    async with Pop3Server(users={USER: CANARY}) as old, Pop3Server(users={USER: CANARY}) as new:
        old.deliver("INBOX", received(1, LONG_AGO))
        await house.made(old, start="now", receiver={"protocol": "pop3", "poll_interval": "1s"})
        await house.until(lambda: house.state("support") == "polling")
        old.deliver("INBOX", received(2, time.time()))
        await house.filed(1)
        for number, at in ((2, time.time()), (1, LONG_AGO), (3, time.time() + 2)):
            new.deliver("INBOX", received(number, at))
        there = {"protocol": "pop3", "poll_interval": "1s"}
        await house.verbs.update_account("support", moved_to(new, start="now", receiver=there))
        assert subjects(await house.filed(2)) == ["number 2", "number 3"]


def received(number, at):
    """Mail with the last hop's date, which is what POP3 knows of its age."""
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(at))
    return f"Received: from a by b; {date}\r\n".encode() + mail(number)


async def test_the_same_server_by_another_name_is_listed_once_more_and_nothing_is_fetched_again(house, server):
    for number in (1, 2):
        server.deliver("INBOX", mail(number))
    await house.made(server)
    await house.filed(2)
    await house.until(lambda: house.state("support") == "idle")
    fetched = bodies(server)
    assert fetched
    await house.verbs.update_account("support", moved_to(server, receiver={"host": "localhost"}))
    await house.until(lambda: server.counters.logins == 2 and house.state("support") == "idle")
    assert bodies(server) == fetched
    assert len(await house.ledger.messages()) == 2
    assert await house.ledger.owed("support") == []


def bodies(server):
    """Commands that fetched whole messages."""
    return len([command for command in server.commands("FETCH") if "BODY.PEEK[]" in str(command)])
