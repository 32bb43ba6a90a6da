"""What a -ERR means."""

import pytest

from listener.errors import AuthenticationRefused, PermanentFailure, ServerUnavailable, Throttled, TokenExpired
from listener.protocols.pop3.grammar import Answer, answer
from listener.protocols.pop3.refusals import of_session, of_sign_in

SIGN_IN = {
    "[IN-USE] locked": Throttled,
    "[in-use]": Throttled,
    "maildrop already locked": Throttled,
    "[LOGIN-DELAY] wait": Throttled,
    "[SYS/TEMP] x": ServerUnavailable,
    "[SYS/PERM] x": PermanentFailure,
    "[AUTH] x": AuthenticationRefused,
    "[AUTH] temporarily": AuthenticationRefused,
    "Logon failure: unknown user name or bad password.": AuthenticationRefused,
    "[AUTH] Web login required": AuthenticationRefused,
    "Server Unavailable. 15": ServerUnavailable,
    "Too many login attempts": ServerUnavailable,
    "AUTH AccessTokenExpired": TokenExpired,
    "": AuthenticationRefused,
}


@pytest.mark.parametrize("words", SIGN_IN)
def test_of_a_sign_in(words):
    found = of_sign_in(answer(f"-ERR {words}".encode()), setting="receiver.user")
    assert type(found) is SIGN_IN[words]


@pytest.mark.parametrize("words", ["", "no", "[X-UNKNOWN] what"])
def test_elsewhere_unknown_is_temporary(words):
    assert type(of_session(Answer(False, "", words))) is ServerUnavailable


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("[AUTH] Application-specific password required", "app password"),
        ("[AUTH] Web login required: https://example.com", "browser"),
        ("[SYS/PERM] Your account is not enabled for POP access", "will not pass"),
        ("POP access is disabled for this user", "switch POP3 on"),
        ("wrong", "check user and password"),
    ],
)
def test_the_hint_says_what_to_do(words, hint):
    assert hint in of_sign_in(answer(f"-ERR {words}".encode()), setting="receiver.user").hint


def test_a_lock_costs_at_least_a_minute():
    assert of_sign_in(answer(b"-ERR [IN-USE] x"), setting="s").retry_after >= 60
