"""The small parts of the pages, without a browser: words, times, charts, samples, history, files, addresses."""

import pytest

from listener.admin.console import charts, history, message_parts, times, words
from listener.admin.console.expiring import expiring
from listener.admin.console.listing import Filters, Page, day
from listener.admin.console.messages import download
from listener.admin.console.rendering import Rendering, flat, prose
from listener.admin.console.sampler import Sampler
from listener.admin.metrics import Metrics
from listener.message import parse
from listener.status import AccountState, AccountStatus

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (2, "just now"),
        (40, "40 s ago"),
        (200, "3 min ago"),
        (7300, "2 h ago"),
        (90_000, "1 day ago"),
        (-600, "in 10 min"),
        (2e6, "2026-08-29"),
    ],
)
def test_times_are_relative_until_the_date_says_more(seconds, said):
    assert times.relative(NOW - seconds, NOW) == said


@pytest.mark.parametrize("value", [None, "yesterday", float("nan"), 1e20, "9999-99-99"])
def test_what_is_no_time_is_none(value):
    assert times.moment(value, NOW) is None


def test_nothing_hides_in_a_line():
    assert words.plain("a\r\nb\x1b]0;x\x07\u202egpj\u2066") == "a\ufffd b\ufffd]0;x\ufffd\ufffdgpj\ufffd"


def test_an_unknown_state_and_reason_show_themselves():
    assert words.said(words.MESSAGE_STATES, "brand_new").word == "brand new"
    assert words.reason("too_large: 60 MB").endswith("(60 MB)")
    assert words.reason("somebody's reason") == "somebody's reason"


def test_every_state_has_its_word_and_colour():
    assert set(words.ACCOUNT_STATES) == set(AccountState)


def test_a_history_leaves_nothing_out():
    (known, other) = history.sentences(
        [
            {"at": "2026-11-22T10:00:00+00:00", "kind": "message.quarantined", "reason": "refused", "server": "<b>NO"},
            {"at": "2026-11-22T10:00:01+00:00", "kind": "something.odd", "fact": 5, "empty": ""},
        ]
    )
    assert "The server said: <b>NO" in known.text
    assert (other.text, other.more) == ("something: odd", "fact: 5")


def test_a_chart_is_escaped_and_bounded():
    drawn = str(charts.curve([0.0, None, 3.0] * 500, '"><script>', "ok"))
    assert "<script>" not in drawn
    assert drawn.count(",") < 4 * charts.POINTS + 20
    assert "nan" not in str(charts.curve([], "empty"))


class Healthy:
    def __init__(self):
        self.status = AccountStatus("a", "imap")

    def statuses(self):
        return [self.status]


def test_samples_become_rates_and_are_bounded():
    metrics, health, clock = Metrics(), Healthy(), iter(range(0, 10**6, 5))
    sampler = Sampler(health, metrics, lambda: float(next(clock)))
    for _ in range(500):
        metrics.count("messages_staged_total", "imap", by=2)
        sampler.take()
    assert len(sampler.samples) == 360
    assert sampler.messages_a_minute().last == 24.0
    assert sampler.latency().last is None
    metrics.observe("message_latency_seconds", 3.0, "imap")
    health.status.lag = {"INBOX": 7}
    sampler.take()
    assert sampler.latency().last == 3.0
    assert sampler.lag().last == 7.0


def test_a_file_name_never_breaks_its_header():
    headers = download('a"\r\nSet-Cookie: x=1;é\u202e.txt')
    assert headers["Content-Type"] == "application/octet-stream"
    assert "\r" not in headers["Content-Disposition"]
    assert 'filename="a___Set-Cookie: x=1;__.txt"' in headers["Content-Disposition"]


def test_filters_become_arguments_and_addresses():
    filters = Filters(account="a b", until="2026-01-31", since="nonsense")
    assert filters.arguments() == {"account": "a b", "until": "2026-02-01T00:00:00+00:00"}
    assert (
        Page((), "next&page").pager(filters, "/x")["older"]
        == "/x?account=a+b&since=nonsense&until=2026-01-31&cursor=next%26page"
    )
    assert day("") == ""


def test_prose_is_escaped_but_for_its_code():
    assert prose("a <b> `c <d>`") == "a &lt;b&gt; <code>c &lt;d&gt;</code>"


def test_settings_are_listed_flat_and_secrets_only_named():
    shown = dict(flat({"id": "a", "receiver": {"password": {"set": True}, "folders": ["x", "y"], "insecure": False}}))
    assert shown == {"id": "a", "receiver.password": "kept, not shown", "receiver.folders": "x, y"}


def test_only_own_pictures_are_put_into_a_message():
    html = '<p>src="cid:other"</p><img src="cid:a"><img src="http://x.example/p.gif"><img src="cid:gone">'
    raw = (
        "From: a@example.net\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n"
        f"Content-Type: text/html\r\n\r\n{html}\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <a>\r\n\r\nPNG\r\n"
        "--b\r\nContent-Type: image/svg+xml\r\nContent-ID: <gone>\r\n\r\n<svg onload=alert(1)>\r\n--b--\r\n"
    ).encode()
    message = parse(raw)
    shown = message_parts.frame(message, [b"PNG", b"<svg onload=alert(1)>"])
    assert "data:image/png;base64,UE5H" in shown
    assert "x.example" not in shown
    assert "svg" not in shown.partition("</style>")[2].replace("image/svg", "")


async def test_attachments_are_read_by_another_process():
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
    raw += b"--b\r\nContent-Disposition: attachment; filename=a\r\n\r\nA\r\n--b--\r\n"
    assert await message_parts.Reader().contents(raw) == [b"A"]


def test_every_template_compiles_and_no_page_has_inline_script_or_style():
    rendering = Rendering(lambda: NOW)
    sources = rendering._templates.loader.mapping
    for name, source in sources.items():
        rendering._templates.get_template(name)
        assert " style=" not in source, name
        assert "<style" not in source, name
        assert "onclick" not in source, name
        assert "|safe" not in source or name == "icons.html", name
        assert "http://" not in source.replace("http://www.w3.org", ""), name


def test_every_rule_that_keeps_a_reply_back_is_said_in_words():
    from listener.responder.rules import RULES

    assert {rule.name for rule in RULES} <= set(words.REPLY_RULES)
    (said,) = history.sentences([{"at": "", "kind": "reply.suppressed", "to": "a@example.net", "rule": "null_sender"}])
    assert said.text == "No automatic reply to a@example.net: its return path is empty: it wants no answer"


def test_what_ends_soon_is_told_with_what_to_do():
    far = AccountStatus("far", "imap", certificate_expiry=NOW + 90 * 86400, token_expiry=NOW + 3000)
    near = AccountStatus("near", "imap", certificate_expiry=NOW + 3 * 86400, token_expiry=NOW + 60)
    profiles = [{"id": "entra", "secret_expires_at": "2026-09-22T00:00:00+00:00"}, {"id": "none", "secret_expires_at": None}]
    found = expiring([far, near], profiles, NOW)
    assert [(one.what, one.where) for one in found] == [
        ("Access token", "near"),
        ("Secret or certificate of the profile", "entra"),
        ("Certificate of the mail server", "near"),
    ]
    assert all(one.todo for one in found)
