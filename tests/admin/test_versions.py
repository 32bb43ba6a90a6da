"""Which versions run, as far as that can be known."""

import re

from listener.admin.versions import commit, in_words, versions

HASH = "0123456789abcdef0123456789abcdef01234567"


def test_every_version_is_known_where_it_runs():
    known = versions({"LISTENER_COMMIT": HASH})
    assert known["commit"] == HASH
    assert re.match(r"\d+\.\d+", known["sqlite"])
    assert all(known.values())


def test_the_commit_is_read_from_a_checkout(tmp_path):
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "refs" / "heads" / "main").write_text(f"{HASH}\n")
    assert commit({}, tmp_path) == HASH


def test_the_commit_is_read_from_packed_references_and_a_detached_head(tmp_path):
    git = tmp_path / ".git"
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{'f' * 40} refs/heads/other\n{HASH} refs/heads/main\n")
    assert commit({}, tmp_path) == HASH
    (git / "HEAD").write_text(f"{HASH}\n")
    assert commit({}, tmp_path) == HASH


def test_without_a_checkout_or_with_nonsense_the_commit_is_not_known(tmp_path):
    assert commit({}, tmp_path) == ""
    assert commit({"LISTENER_COMMIT": "$(git rev-parse HEAD)"}, tmp_path) == ""


def test_people_are_told_in_one_line():
    assert re.fullmatch(
        r"listener \d+\.\d+\.\d+ \(Python 3\.\d+\.\d+, OpenSSL [^,]+, SQLite [\d.]+(, commit [0-9a-f]{12})?\)", in_words()
    )
