"""Remedies lead to a set-up that lint finds nothing against, and what a file leaves open is said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.diagnosis.lint import lint
from console.estate.load import load
from tests.console.diagnosis.kinds import QUIET, Case, lane
from tests.console.diagnosis.test_kinds import estate

SECURE = "listen i\n bind :{port} ssl crt /x\n server m 10.9.9.9:{target} send-proxy\n"


@pytest.mark.parametrize(("port", "target"), [(993, 10993), (995, 10995), (465, 10465)])
def test_tls_that_is_ended_in_front_of_tls_is_let_through_and_not_led_to_a_plain_port(
    port: int, target: int, tmp_path: Path
) -> None:
    found = load(estate(Case(SECURE.format(port=port, target=target), []), tmp_path))
    (said,) = [each for each in lint(found.sources, found.topology) if each.id == "CH080"]
    assert said.remedy == "take ssl and crt from the bind line"
    mended = Case(SECURE.format(port=port, target=target).replace(" ssl crt /x", ""), [])
    found = load(estate(mended, tmp_path))
    assert [each.id for each in lint(found.sources, found.topology) if each.id not in (*QUIET, "CH004")] == []


def test_another_protocol_is_led_to_its_own_port(tmp_path: Path) -> None:
    found = load(estate(Case(SECURE.format(port=995, target=10993), []), tmp_path))
    (said,) = [each for each in lint(found.sources, found.topology) if each.id == "CH080"]
    assert said.remedy != "take ssl and crt from the bind line"


def test_a_listener_whose_port_is_in_a_variable_is_said_to_be_hidden(tmp_path: Path) -> None:
    open_bind = 'listen o\n bind :"${P}"\n server m 10.9.9.9:10025 send-proxy\n'
    found = load(estate(Case(lane(25, "10.9.9.9:10025 send-proxy") + open_bind, []), tmp_path))
    assert [each.port for each in found.topology.lanes] == [25]
    assert found.sources.haproxy is not None
    (said,) = found.sources.haproxy.warnings
    assert str(said).endswith("the port of a bind line is in a variable that no file sets: its lane is not known here")
    given = found.sources.haproxy.documents[0].lines[said.line - 1].words
    assert given == ("listen", "o")
