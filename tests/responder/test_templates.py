"""Templates: found faulty before anybody waits for an answer, and unable to echo a stranger's words."""

import pytest

from listener.responder.templates import (
    MAX_RENDERED,
    AccountView,
    CaseView,
    MessageView,
    Source,
    TemplateFault,
    built_in,
    load,
    view,
)

ACCOUNT = AccountView("support", "Support", "support@example.com")
CASE = CaseView("C", "[#C-TAG]", "buy pills", "evil@example.net", "open")
MESSAGE = MessageView("buy pills", "Pills Ltd", "evil@example.net", "2026-01-01", "cheap pills")
EVERYTHING = (
    "{{ case.id }} {{ case.tag }} {{ case.subject }} {{ case.requester }} {{ case.status }} {{ account.name }}"
    " {{ message.subject }} {{ message.from_name }} {{ message.from_address }} {{ message.date }}"
    " {{ message.text }} {{ verified }}"
)


def source(text, setting="reply.template"):
    return Source(setting, "hello.txt", text)


def render(text, *, verified, html=None):
    templates = load(source(text), html and source(html, "reply.html_template"))
    return templates.render(view(CASE, ACCOUNT, MESSAGE, verified=verified))


def test_a_verified_sender_reads_its_own_words():
    text, _ = render(EVERYTHING, verified=True)
    assert "buy pills" in text
    assert "cheap pills" in text


def test_no_template_can_echo_what_an_unverified_sender_wrote():
    text, _ = render(EVERYTHING, verified=False)
    assert not {"pills", "Pills", "evil"} & set(text.replace("@", " ").split())
    assert "[#C-TAG]" in text


@pytest.mark.parametrize("verified", [True, False])
def test_the_built_in_template_says_the_number(verified):
    text, html = load(built_in()).render(view(CASE, ACCOUNT, MESSAGE, verified=verified))
    assert "[#C-TAG]" in text
    assert html is None
    assert ("pills" in text) is verified


def test_html_is_escaped():
    evil = MessageView("<script>", "", "", "", "")
    templates = load(source("x"), source("<p>{{ message.subject }}</p>", "reply.html_template"))
    _, html = templates.render(view(CASE, ACCOUNT, evil, verified=True))
    assert html == "<p>&lt;script&gt;</p>"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ message.body }}", "has no attribute 'body'"),
        ("Hello {{ case.tag", "line 1"),
        ("{% include 'secret' %}", "no loader"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 1 // 0 }}", "zero"),
        ("{% if verified %}x{% endif %}", "empty message"),
        ("{% for i in range(99999) %}aaaaaaaaaaaa{% endfor %}", f"more than {MAX_RENDERED}"),
        ("x" * 70_000, "longer than"),
    ],
)
def test_a_template_that_cannot_be_used_says_so_with_its_setting_and_file(text, said):
    with pytest.raises(TemplateFault) as fault:
        load(source(text))
    assert (fault.value.setting, fault.value.file) == ("reply.template", "hello.txt")
    assert said in str(fault.value)


def test_a_fault_of_the_html_names_its_own_setting():
    with pytest.raises(TemplateFault, match=r"reply\.html_template"):
        load(source("fine"), source("{{ nothing }}", "reply.html_template"))
