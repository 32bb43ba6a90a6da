"""Lists over HTTP: what is found by which filter, page after page, as CSV; attachments; many at once; and who ordered it."""

import csv
import io
from urllib.parse import quote

import aiohttp
import pytest

from listener.admin.answers import cell, csv_text, disposition
from listener.errors import LedgerFull
from listener.mailbox import Extent

from .conftest import WORD, file, put

API = "/api/v1"


def letter(number, subject, sender="ann@example.com", extra=""):
    head = f"Message-ID: <{number}@example.com>\r\nFrom: {sender}\r\nSubject: {subject}\r\n{extra}"
    return f"{head}\r\nBody {number}\r\n".encode()


@pytest.fixture
async def filled(admin):
    """1 to 3 of support, 4 and 5 of sales; 6 in quarantine."""
    auto = letter(3, "Out of office: Lamp", extra="Auto-Submitted: auto-replied\r\n")
    await put(admin.ledger, "support", letter(1, "The lamp flickers"), letter(2, "Größe der Türen", "bob@door.example"), auto)
    await put(admin.ledger, "sales", letter(4, "Lampshades, please"), letter(5, "An offer", "x_y@many.example"))
    await file(admin.ledger)
    await put(admin.ledger, "support", letter(6, "Big lamp"), extent=Extent.HEADER)
    return admin


async def ids(admin, query, path="messages"):
    status, _, rows = await admin.get(f"{API}/{path}?{query}")
    assert status == 200, rows
    return [row["id"] for row in rows]


# --- filters ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=lamp", [6, 4, 3, 1]),
        ("text=LAMP", [6, 4, 3, 1]),
        ("text=lamp+flick", [1]),
        ("text=shades", []),
        ("text=grosse", []),
        ("text=grö", [2]),
        ("text=turen", [2]),
        ("text=ann%40example.com", [6, 4, 3, 1]),
        ("text=door.example", [2]),
        ("text=x_y", [5]),
        ("text=lamp&account=support", [6, 3, 1]),
        ("text=lamp&state=quarantined", [6]),
        ("text=lamp&kind=auto_reply", [3]),
        ("kind=auto_reply", [3]),
        ("kind=auto_reply&account=sales", []),
        ("kind=message&state=done&account=support", [2, 1]),
        ("since=2023-11-14", [6, 5, 4, 3, 2, 1]),
        ("since=2023-11-15", []),
        ("until=1700000000", []),
        ("until=1700000001&state=done", [5, 4, 3, 2, 1]),
        ("since=2023-11-14T22:13:20Z&until=2023-11-14T23:13:21%2B01:00&account=sales", [5, 4]),
        ("since=1700000000&kind=auto_reply", [3]),
        ("text=%22%27%3B*+OR+NOT+(+)", []),
        ("text=NEAR(lamp)", []),
        ("text=subject:lamp", []),
        ("text=%20", [6, 5, 4, 3, 2, 1]),
    ],
)
async def test_messages_are_found_by_what_is_asked(filled, query, found):
    assert await ids(filled, query) == found


async def test_quarantine_and_dead_letters_take_the_same_filters(filled):
    assert await ids(filled, "text=big", "quarantine") == [6]
    assert await ids(filled, "text=offer", "quarantine") == []
    assert await ids(filled, "", "dead") == []


async def test_cases_are_found_by_words_status_and_account(filled):
    _, _, rows = await filled.get(f"{API}/cases?text=lamp&account=support&status=open")
    assert [row["subject"] for row in rows] == ["Out of office: Lamp", "The lamp flickers"] or len(rows) == 1
    _, _, rows = await filled.get(f"{API}/cases?status=closed")
    assert rows == []


async def test_what_was_filed_a_moment_ago_is_found(filled):
    await put(filled.ledger, "sales", letter(7, "Brandnew"))
    await file(filled.ledger)
    assert await ids(filled, "text=brandn") == [7]


