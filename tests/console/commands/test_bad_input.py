"""Bad input: one line `file:line:column: what is wrong and what to do`, and the rest of the estate stays readable."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import assets
from console.estate import load as estate
from console.estate.load import Estate, Reader

SEED = Path(assets.__file__).parent / "lab"
HAPROXY, TOFU, COMPOSE = "haproxy.cfg", "mailcow.tf", "docker-compose.override.yml"
SITE = f"""\
[sources]
haproxy = ["{HAPROXY}"]
opentofu = ["{TOFU}"]
compose = ["{COMPOSE}"]
deploy_script = "deploy.sh"
mailcow_conf = "mailcow.conf"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The seed's files with a site file, to be spoilt."""
    (tmp_path / "site.toml").write_text(SITE)
    for name in (HAPROXY, TOFU, COMPOSE):
        (tmp_path / name).write_bytes((SEED / name).read_bytes())
    (tmp_path / "deploy.sh").write_text("#!/bin/sh\ntrue\n")
    (tmp_path / "mailcow.conf").write_text("TZ=UTC\n")
    return tmp_path


def load(folder: Path) -> Estate:
    return Reader().load(folder / "site.toml")


def said(found: Estate) -> list[str]:
    return [str(problem).removeprefix(f"{found.file.parent}/") for problem in found.problems]


def stands(found: Estate) -> set[str]:
    """What could still be read."""
    topology = found.topology
    parts = {HAPROXY: topology.lanes, TOFU: topology.volumes, COMPOSE: topology.published}
    return {name for name, items in parts.items() if items}


KEYS = {HAPROXY: "2:12", TOFU: "3:13", COMPOSE: "4:12"}
EACH = pytest.mark.parametrize("name", [HAPROXY, TOFU, COMPOSE])
BIG = {HAPROXY: b"# x\n", TOFU: b"# x\n", COMPOSE: b"# x\n", "deploy.sh": b"# x\n", "mailcow.conf": b"# x\n"}


def test_the_seed_s_own_files_are_no_bad_input(folder: Path) -> None:
    found = load(folder)
    assert (said(found), stands(found)) == ([], {HAPROXY, TOFU, COMPOSE})


@EACH
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    found = load(folder)
    assert said(found) == [f'site.toml:{KEYS[name]}: "{name}" is not there: mend the path, or take the entry out']
    assert stands(found) == {HAPROXY, TOFU, COMPOSE} - {name}


@pytest.mark.parametrize(("name", "place"), [("deploy.sh", "5:1"), ("mailcow.conf", "6:1")])
def test_a_missing_script_or_mailcow_conf(folder: Path, name: str, place: str) -> None:
    (folder / name).unlink()
    found = load(folder)
    assert said(found) == [f'site.toml:{place}: "{name}" is not there: mend the path, or take the entry out']
    assert stands(found) == {HAPROXY, TOFU, COMPOSE}


