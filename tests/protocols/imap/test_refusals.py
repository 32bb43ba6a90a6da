"""Servers' refusals in their own words, and what each means for the account (R-23, R-49)."""

import pytest

from listener.errors import (
    AuthenticationRefused,
    ConnectionLost,
    InsecureConnection,
    ServerUnavailable,
    Throttled,
    TokenExpired,
)
from listener.protocols.imap import refusals
from listener.protocols.imap.grammar import Status, parse

ANY_COMMAND = {
    b"* BYE Session invalidated - AccessTokenExpired": TokenExpired,
    b"L1 NO AccessTokenExpired": TokenExpired,
    b"L1 BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds": Throttled,
    b"L1 NO [LIMIT] Too many messages": Throttled,
    b"L1 NO [INUSE] Mailbox is locked": Throttled,
    b"* NO [ALERT] Too many simultaneous connections. (Failure)": Throttled,
    b"L1 NO [ALERT] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)": Throttled,
    b"* BYE Account exceeded command or bandwidth limits. 123": Throttled,
    b"L1 NO [UNAVAILABLE] Temporary authentication failure.": ServerUnavailable,
    b"* BYE Server shutting down.": ServerUnavailable,
    b"L1 NO Server Unavailable. 15": ServerUnavailable,
    b"L1 BAD User is authenticated but not connected.": ServerUnavailable,
    b"L1 NO Some of the requested messages no longer exist": None,
    b"L1 NO [TRYCREATE] No such folder": None,
    b"L1 BAD Command Argument Error. 11": None,
    b"L1 NO [SERVERBUG] Internal error occurred.": None,
    b"L1 NO [OVERQUOTA] Not enough storage": None,
}


def status(line: bytes) -> Status:
    response = parse([line])
    assert isinstance(response, Status)
    return response


@pytest.mark.parametrize("line", ANY_COMMAND, ids=lambda line: line.decode())
def test_at_any_command(line: bytes) -> None:
    failure = refusals.of_session(status(line))
    assert type(failure) is (ANY_COMMAND[line] or type(None))


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Suggested Backoff Time: 89117 milliseconds", 89.117),
        ("Suggested Backoff Time: 299961 milliseconds", 299.961),
        ("Suggested Backoff Time: 50 minutes", 3000.0),
        ("Suggested Backoff Time: 30 seconds", 30.0),
        ("Suggested Backoff Time: 999999999 milliseconds", refusals.MAX_BACKOFF_SECONDS),
    ],
)
def test_the_time_that_a_server_asks_for_is_given(words: str, seconds: float) -> None:
    failure = refusals.of_session(status(f"L1 BAD Request is throttled. {words}".encode()))
    assert isinstance(failure, Throttled)
    assert failure.retry_after == pytest.approx(seconds)


SIGN_IN = {
    b"L1 NO [AUTHENTICATIONFAILED] Authentication failed.": AuthenticationRefused,
    b"L1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)": AuthenticationRefused,
    b"L1 NO LOGIN failed.": AuthenticationRefused,
    b"L1 NO [ALERT] Application-specific password required: https://support.example.com/ (Failure)": AuthenticationRefused,
    b"L1 NO [REFERRAL IMAP://ann@evil.example.net/] Specified user is elsewhere": AuthenticationRefused,
    b"L1 NO [EXPIRED] password expired": AuthenticationRefused,
    b"L1 NO [PRIVACYREQUIRED] TLS first": InsecureConnection,
    b"L1 NO [UNAVAILABLE] User lookup failed": ServerUnavailable,
    b"L1 NO [SERVERBUG] oops": ServerUnavailable,
    b"L1 BAD Command Argument Error. 12": ServerUnavailable,
    b"L1 NO [ALERT] Too many simultaneous connections. (Failure)": Throttled,
    b"L1 NO AccessTokenExpired": TokenExpired,
}


@pytest.mark.parametrize("line", SIGN_IN, ids=lambda line: line.decode())
def test_at_the_sign_in(line: bytes) -> None:
    assert type(refusals.of_sign_in(status(line), setting="receiver.user")) is SIGN_IN[line]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("Application-specific password required", "app password"),
        ("Please log in via your web browser", "browser"),
        ("Your account is not enabled for IMAP use", "IMAP"),
        ("LOGIN failed.", "check user and password"),
    ],
)
def test_a_refused_sign_in_says_what_helps(words: str, hint: str) -> None:
    failure = refusals.of_sign_in(status(f"L1 NO {words}".encode()), setting="receiver.user")
    assert failure.setting == "receiver.user"
    assert hint in failure.hint
    assert words in failure.reason


def test_what_a_token_challenge_said_is_told() -> None:
    failure = refusals.of_sign_in(status(b"L1 NO no"), setting="receiver.oauth", reason="status 400, scope mail")
    assert "status 400, scope mail" in failure.reason


def test_a_folder_that_fails_for_a_passing_reason_is_not_missing() -> None:
    assert isinstance(refusals.of_opening(status(b"L1 NO [SERVERBUG] Internal error occurred.")), ServerUnavailable)
    assert isinstance(refusals.of_opening(status(b"L1 NO [UNAVAILABLE] later")), ServerUnavailable)
    assert isinstance(refusals.of_opening(status(b"L1 NO [INUSE] locked")), Throttled)
    assert refusals.of_opening(status(b"L1 NO [NONEXISTENT] Unknown Mailbox")) is None
    assert refusals.of_opening(status(b"L1 NO Mailbox doesn't exist: Foo")) is None


def test_a_goodbye_is_a_lost_connection_or_an_unavailable_server() -> None:
    assert type(refusals.of_goodbye(status(b"* BYE Autologout; idle for too long"))) is ConnectionLost
    assert type(refusals.of_goodbye(status(b"* BYE Autologout"), greeting=True)) is ServerUnavailable
    assert type(refusals.of_goodbye(status(b"* BYE Too many connections"), greeting=True)) is Throttled
