"""Alert rules and dashboard ask only for metrics that there are, and every alert says what to do."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import needs

from listener.series import PREFIX, SERIES, Kind

ROOT = Path(__file__).parent.parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
SCRAPED = {f"{PREFIX}{one.name}{suffix}": one for one in SERIES for suffix in SUFFIXES.get(one.kind, ("",))}
QUERIES = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]
ADDED = {"instance", "job", "le"}


def names(query):
    return set(re.findall(rf"{PREFIX}\w+", query))


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_metrics_that_there_are(query):
    assert names(query)
    assert names(query) <= SCRAPED.keys()


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_labels_that_they_have(query):
    labels = ADDED.union(*(SCRAPED[name].labels for name in names(query)))
    selected = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!=|!~|=)", query))
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
    assert selected | grouped <= labels


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_where_to_read_what_to_do(rule):
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["summary"]
    page, _, heading = rule["annotations"]["runbook"].partition("#")
    assert (ROOT / page).is_file()
    assert heading == rule["alert"].lower()
    section = OPERATIONS.split(f"\n### {rule['alert']}\n", 1)
    assert len(section) == 2, "has no section in docs/operations.md"
    text = section[1].split("\n#", 1)[0]
    assert "**Meaning.**" in text
    assert "**What to do.**" in text


def test_there_is_no_section_of_an_alert_that_there_is_not():
    assert set(re.findall(r"^### (Listener\w+)$", OPERATIONS, re.M)) == {rule["alert"] for rule in RULES}


def test_what_is_asked_for_in_the_labels_of_the_dashboard_exists():
    for variable in DASHBOARD["templating"]["list"]:
        assert names(variable["query"]) <= SCRAPED.keys()
    for panel in PANELS:
        for target in panel["targets"]:
            labels = ADDED.union(*(SCRAPED[name].labels for name in names(target["expr"])))
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels


def test_what_an_alert_is_about_is_on_the_dashboard():
    shown = {SCRAPED[name].name for panel in PANELS for target in panel["targets"] for name in names(target["expr"])}
    assert {SCRAPED[name].name for rule in RULES for name in names(rule["expr"])} <= shown


def test_panels_do_not_overlap_and_are_told_what_they_show():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["description"] for panel in PANELS)


@needs("promtool", "prometheus")
@pytest.mark.parametrize("words", [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml")])
def test_promtool_agrees(words):
    done = subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