@pytest.mark.parametrize(("name", "pattern"), [(HAPROXY, "*.cfg"), (TOFU, "*.tf"), (COMPOSE, "compose file (*.yml)")])
def test_a_folder_without_matching_files(folder: Path, name: str, pattern: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    (folder / name / "readme.txt").touch()
    found = load(folder)
    problem = f'"{name}" has no {pattern}: name the file itself, or mend the path'
    assert said(found) == [f"site.toml:{KEYS[name]}: {problem}"]
    assert stands(found) == {HAPROXY, TOFU, COMPOSE} - {name}


@EACH
def test_a_file_that_may_not_be_read(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: str, *rest: int) -> int:
        if str(path) == str(folder / name):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    found = load(folder)
    problem = f'"{name}" may not be read by this user: change its mode, or run as its owner'
    assert said(found) == [f"site.toml:{KEYS[name]}: {problem}"]


@EACH
def test_a_pipe_in_place_of_a_file_does_not_hang(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    found = load(folder)
    assert said(found) == [f"{name}:1:1: this is no file but a device, pipe or socket; name the file itself"]
    assert stands(found) == {HAPROXY, TOFU, COMPOSE} - {name}


@pytest.mark.parametrize("name", list(BIG))
def test_a_file_that_is_far_too_large(folder: Path, name: str) -> None:
    times = 4 if name == HAPROXY else 1
    (folder / name).write_bytes(BIG[name] * 2_621_440 * times)
    found = load(folder)
    (problem,) = said(found)
    assert re.fullmatch(
        rf"{re.escape(name)}:1:1: {times}0 MiB is too large, (8 MiB|512 KiB|256 KiB|1 MiB) is the most;"
        r" is this the right file\?",
        problem,
    )
    assert stands(found) >= {HAPROXY, TOFU, COMPOSE} - {name}


@pytest.mark.parametrize("name", list(BIG))
def test_a_binary_file(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x7fELF\x02\n\x01\0\0\0" + bytes(range(256)))
    found = load(folder)
    assert said(found) == [f"{name}:2:2: a binary file, not text: a NUL byte stands here; name the text file"]
    assert stands(found) >= {HAPROXY, TOFU, COMPOSE} - {name}


@pytest.mark.parametrize("name", [TOFU, COMPOSE, "deploy.sh", "mailcow.conf"])
def test_a_file_that_is_not_utf_8(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"# first\n# caf\xe9\n")
    assert said(load(folder)) == [f"{name}:2:6: not UTF-8: byte 0xe9 stands here; save the file as UTF-8"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('resource "a" "b" {\n  name = = 1\n}\n', '2:10: this is not HCL: "=" cannot stand here'),
        (
            'resource "a" "b" {\n  name = "x"\n',
            '2:13: this is not HCL: "}" expected before the end of the file, for the "{" of line 1; was the file cut?',
        ),
    ],
)
def test_broken_hcl(folder: Path, text: str, problem: str) -> None:
    (folder / TOFU).write_text(text)
    found = load(folder)
    assert said(found) == [f"{TOFU}:{problem}"]
    assert stands(found) == {HAPROXY, COMPOSE}
    assert found.texts[TOFU] == text


def test_broken_yaml(folder: Path) -> None:
    (folder / COMPOSE).write_text("services:\n  a: [1\n  b: 2\n")
    found = load(folder)
    assert len(found.problems) == 1
    assert said(found)[0].startswith(f"{COMPOSE}:3:4: this is not YAML: ")
    assert stands(found) == {HAPROXY, TOFU}


def test_a_haproxy_cfg_cut_in_the_middle(folder: Path) -> None:
    whole = (folder / HAPROXY).read_bytes()
    (folder / HAPROXY).write_bytes(whole[: len(whole) // 2])
    found = load(folder)
    assert len(found.problems) == 1
    assert re.match(rf"{HAPROXY}:\d+:\d+: ", said(found)[0])
    assert [lane.port for lane in found.topology.lanes][:2] == [25, 465]
    assert stands(found) == {HAPROXY, TOFU, COMPOSE}


def test_a_haproxy_cfg_without_any_proxy(folder: Path) -> None:
    (folder / HAPROXY).write_text("global\n    maxconn 100\n")
    assert said(load(folder)) == [f"{HAPROXY}:1:1: no listen, frontend or backend section; is this the right file?"]


@EACH
def test_crlf_changes_nothing(folder: Path, name: str) -> None:
    before = load(folder)
    (folder / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n"))
    found = load(folder)
    assert said(found) == []
    assert [lane.port for lane in found.topology.lanes] == [lane.port for lane in before.topology.lanes]
    assert [(v.name, v.size, v.mount_path, v.source.line) for v in found.topology.volumes] == [
        (v.name, v.size, v.mount_path, v.source.line) for v in before.topology.volumes
    ]
    assert [(p.address, p.port, p.source.line) for p in found.topology.published] == [
        (p.address, p.port, p.source.line) for p in before.topology.published
    ]


@pytest.mark.parametrize("name", [TOFU, COMPOSE, "deploy.sh", "mailcow.conf", "site.toml"])
def test_a_bom_changes_nothing(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes())
    found = load(folder)
    assert (said(found), stands(found)) == ([], {HAPROXY, TOFU, COMPOSE})


def test_a_bom_before_haproxy_s_first_word_is_said_for_haproxy_refuses_it(folder: Path) -> None:
    (folder / HAPROXY).write_bytes(b"\xef\xbb\xbf" + (folder / HAPROXY).read_bytes())
    found = load(folder)
    assert len(found.problems) == 1
    assert said(found)[0].startswith(f"{HAPROXY}:1:1: ")
    assert stands(found) == {HAPROXY, TOFU, COMPOSE}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (
            "vps:/etc/haproxy/haproxy.cfg",
            '"vps:/etc/haproxy/haproxy.cfg" is on another machine, and only files on this one are read: '
            "copy it here and name the copy",
        ),
        ("nobody:/x.cfg", '"nobody:/x.cfg" names no host of this file: copy it here and name the copy'),
    ],
)
def test_a_file_on_another_machine(folder: Path, entry: str, problem: str) -> None:
    text = SITE.replace(f'"{HAPROXY}"', f'"{entry}"') + '\n[hosts.vps]\nrole = "proxy"\nssh = "vps"\n'
    (folder / "site.toml").write_text(text)
    found = load(folder)
    assert said(found) == [f"site.toml:2:12: {problem}"]
    assert stands(found) == {TOFU, COMPOSE}


def test_a_file_whose_name_has_a_colon_is_a_file(folder: Path) -> None:
    (folder / "a:b.cfg").write_bytes((folder / HAPROXY).read_bytes())
    (folder / "site.toml").write_text(SITE.replace(f'"{HAPROXY}"', '"a:b.cfg"'))
    assert said(load(folder)) == []


def test_a_site_without_anything_to_read(folder: Path) -> None:
    (folder / "site.toml").write_text('name = "x"\n')
    assert said(load(folder)) == [
        'site.toml:1:1: nothing to read: name haproxy = ["haproxy.cfg"] in [sources], or a [[lane]]'
    ]


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-that-name/x", "dir\udce9", "haproxy.cfg/x"])
def test_a_path_that_can_be_none(folder: Path, name: str) -> None:
    (folder / "site.toml").write_text(SITE.replace(HAPROXY, name), errors="replace")
    found = load(folder)
    assert len(found.problems) == 1
    assert said(found)[0].startswith("site.toml:2:12: ")
    assert stands(found) == {TOFU, COMPOSE}


def test_several_broken_files_are_several_lines(folder: Path) -> None:
    (folder / HAPROXY).unlink()
    (folder / TOFU).write_text("broken {")
    (folder / COMPOSE).write_text("- broken")
    found = load(folder)
    assert [line.split(":")[0] for line in said(found)] == ["site.toml", TOFU, COMPOSE]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(list(BIG)), data=st.binary(max_size=200), at=st.integers(0, 600))
@pytest.mark.slow
def test_any_bytes_anywhere_leave_an_estate_with_located_problems(
    folder: Path, name: str, data: bytes, at: int
) -> None:
    whole = (folder / name).read_bytes()
    try:
        (folder / name).write_bytes(whole[:at] + data + whole[at + len(data) :])
        found = load(folder)
    finally:
        (folder / name).write_bytes(whole)
    for problem in found.problems:
        assert problem.line >= 1
        assert re.match(r"[\w./-]+:\d+:\d+: \S", str(problem))
        assert str(problem).isprintable()
    assert stands(found) >= {HAPROXY, TOFU, COMPOSE} - {name}


def test_the_process_wide_reader_reads_the_same(folder: Path) -> None:
    assert estate.load(folder / "site.toml") == load(folder)


def test_utf_16_is_called_so(folder: Path) -> None:
    (folder / COMPOSE).write_bytes("services: {}\n".encode("utf-16"))
    assert said(load(folder)) == [f"{COMPOSE}:1:1: UTF-16, by its first bytes: save the file as UTF-8"]