async def test_accounts_are_found_by_id_and_state_page_by_page(filled):
    assert await ids(filled, "text=SUP", "accounts") == ["support"]
    assert await ids(filled, "state=idle", "accounts") == []
    assert await ids(filled, "limit=1", "accounts") == ["support"]
    assert await walked(filled, "/accounts?limit=1") == [["support"], ["sales"]]


async def test_counts_are_by_state(filled):
    _, _, counts = await filled.get(f"{API}/counts")
    assert counts["messages"] | {"done": 5, "quarantined": 1} == counts["messages"]
    _, _, counts = await filled.get(f"{API}/counts?account=sales")
    assert counts["messages"]["done"] == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=spam", "kind"),
        ("since=yesterday", "since"),
        ("until=-1", "until"),
        ("since=99999999999999999999", "since"),
        ("until=nan", "until"),
        ("since=2023-13-01", "since"),
        ("cursor=x", "cursor"),
        ("cursor=%F0%9F%92%A9", "cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk", "cursor"),
        ("cursor=MUBpbmY", "cursor"),
        (f"text={'x' * 201}", "text"),
        ("format=xml", "format"),
        ("limit=0", "limit"),
        ("before=x", "before"),
        ("state=lost", "state"),
        ("colour=red", "colour"),
    ],
)
async def test_what_makes_no_sense_names_its_field(filled, query, field):
    status, headers, body = await filled.get(f"{API}/messages?{query}")
    assert (status, [error["field"] for error in body["errors"]]) == (400, [field])
    assert headers["Content-Type"].startswith("application/problem+json")


# --- pages ------------------------------------------------------------------------------------------------------------------


async def walked(admin, path):
    """Every page's ids, by following `Link`."""
    pages, following = [], f"{API}{path}"
    while following:
        _, headers, rows = await admin.get(following)
        pages.append([row["id"] for row in rows])
        link = headers.get("Link", "")
        following = link.partition(">")[0].removeprefix("<") if link else ""
        assert not link or link.endswith('>; rel="next"')
    return pages


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/messages?limit=2", [6, 5, 4, 3, 2, 1]),
        ("/messages?limit=2&text=lamp", [6, 4, 3, 1]),
        ("/messages?limit=1&since=2023-01-01", [6, 5, 4, 3, 2, 1]),
        ("/messages?limit=2&account=support", [6, 3, 2, 1]),
        ("/messages?limit=1&state=done&account=sales", [5, 4]),
        ("/messages?limit=4&kind=message", [5, 4, 2, 1]),
    ],
)
async def test_following_the_link_gives_everything_once_and_keeps_the_filters(filled, path, found):
    pages = await walked(filled, path)
    assert [id for page in pages for id in page if id != 6 or path.find("kind") < 0] == found


async def test_a_page_looks_at_a_bounded_number_of_rows_and_says_where_to_go_on(filled, monkeypatch):
    monkeypatch.setattr("listener.ledger.search.EXAMINED", 2)
    pages = await walked(filled, "/messages?kind=auto_reply&account=support")
    assert [id for page in pages for id in page] == [3]
    assert len(pages) > 1
    pages = await walked(filled, "/messages?text=lamp&state=quarantined")
    assert [id for page in pages for id in page] == [6]


async def test_what_comes_meanwhile_neither_repeats_nor_hides(filled):
    _, headers, first = await filled.get(f"{API}/messages?limit=3")
    await put(filled.ledger, "sales", letter(8, "New"))
    _, _, second = await filled.get(headers["Link"].partition(">")[0].removeprefix("<"))
    assert [row["id"] for row in first + second] == [6, 5, 4, 3, 2, 1]


# --- CSV --------------------------------------------------------------------------------------------------------------------

