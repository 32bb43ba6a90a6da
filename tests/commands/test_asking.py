"""Asking and telling the ledger where no daemon runs: JSON lines, plain lines, one sentence for whatever is wrong."""

import json

import pytest

from .conftest import FIRST

MESSAGE = ["id", "account", "state", "kind", "message_id", "subject", "from", "received_at", "case", "reason"]
CASE = ["id", "account", "subject", "requester", "status", "messages", "reference", "updated_at"]


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def test_messages_as_json_are_one_object_a_line_newest_first(listener, filled):
    code, out, err = listener("messages", "--json")
    assert (code, err) == (0, "")
    rows = lines(out)
    assert [row["id"] for row in rows] == [5, 4, 3, 2, 1]
    assert list(rows[-1]) == MESSAGE
    assert rows[-1] | {"case": None} == {
        "id": 1,
        "account": "support",
        "state": "done",
        "kind": "message",
        "message_id": "1@example.com",
        "subject": "The lamp",
        "from": "ann@example.com",
        "received_at": "2023-11-14T22:13:20+00:00",
        "case": None,
        "reason": None,
    }


def test_messages_can_be_filtered(listener, filled):
    assert [row["id"] for row in lines(listener("messages", "--json", "--state", "quarantined")[1])] == [5, 4]
    assert [row["id"] for row in lines(listener("messages", "--json", "--limit", "1")[1])] == [5]
    assert len(lines(listener("messages", "--json", "--account", "support")[1])) == 5


def test_plain_lists_are_tab_separated_with_a_heading(listener, filled):
    code, out, _ = listener("messages", "--limit", "1", "--state", "done")
    heading, row = out.splitlines()
    assert code == 0
    assert heading.split("\t") == ["id", "account", "state", "received_at", "from", "subject", "case", "reason"]
    assert row.split("\t")[:4] == ["3", "support", "done", "2023-11-14T22:13:20+00:00"]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_what_a_stranger_wrote_never_reaches_the_terminal_as_control_characters(listener, filled, more):
    for command in (["messages"], ["cases"], ["explain", "3"]):
        _, out, _ = listener(*command, *more)
        assert "gone" in out
        assert not set(out) & {"\x1b", "\u202e"}


def test_a_case_is_closed_and_opened_again(listener, filled):
    first = lines(listener("cases", "--json")[1])[0]["id"]
    assert listener("close", first)[:2] == (0, f"{first}: closed\n")
    assert [case["id"] for case in lines(listener("cases", "--json", "--status", "closed")[1])] == [first]
    assert lines(listener("reopen", first, "--json")[1]) == [{"id": first, "account": "support", "status": "open"}]
    assert listener("cases", "--json", "--status", "closed")[1] == ""
    code, _, err = listener("close", "NOPE")
    assert (code, err.count("no case 'NOPE'")) == (1, 1)


def test_a_case_shows_who_takes_part_and_how_each_message_stands(listener, filled):
    case = next(case for case in lines(listener("cases", "--json")[1]) if case["subject"] == "The lamp")
    (whole,) = lines(listener("case", case["id"], "--json")[1])
    assert whole["participants"][0] | {"name": ""} == {"name": "", "address": "ann@example.com", "role": "requester"}
    assert [(entry["unverified"], entry["note"]) for entry in whole["entries"]] == [(False, False)] * len(whole["entries"])
    assert whole["related"] == []


def test_cases_and_one_case(listener, filled):
    cases = lines(listener("cases", "--json")[1])
    assert list(cases[0]) == CASE
    case = next(case for case in cases if case["subject"] == "The lamp")
    (whole,) = lines(listener("case", case["id"], "--json")[1])
    assert [row["id"] for row in whole["entries"]] == [1, 2]
    _, out, _ = listener("case", case["id"])
    assert "requester:" in out
    assert "Re: The lamp" in out


