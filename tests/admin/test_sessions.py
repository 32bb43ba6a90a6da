"""Browser sessions: bounded in time and number, ended with their token, never found by anything but the whole cookie."""

import pytest

from listener.admin.sessions import IDLE, LIFETIME, MOST, Sessions
from listener.admin.visitor import Principal
from listener.ledger import Scope

ANNA = Principal("anna", Scope.FULL, "aaaaaaaa")
BERT = Principal("bert", Scope.READ, "bbbbbbbb")


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(clock)


def test_a_session_is_found_by_its_cookie_and_knows_whose_it_is(sessions):
    cookie = sessions.begin(ANNA)
    visitor = sessions.find(cookie)
    assert (visitor.name, visitor.full) == ("anna", True)
    assert len(cookie) >= 43
    assert len(visitor.csrf) >= 43
    assert visitor.csrf != cookie


@pytest.mark.parametrize("change", [lambda c: "", lambda c: c[:-1], lambda c: c + "x", lambda c: c.upper(), lambda c: "\udcff"])
def test_nothing_but_the_whole_cookie_finds_it(sessions, change):
    assert sessions.find(change(sessions.begin(ANNA))) is None


def test_cookies_and_csrf_tokens_are_never_the_same_twice(sessions):
    cookies = [sessions.begin(ANNA) for _ in range(50)]
    assert len({*cookies, *(sessions.find(cookie).csrf for cookie in cookies)}) == 100


def test_who_does_nothing_for_an_hour_is_signed_out(sessions, clock):
    cookie = sessions.begin(ANNA)
    clock.now += IDLE - 1
    assert sessions.find(cookie)
    clock.now += IDLE
    assert sessions.find(cookie) is None
    assert len(sessions) == 0


def test_a_page_that_keeps_itself_fresh_does_not_keep_its_session_awake(sessions, clock):
    cookie = sessions.begin(ANNA)
    for _ in range(4):
        clock.now += IDLE / 4
        found = sessions.find(cookie, touch=False)
    assert found is None


def test_even_a_busy_session_ends_after_its_lifetime(sessions, clock):
    cookie, begun = sessions.begin(ANNA), clock.now
    while clock.now < begun + LIFETIME - IDLE / 2:
        clock.now += IDLE / 2
        assert sessions.find(cookie) or clock.now >= begun + LIFETIME
    clock.now = begun + LIFETIME
    assert sessions.find(cookie) is None


def test_signing_out_ends_one_session_and_revoking_a_token_all_of_its(sessions):
    first, second, other = sessions.begin(ANNA), sessions.begin(ANNA), sessions.begin(BERT)
    sessions.end(first)
    sessions.end(first)
    assert sessions.find(first) is None
    assert sessions.find(second)
    sessions.end_of_token(ANNA.token)
    assert sessions.find(second) is None
    assert sessions.find(other)


def test_their_number_is_bounded_and_the_one_silent_longest_ends_first(sessions):
    oldest, busy = sessions.begin(ANNA), sessions.begin(ANNA)
    for _ in range(MOST - 2):
        sessions.begin(BERT)
    assert sessions.find(busy)
    sessions.begin(BERT)
    assert len(sessions) == MOST
    assert sessions.find(oldest) is None
    assert sessions.find(busy)
