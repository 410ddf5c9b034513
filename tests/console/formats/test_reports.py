"""Findings for machines: SARIF as OASIS wrote it down, and GitHub's workflow commands."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from console.__main__ import main
from console.diagnosis.catalogue import finding
from console.formats import text
from console.model import Span
from console.sources import haproxy
from console.topology.build import build
from console.topology.sources import Sources
from tests.console.estates import CASES, SEED

# SARIF 2.1.0 (OASIS Standard, 27 March 2020): of each object that is written, its required and its allowed members.
OBJECTS: dict[str, tuple[set[str], dict[str, str]]] = {
    "log": ({"version", "runs"}, {"$schema": "text", "version": "text", "runs": "run[]"}),
    "run": ({"tool"}, {
        "tool": "tool", "columnKind": "text", "invocations": "invocation[]", "results": "result[]",
    }),
    "tool": ({"driver"}, {"driver": "component"}),
    "component": ({"name"}, {"name": "text", "semanticVersion": "text", "rules": "rule[]"}),
    "rule": ({"id"}, {
        "id": "text", "name": "text", "shortDescription": "message", "help": "message",
        "defaultConfiguration": "configuration", "properties": "any",
    }),
    "configuration": (set(), {"level": "level", "rank": "rank"}),
    "invocation": ({"executionSuccessful"}, {
        "executionSuccessful": "flag", "toolExecutionNotifications": "notification[]",
    }),
    "notification": ({"message"}, {"message": "message", "level": "level", "locations": "location[]"}),
    "result": ({"message"}, {
        "ruleId": "text", "ruleIndex": "number", "level": "level", "rank": "rank", "message": "message",
        "locations": "location[]", "relatedLocations": "location[]", "partialFingerprints": "any",
    }),
    "message": ({"text"}, {"text": "text"}),
    "location": (set(), {"id": "number", "physicalLocation": "physical"}),
    "physical": ({"artifactLocation"}, {"artifactLocation": "artifact", "region": "region"}),
    "artifact": (set(), {"uri": "uri"}),
    "region": (set(), {"startLine": "number", "startColumn": "number", "endColumn": "number"}),
}  # fmt: skip


def hold(kind: str, value: Any) -> None:
    """Fail where a value is not what the standard says it is."""
    if kind.endswith("[]"):
        assert isinstance(value, list)
        for each in value:
            hold(kind[:-2], each)
    elif kind == "level":
        assert value in ("none", "note", "warning", "error")
    elif kind == "rank":
        assert 0 <= value <= 100
    elif kind == "number":
        assert isinstance(value, int) and value >= 0
    elif kind == "flag":
        assert isinstance(value, bool)
    elif kind in ("text", "uri"):
        assert isinstance(value, str) and value
        assert kind == "text" or re.fullmatch(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", value)
    elif kind != "any":
        required, members = OBJECTS[kind]
        assert required <= value.keys() <= members.keys(), (kind, value.keys())
        for name, inner in value.items():
            hold(members[name], inner)


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(shutil.copytree(SEED, tmp_path / "my estate"))
    monkeypatch.chdir(tmp_path)
    return folder


def say(capsys: pytest.CaptureFixture[str], estate: Path, *argv: str) -> tuple[int, str]:
    status = main(["--site", str(estate / "site.toml"), *argv])
    return status, capsys.readouterr().out


def test_sarif_has_the_shape_of_the_standard(estate: Path, capsys: pytest.CaptureFixture[str]):
    status, out = say(capsys, estate, "lint", "--format", "sarif")
    log = json.loads(out)
    assert status == 1
    hold("log", log)
    assert log["version"] == "2.1.0"


def test_sarif_says_each_finding_at_its_place_and_its_rule_once(estate: Path, capsys: pytest.CaptureFixture[str]):
    (run,) = json.loads(say(capsys, estate, "lint", "--format", "sarif")[1])["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    table = []
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        uri = place["artifactLocation"]["uri"]
        assert uri.startswith("my%20estate/")
        assert rules[result["ruleIndex"]] == result["ruleId"]
        table.append([result["ruleId"], uri.removeprefix("my%20estate/"), place["region"]["startLine"]])
    assert table == json.loads((CASES / "seed.json").read_text())["findings"]


def test_a_finding_keeps_its_fingerprint_when_lines_come_above_it(estate: Path, capsys: pytest.CaptureFixture[str]):
    def prints() -> set[str]:
        (run,) = json.loads(say(capsys, estate, "lint", "--format", "sarif")[1])["runs"]
        return {result["partialFingerprints"]["cowhand/v1"] for result in run["results"]}

    before = prints()
    config = estate / "haproxy.cfg"
    config.write_text("# one\n# two\n" + config.read_text())
    assert prints() == before


def test_sarif_of_files_that_cannot_be_read_is_no_success(estate: Path, capsys: pytest.CaptureFixture[str]):
    (estate / "mailcow.tf").write_text("resource {")
    status, out = say(capsys, estate, "lint", "--format", "sarif")
    log = json.loads(out)
    hold("log", log)
    (invocation,) = log["runs"][0]["invocations"]
    assert status == 2
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20estate/mailcow.tf"


def test_a_corrected_estate_is_an_empty_run(capsys: pytest.CaptureFixture[str]):
    status, out = say(capsys, CASES / "estates" / "corrected", "lint", "--format", "sarif")
    log = json.loads(out)
    hold("log", log)
    assert (status, log["runs"][0]["results"]) == (0, [])


COMMAND = re.compile(r"::(error|warning|notice) ((?:\w+=[^,:\r\n]*)(?:,\w+=[^,:\r\n]*)*)::([^\r\n]+)")


def test_github_gets_one_command_a_finding(estate: Path, capsys: pytest.CaptureFixture[str]):
    status, out = say(capsys, estate, "lint", "--format", "github")
    table = []
    for line in out.splitlines():
        match = COMMAND.fullmatch(line)
        assert match, line
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        assert int(properties["col"]) >= 1
        table.append([properties["title"][:5], Path(properties["file"]).name, int(properties["line"])])
    assert status == 1
    assert table == json.loads((CASES / "seed.json").read_text())["findings"]


def test_a_file_name_cannot_end_a_command_of_githubs(estate: Path, capsys: pytest.CaptureFixture[str]):
    (estate / "a,b: 100%.cfg").write_bytes((estate / "haproxy.cfg").read_bytes())
    site = (estate / "site.toml").read_text().replace('"haproxy.cfg"', '"a,b: 100%.cfg"')
    (estate / "site.toml").write_text(site)
    _, out = say(capsys, estate, "lint", "--format", "github")
    found = [line for line in out.splitlines() if " 100%25" in line]
    assert found
    for line in found:
        assert "file=my estate/a%2Cb%3A 100%25.cfg,line=" in line
        assert COMMAND.fullmatch(line)


def test_unusable_input_is_an_error_of_githubs_too(estate: Path, capsys: pytest.CaptureFixture[str]):
    (estate / "mailcow.tf").write_text("resource {")
    status, out = say(capsys, estate, "lint", "--format", "github")
    assert status == 2
    assert out.startswith("::error file=my estate/mailcow.tf,line=1,col=")


def test_a_word_nobody_knows_is_a_note_of_sarifs_and_a_notice_of_githubs(
    estate: Path, capsys: pytest.CaptureFixture[str]
):
    config = estate / "haproxy.cfg"
    config.write_text(config.read_text() + "    optoin tcplog\n")
    line = len(config.read_text().splitlines())
    log = json.loads(say(capsys, estate, "lint", "--format", "sarif")[1])
    hold("log", log)
    (run,) = log["runs"]
    result = run["results"][-1]
    assert (result["ruleId"], result["level"]) == ("unread", "note")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "unread"
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": line, "startColumn": 5}
    assert run["invocations"][0]["executionSuccessful"] is True
    notice = say(capsys, estate, "lint", "--format", "github")[1].splitlines()[-1]
    assert COMMAND.fullmatch(notice)
    assert notice.startswith(f"::notice file=my estate/haproxy.cfg,line={line},col=5,title=unread::no HAProxy")


def test_the_seed_and_a_corrected_estate_give_no_warnings(estate: Path, capsys: pytest.CaptureFixture[str]):
    for folder in (estate, CASES / "estates" / "corrected"):
        assert json.loads(say(capsys, folder, "lint", "--json")[1])["warnings"] == []


def test_json_is_the_same_by_both_names(estate: Path, capsys: pytest.CaptureFixture[str]):
    for command in ("lint", "show"):
        assert say(capsys, estate, command, "--json") == say(capsys, estate, command, "--format", "json")
    with pytest.raises(SystemExit):
        main(["lint", "--json", "--format", "sarif"])


def test_an_ipv6_target_is_written_in_brackets_and_an_open_one_as_it_stands():
    config = "listen a\n bind :4190\n server m [fd42::214]:14190\nlisten b\n bind :25\n server m 10.0.0.1:${PB}\n"
    shown = text.topology("x", build(Sources(haproxy=haproxy.parse(config, "h.cfg"))))
    assert "  [fd42::214]:14190  " in shown and "  10.0.0.1:${PB} " in shown


def test_findings_are_wrapped_where_a_terminal_is_narrower_and_whole_elsewhere() -> None:
    long = finding(
        "CH004", "HAProxy checks only that 10.9.9.9:10025 accepts a connection, so it stays UP while Postfix is dead",
        Span("haproxy.cfg", 6),
    )  # fmt: skip
    rows = text.findings([long], lambda words, _: words, 60).split("\n")
    assert all(len(row) <= 60 for row in rows[1:])
    assert all(row.startswith("  ") for row in rows[1:])
    whole = text.findings([long], lambda words, _: words).split("\n")
    assert whole[1] == f"  {long.summary}"
    assert " ".join(row.strip() for row in rows[1:]) == " ".join(row.strip() for row in whole[1:])


def test_columns_have_heads_and_findings_a_sum() -> None:
    config = "listen a\n bind :4190\n server m 10.0.0.1:14190\n"
    rows = text.topology("x", build(Sources(haproxy=haproxy.parse(config, "h.cfg")))).splitlines()
    assert rows[3].split("  ")[1] == "port" and rows[3].endswith("from")
    assert rows[3].index("leads to") == rows[4].index("10.0.0.1:14190")
    first = finding("CH004", "blind", "h.cfg", lanes=())
    assert text.tally([first]) == f"1 finding: 1 {first.severity}"
    assert text.tally([first, first]) == f"2 findings: 2 {first.severity}"


def test_show_calls_the_site_file_as_the_files_that_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "site.toml").write_text('[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "10.9.9.9:25"\n')
    main(["--site", str(tmp_path / "site.toml"), "show"])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "smtp" in line]
    assert row.endswith(" site.toml:1")


def test_evidence_that_says_no_more_than_the_summary_is_not_written_twice():
    said = finding(
        "CH034", "mail.example.org has no address", "here", evidence=("mail.example.org has no address", "more")
    )
    shown = text.findings([said], lambda word, state: word)
    assert (shown.count("has no address"), "  more" in shown) == (1, True)


def test_a_lane_that_leads_nowhere_has_no_header_to_speak_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "h.cfg").write_text(
        "frontend f\n bind :465\n use_backend m_%[dst_port]\nbackend m_25\n server a 10.9.9.9:25\n"
    )
    (tmp_path / "site.toml").write_text('[sources]\nhaproxy = ["h.cfg"]\n')
    main(["--site", str(tmp_path / "site.toml"), "show"])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "smtps" in line]
    assert row.split() == ["465", "smtps", "*", "-", "-", "-", "h.cfg:1"]
