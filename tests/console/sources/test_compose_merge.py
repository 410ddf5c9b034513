"""Compose files merged: what comes out is what `docker compose config` makes of them, as recorded."""

from __future__ import annotations

import json
import posixpath
from pathlib import Path
from typing import Any

import pytest

from console.sources.compose import env_file
from console.sources.compose.files import Compose, merge
from tests.oracle import compose as oracle
from tests.oracle.compose_cases import BASE, CASES

ANSWERS: dict[str, oracle.Answer] = json.loads((Path(__file__).parent / "cases/compose.json").read_text())["answers"]

MORE_LENIENT = {"a name twice"}
"""Refused by compose, and said by us too, but the rest of the file is still read."""


def merged(case: dict[str, str]) -> Compose:
    """Merge a case's files; those that a file names are found where it says."""
    variables = env_file.read(case.get(".env", ""), ".env").values
    return merge([(name, case[name]) for name in ("base.yml", "over.yml") if name in case], variables, case.get)


def ours(found: Compose) -> dict[str, Any]:
    """Return what is compared, in the recording's form."""
    services: dict[str, Any] = {}
    for name, service in sorted(found.services.items()):
        ports = [each for each in found.published if each.service == name]
        environment = {key: value for key, (value, _) in found.environment.get(name, {}).items()}
        volumes = service.get("volumes")
        image = service.get("image")
        services[name] = {
            "ports": sorted(f"{each.address}:{each.port}:{each.container_port}/{each.protocol}" for each in ports),
            "environment": dict(sorted(environment.items())),
            "volumes": sorted(":".join(each.text.split(":")[:2]) for each in volumes.items) if volumes else [],
            "command": command(service),
            "image": image.text if image else None,
        }
    return services


def command(service: Any) -> list[str] | None:
    found = service.get("command")
    if found is None:
        return None
    return [each.text for each in found.items] if found.kind == "sequence" else found.text.split()


def spread(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a recording with its ranges of ports told one by one, or as the first where docker takes one of them."""
    for service in answer.values():
        told = []
        for port in service["ports"]:
            host, rest = port.rsplit(":", 1)
            address, published = host.rsplit(":", 1)
            told.append(f"{address}:{published.split('-')[0]}:{rest}")
        service["ports"] = sorted(told)
    return answer


@pytest.mark.parametrize("name", CASES)
def test_files_are_merged_as_compose_merges_them(name: str) -> None:
    found, answer = merged(CASES[name]), ANSWERS[name]
    if answer is None:
        assert found.problems
    else:
        assert found.problems == ()
        assert ours(found) == spread(answer)


@pytest.mark.slow
def test_the_recording_is_what_compose_says_today() -> None:
    tool = oracle.binary()
    # Where there is no docker compose the recording stands alone; .ci/run fetches one.
    names = ["ports add up", "an inner key reset", "every form of variable", "include", "env files", "no port"]
    for name in names if tool else ():
        assert oracle.ask(str(tool), CASES[name]) == ANSWERS[name]


def test_every_value_remembers_its_file_and_line() -> None:
    over = 'services:\n  web:\n    ports: ["9:9"]\n    environment:\n      B: three\n      C: new\n'
    found = merged({"base.yml": BASE, "over.yml": over})
    assert [(each.port, str(each.source)) for each in found.published] == [
        (8080, "base.yml:7"),
        (8443, "base.yml:8"),
        (9, "over.yml:3"),
    ]
    places = {name: str(place) for name, (_, place) in found.environment["web"].items()}
    assert places == {"A": "base.yml:10", "B": "over.yml:5", "C": "over.yml:6"}


def test_a_value_out_of_an_env_file_has_its_place_there() -> None:
    value, place = merged(CASES["env files"]).environment["web"]["TWO"]
    assert (value, str(place)) == ("2", "two.env:1")


def test_files_are_looked_for_beside_the_file_that_names_them() -> None:
    asked: list[str] = []

    def texts(path: str) -> str | None:
        asked.append(posixpath.normpath(path))
        return None

    text = (
        "include: [../x.yml]\nservices:\n  a:\n    env_file: sub/a.env\n    extends: {file: /etc/y.yml, service: b}\n"
    )
    found = merge([("deep/base.yml", text)], {}, texts)
    assert {"x.yml", "deep/sub/a.env", "/etc/y.yml"} <= set(asked)
    assert len(found.problems) == 3


def test_files_that_include_or_extend_each_other_end() -> None:
    texts = {
        "a.yml": "include: [b.yml]\nservices:\n  x:\n    extends: {file: b.yml, service: y}\n",
        "b.yml": "include: [a.yml]\nservices:\n  y:\n    extends: {file: a.yml, service: x}\n",
    }
    found = merge([("a.yml", texts["a.yml"])], {}, texts.get)
    assert found.problems


def test_a_list_cannot_be_put_over_a_mapping() -> None:
    found = merged({"base.yml": BASE, "over.yml": "services:\n  web:\n    ports: {a: 1}\n"})
    assert [str(problem) for problem in found.problems] == [
        "over.yml:3:12: this cannot override services.web.ports of base.yml:7: one is a list, the other is not"
    ]
