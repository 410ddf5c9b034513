"""What the helper program for disks tells as a whole, what it changes, its arguments and its output."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assets import disk
from console.facts import volumes
from tests.assets.plain_disk import ID, PlainDisk, said
from tests.assets.test_disk_look import NOTHING, UUID


def test_a_look_tells_of_every_volume_and_every_folder(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.answers["systemctl"] = (0, "LoadState=loaded\n", "")
    path = f"{plain.root}/by-id"
    told = disk.look(json.dumps([
        {"name": "opt", "ids": [ID], "path": path}, {"name": "var", "ids": ["none"], "path": ""},
    ]))  # fmt: skip
    assert told == {
        "root": os.geteuid() == 0,
        "lacking": [],
        "volumes": {"opt": plain.look(), "var": {"ids": [], **NOTHING}},
        "folders": {path: disk.describe_folder(path, [])},
        "docker": {"LoadState": "loaded", "ActiveState": "", "UnitFileState": "", "NeedDaemonReload": ""},
    }
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert disk.look("[]")["root"] is False
    monkeypatch.setattr(disk, "lacking", lambda: ["wipefs"])
    assert disk.look("[]")["lacking"] == ["wipefs"]


def test_a_look_goes_into_a_disk_that_has_a_uuid(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.real("mkfs.ext4", "-q", "-U", UUID, str(plain.image))
    plain.real("debugfs", "-w", "-R", f"mkdir {disk.COPYING}", str(plain.image))
    plain.real("debugfs", "-w", "-R", "mkdir mail", str(plain.image))
    plain.mount("/opt", "8:99")
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(disk, "same_uuid", lambda *words: (asked.append(words), ["/dev/sdc"])[1])
    told = disk.look(json.dumps([{"name": "opt", "ids": [ID], "path": ""}, {"name": "b", "ids": [], "path": ""}]))
    assert isinstance(told["volumes"], dict)
    opt = told["volumes"]["opt"]
    assert asked == [(UUID, str(plain.image))]
    assert (opt["twins"], opt["entries"], opt["copying"]) == (["/dev/sdc"], 1, True)
    assert told["folders"] == {}


def test_a_look_changes_nothing(plain: PlainDisk) -> None:
    plain.real("mkfs.ext4", "-q", "-U", UUID, str(plain.image))
    plain.mark(UUID)
    before = plain.sum()
    disk.look(json.dumps([{"name": "opt", "ids": [ID], "path": str(plain.root)}]))
    assert plain.sum() == before


# ── the program ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [each.split() for each in (
        "", "look", "format", "format d 1 s", "format d 1 s l x", "copy-in d", "copy-in d p x", "write-proof",
        "check-proof d p x y", "check-proof d p x", "other d p", "format d p", "other d 1 s l",
    )],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_are_told_with_the_right_ones(words: list[str]) -> None:
    assert said(words) == (2, "usage: format DEVICE SIZE SERIALS LABEL | copy-in|write-proof|check-proof DEVICE PATH")


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (None, 0, "all of a b"),
        (disk.Stop("why not"), 3, "not done: why not"),
        (OSError(28, "No space left on device"), 1, "not done: No space left on device"),
        (OSError(28, "No space left on device", "/mnt/x"), 1, "not done: /mnt/x: No space left on device"),
    ],
)
@pytest.mark.parametrize("verb", ["copy-in", "write-proof", "check-proof"])
def test_what_was_done_or_why_not_is_printed(
    monkeypatch: pytest.MonkeyPatch, verb: str, error: Exception | None, status: int, words: str
) -> None:
    def do(*given: str) -> str:
        if error:
            raise error
        return f"all of {' '.join(given)}"

    monkeypatch.setitem(disk.VERBS, verb, do)
    assert said([verb, "a", "b"]) == (status, words)


def test_reasons_go_to_stderr_and_what_was_done_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(disk.VERBS, "check-proof", lambda *words: "done")
    disk.main(["check-proof", "a", "b"])
    assert capsys.readouterr() == ("done\n", "")
    for error in (disk.Stop("x"), OSError(1, "x")):
        monkeypatch.setitem(disk.VERBS, "check-proof", lambda *words, error=error: (_ for _ in ()).throw(error))
        disk.main(["check-proof", "a", "b"])
        assert capsys.readouterr() == ("", "not done: x\n")
    disk.main([])
    assert capsys.readouterr().out == ""


def test_the_program_uses_no_syntax_and_no_function_newer_than_python_3_8() -> None:
    text = Path(disk.__file__).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {
        alias.name if isinstance(node, ast.Import) else str(node.module) for node in imports for alias in node.names
    }
    assert {each.split(".")[0] for each in named} <= set(sys.stdlib_module_names)
    newer = {"removeprefix", "removesuffix", "file_digest", "pairwise", "nullcontext", "strict", "slots", "match_args"}
    words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    assert not newer & (words | keywords)


def runs(python: object) -> bool:
    """Whether this is a Python 3.8 that really runs; what a version manager puts on PATH may be none."""
    version = "import sys; sys.exit(sys.version_info[:2] != (3, 8))"
    return (
        bool(python) and not subprocess.run([str(python), "-c", version], capture_output=True, check=False).returncode
    )


OLD = next(filter(runs, [*Path.home().glob(".pyenv/versions/3.8*/bin/python3.8"), shutil.which("python3.8")]), None)


if OLD is not None:  # elsewhere the syntax alone is held to 3.8, above

    def test_the_program_runs_on_python_3_8(tmp_path: Path) -> None:
        program = tmp_path / "cowhand-disk"
        program.write_text(volumes.doing())
        done = subprocess.run([str(OLD), "-W", "error", program, "check-proof", "/dev/none", str(tmp_path)],
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert (done.returncode, done.stderr) == (3, f"not done: /dev/none is not mounted at {tmp_path}\n")
        look = subprocess.run([str(OLD), "-W", "error", "-c", volumes.looking(),
                               json.dumps([{"name": "opt", "ids": [ID], "path": str(tmp_path)}])],
                              capture_output=True, check=True)  # fmt: skip
        assert volumes.parse(look.stdout, "mail").folders[str(tmp_path)].kind == "folder"