def test_explain_tells_the_whole_history(listener, filled):
    (history,) = lines(listener("explain", "2", "--json")[1])
    assert list(history)[:10] == MESSAGE
    assert history["events"][0]["kind"] == "message.accepted"
    _, out, _ = listener("explain", "2")
    assert "message.accepted" in out
    assert "in_reply_to" in out
    assert "unique_id:" in out


def test_export_gives_the_octets_as_they_came(listener, filled):
    code, out, _ = listener("export", "1")
    assert (code, out.encode()) == (0, FIRST)


def test_accounts_are_stopped_where_no_daemon_runs(listener, filled):
    (row,) = lines(listener("accounts", "--json")[1])
    assert (row["id"], row["protocol"], row["state"], row["last_success"]) == ("support", "imap", "stopped", None)


def test_release_and_retry_say_what_became_of_each_and_fail_if_any_failed(listener, filled):
    code, out, err = listener("release", "4", "1", "99")
    assert (code, out) == (1, "4: quarantined\n")
    assert err.splitlines() == [
        "listener: entry 1 is done; only a quarantined one can be released",
        "listener: no message 99",
    ]
    code, _, err = listener("retry", "1")
    assert (code, err) == (1, "listener: entry 1 is done; only a dead one can be retried\n")


def test_pause_waits_in_the_ledger_for_the_next_start(listener, filled):
    assert listener("pause", "support")[:2] == (0, "support: paused\n")
    assert listener("resume", "support", "--json")[:2] == (0, '{"id": "support", "paused": false}\n')


def test_a_backup_is_a_ledger_that_can_be_read(listener, filled, tmp_path):
    code, out, _ = listener("backup", "copy.sqlite3")
    assert (code, out) == (0, f"the ledger is copied to {tmp_path / 'copy.sqlite3'}\n")
    (tmp_path / "precious").write_text("not a ledger")
    code, _, err = listener("backup", "precious")
    assert code == 1
    assert "precious" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "99"], "no message 99"),
        (["explain", "x"], "not a message number: 'x'"),
        (["explain", "-1"], "-1"),
        (["explain", "9" * 30], "not a message number"),
        (["export", "99"], "no message 99"),
        (["export", "5"], "on the server"),
        (["case", "NOPE"], "no case 'NOPE'"),
        (["messages", "--account", "nobody"], "no account 'nobody'"),
        (["pause", "nobody"], "no account 'nobody'"),
        (["messages", "--limit", "5000"], "limit must be from 1 to 1000"),
    ],
)
def test_a_wrong_name_or_number_gets_one_sentence(listener, filled, words, said):
    code, out, err = listener(*words)
    assert code in (1, 78)
    assert out == ""
    assert said in err
    assert err.startswith("listener: ")
    assert len(err.splitlines()) == 1


def test_a_question_never_makes_the_ledger_that_is_expected_to_be_there(listener, config):
    config.write_text(config.read_text().replace("[admin]", "expect_state = true\n[admin]"))
    code, _, err = listener("messages")
    assert code == 78
    assert "expect_state" in err
    assert not (config.parent / "state" / "ledger.sqlite3").exists()


def test_an_empty_list_says_so_to_people_and_nothing_to_scripts(listener, config):
    assert listener("messages") == (0, "", "no messages\n")
    assert listener("messages", "--json") == (0, "", "")


def test_a_release_of_all_that_fits_counts_them(listener, filled):
    assert listener("release", "--reason", "flood") == (0, "0 released\n", "")
    assert listener("release", "--reason", "too_large", "--account", "support", "--json") == (0, '{"released": 1}\n', "")
    assert listener("release", "--sender", "nobody@example.com") == (0, "0 released\n", "")
    assert listener("release", "--all") == (0, "2 released\n", "")


@pytest.mark.parametrize("words", [[], ["4", "--all"], ["4", "--reason", "flood"]])
def test_a_release_names_messages_or_says_which_and_not_both(listener, filled, words):
    code, out, err = listener("release", *words)
    assert (code, out) == (1, "")
    assert "name messages, or say which" in err
