"""docs/hooks.md: how a webhook's server knows our requests; and the smallest hook of all."""

import pytest

from listener.hooks import Filed
from listener.hooks.webhook import signature
from listener.testing import deliver, make_message

NOW = 1_800_000_000.0
OURS = signature(b"hush", b"{}", NOW)


@pytest.fixture
def is_ours(example):
    return example("crm_receiver").is_ours


def test_our_signature_is_known_within_five_minutes(is_ours):
    assert is_ours(b"hush", OURS, b"{}", NOW + 299)


@pytest.mark.parametrize(
    ("secret", "header", "body", "now"),
    [
        (b"other", OURS, b"{}", NOW),
        (b"hush", OURS, b"{ }", NOW),
        (b"hush", OURS, b"{}", NOW + 301),
        (b"hush", OURS.replace("t=18", "t=19"), b"{}", NOW),
        (b"hush", OURS.split(",")[0], b"{}", NOW),
        (b"hush", "v1=00", b"{}", NOW),
        (b"hush", "", b"{}", NOW),
        (b"hush", "t=x,v1=", b"{}", NOW),
    ],
)
def test_anything_else_is_refused(is_ours, secret, header, body, now):
    assert not is_ours(secret, header, body, now)


async def test_the_smallest_hook_works(example):
    outcome = await deliver(example("minimal").TicketHook, make_message("Hello.\n"))
    assert outcome == Filed(reference="T-AAAAAAAAAAAAA")