VECTORS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize("text", VECTORS)
def test_no_cell_is_a_formula(text):
    assert cell(text) == "'" + text
    (row,) = csv.reader(io.StringIO(csv_text([[text]]).decode(), newline=""))
    assert row == ["'" + text]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a=b", "a=b"),
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        (1.5, "1.5"),
        ([{"a": "ü"}], '[{"a": "ü"}]'),
        ('say "x",\n', 'say "x",\n'),
    ],
)
def test_other_cells_are_what_they_are(value, text):
    (row,) = csv.reader(io.StringIO(csv_text([[value]]).decode(), newline=""))
    assert row == [text]


async def test_a_list_as_csv_is_all_of_it_whatever_a_page_holds(filled, monkeypatch):
    monkeypatch.setattr("listener.admin.answers.MAX_LIMIT", 2)
    await put(filled.ledger, "sales", letter(9, "=HYPERLINK(1)"))
    await file(filled.ledger)
    status, headers, body = await filled.get(f"{API}/messages?format=csv&account=sales")
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert headers["Content-Disposition"].startswith('attachment; filename="messages.csv"')
    assert [row["id"] for row in rows] == ["7", "5", "4"]
    assert rows[0]["subject"] == "'=HYPERLINK(1)"


async def test_an_empty_list_is_an_empty_file(admin):
    status, _, body = await admin.get(f"{API}/messages?format=csv")
    assert (status, body) == (200, b"")


async def test_a_file_that_breaks_off_is_never_taken_for_a_whole_one(filled, monkeypatch):
    monkeypatch.setattr("listener.admin.answers.MAX_LIMIT", 2)
    whole, asked = type(filled.ledger.search).messages, []

    async def failing(search, wanted, **more):
        asked.append(wanted)
        if len(asked) > 1:
            raise LedgerFull("the disk is full")
        return await whole(search, wanted, **more)

    monkeypatch.setattr(type(filled.ledger.search), "messages", failing)
    with pytest.raises(aiohttp.ClientPayloadError):
        await filled.get(f"{API}/messages?format=csv")
    monkeypatch.setattr(type(filled.ledger.search), "messages", whole)
    assert await ids(filled, "limit=1") == [6]


async def test_a_fault_of_a_csv_is_a_problem_too(filled):
    assert (await filled.get(f"{API}/messages?format=csv&state=lost"))[0] == 400


# --- one message ------------------------------------------------------------------------------------------------------------

HOSTILE = '..\\..\\etc/passwd\r\nSet-Cookie: a="b"; ü%41.html'


async def test_an_attachment_comes_decoded_under_a_safe_name_and_no_browser_shows_it(admin):
    name = quote(HOSTILE, safe="")
    parts = (
        "From: ann@example.com\r\nSubject: x\r\nMessage-ID: <1@example.com>\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n"
        f"--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename*=utf-8''{name}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\nPHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\r\n--b--\r\n"
    )
    await put(admin.ledger, "support", parts.encode())
    await file(admin.ledger)
    status, headers, body = await admin.get(f"{API}/messages/1/attachments/1")
    assert (status, body) == (200, b"<script>alert(1)</script>")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    told = headers["Content-Disposition"]
    assert told.startswith("attachment; filename=")
    assert "/" not in told
    assert "\\" not in told
    assert ".." not in told
    assert "Set-Cookie" not in headers
    _, _, message = await admin.get(f"{API}/messages/1/message")
    assert quote(message["attachments"][0]["filename"], safe="") in told


@pytest.mark.parametrize("filename", ['a"b.pdf', "ä.pdf", "a%41.pdf", "\u202egpj.exe", "", "x" * 500, "a;b", "é\udcff"])
def test_names_in_headers_are_one_ascii_line(filename):
    told = disposition(filename)
    assert told.isascii()
    assert told.isprintable()
    assert told.count('"') == 2


@pytest.mark.parametrize(
    "path",
    [
        *("1/attachments/1", "1/attachments/0", "99/attachments/1", "1/attachments/..%2f..%2fetc", "1/attachments/99999999"),
        *("..%2f..%2f..%2fetc%2fpasswd", "1/raw/../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "1/attachments/-1"),
    ],
)
async def test_nothing_leads_out_of_what_is_served(filled, path):
    status, _, body = await filled.get(f"{API}/messages/{path}")
    assert (status, body["status"]) == (404, 404)


@pytest.mark.parametrize(
    "path", ["/static/..%2fapi.py", "/static/%2e%2e/%2e%2e/ledger.sqlite3", "/static/....//x", "/static/%00"]
)
async def test_static_files_are_those_we_ship(filled, path):
    assert (await filled.get(f"/static/{path}"))[0] in (400, 404)


# --- many at once, and the audit --------------------------------------------------------------------------------------------


async def send(admin, path, body):
    async with admin.signed_in() as browser:
        return await browser.ask(f"{API}{path}", "POST", json=body, csrf=browser.csrf, headers={"Sec-Fetch-Dest": "empty"})


async def test_many_at_once_say_what_came_of_each(filled):
    import json

    status, _, text = await send(filled, "/messages/release", {"entries": [6, 1, 99, 6]})
    assert status == 200
    told = {row["id"]: (row["ok"], row["detail"]) for row in json.loads(text)}
    assert told[6] == (True, None)
    assert told[99] == (False, "no message 99")
    assert not told[1][0]
    assert "only a quarantined one can be released" in told[1][1]


@pytest.mark.parametrize(
    "body", [{}, [], 7, "x", {"entries": []}, {"entries": [True]}, {"entries": ["1"]}, {"entries": [-1]}, {"entries": [1.5]}]
)
async def test_an_order_for_nothing_or_for_nonsense_is_refused_by_field(filled, body):
    status, _, text = await send(filled, "/messages/retry", body)
    assert (status, '"field": "entries"' in text) == (400, True)


async def test_an_order_names_a_bounded_number(filled):
    assert (await send(filled, "/messages/retry", {"entries": list(range(1, 502))}))[0] == 400
    assert (await send(filled, "/messages/retry", {"entries": list(range(1, 501))}))[0] == 200
    assert (await send(filled, "/messages/retry", {"entries": [1], "all": True}))[0] == 400


async def test_who_ordered_what_is_listed_newest_first_with_what_was_refused(filled):
    await filled.get(f"{API}/accounts/sales/pause", method="POST")
    await filled.control(f"{API}/messages/1/retry", "POST")
    _, _, rows = await filled.get(f"{API}/audit")
    assert [(row["who"], row["action"], row["target"], row["outcome"]) for row in rows] == [
        ("control socket", "retry", "1", "refused"),
        ("control socket", "retry", "1", "ordered"),
        ("admin", "pause", "sales", "ordered"),
    ]
    assert await ids(filled, "who=admin", "audit") == [rows[2]["id"]]
    assert await ids(filled, "action=retry&limit=1", "audit") == [rows[0]["id"]]
    assert await ids(filled, "action=retry&who=admin", "audit") == []
    assert await ids(filled, f"before={rows[1]['id']}", "audit") == [rows[2]["id"]]


async def test_no_secret_is_in_the_audit(filled):
    _, _, made = await filled.get(f"{API}/tokens/ci", method="POST")
    _, _, rows = await filled.get(f"{API}/audit")
    assert made["token"] not in str(rows)
    assert WORD not in str(rows)


async def test_what_happened_to_an_account_is_listed(filled):
    await filled.get(f"{API}/accounts/sales/pause", method="POST")
    _, _, rows = await filled.get(f"{API}/accounts/sales/events")
    assert [row["kind"] for row in rows] == ["account.paused"]
    assert (await filled.get(f"{API}/accounts/nobody/events"))[0] == 404


async def test_one_message_is_served_as_hooks_receive_it(filled):
    _, _, message = await filled.get(f"{API}/messages/2/message")
    assert (message["schema"], message["subject"], message["message_id"]) == (1, "Größe der Türen", "2@example.com")
    assert (await filled.get(f"{API}/messages/99/message"))[0] == 404
