"""Which mistakes are made, and that none counts as noticed because tests fail for another reason."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.mutants import __main__ as run
from tests.mutants.mistakes import mutants


def made(text: str) -> set[str]:
    return {mutant.becomes for mutant in mutants(text)}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("x = 5\n", {"x = 6"}),
        ("x = y >= z\n", {"x = y > z"}),
        ("x = y == z\n", {"x = y != z"}),
        ("x = a and b\n", {"x = (a)", "x = (b)"}),
        ("x = a or b or c\n", {"x = (a or b)", "x = (a) or c", "x = (b) or c"}),
        ("if a:\n    b()\n", {"if not (a):", "pass"}),
        ("if not a:\n    b()\n", {"if a:", "pass"}),
        ("f(a, b=c)\n", {"pass", "f(a, )"}),
        ("x.y = z\n", {"pass"}),
        ("x = a if b else c\n", {"x = a if (b) and False else c", "x = a if (b) or True else c"}),
        ("x: int | None = y\n", set()),
        ("class A(B, frozen=True):\n    x: int\n", set()),
        ('"""What it is, in 5 words."""\n', set()),
    ],
)
def test_every_mistake_of_its_kind_is_made_once(text: str, becomes: set[str]) -> None:
    assert made(text) >= becomes
    if not becomes:
        assert made(text) == set()


def test_a_line_of_a_script_is_left_out() -> None:
    script = 'X = """\\\nset -eu\nsync\nmv a b\n"""\n'
    assert {(each.line, each.becomes) for each in mutants(script)} == {("set -eu", ""), ("sync", ""), ("mv a b", "")}


def test_a_mistake_is_named_by_place_and_words_and_so_found_again_after_a_move() -> None:
    before = "class A:\n    def b(self):\n        return 5 < x\n"
    moved = f"import os\n\n\n{before}"
    assert {each.identity for each in mutants(before)} == {each.identity for each in mutants(moved)}
    assert ("A.b", "return 5 < x", "return 5 <= x") in {each.identity for each in mutants(before)}


def test_targets_and_equivalents_speak_of_what_is_there() -> None:
    for target in run.load():
        assert (run.ROOT / target.module).is_file()
        assert target.tests
        for test in target.tests:
            assert (run.ROOT / test).is_file(), f"{target.module} names {test}"
    for module, rows in run.equivalents().items():
        lines = {line.strip() for line in (run.ROOT / module).read_text().splitlines()}
        assert module in {target.module for target in run.load()}
        for (_, line, _), why in rows.items():
            assert set(filter(None, line.split(" ⏎ "))) <= lines, f"{module} has no line {line}"
            assert len(why) > 10


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one module and one test, in the place of ours."""
    worker = run.HERE / "worker.py"
    folder = tmp_path / "p"
    for name, text in {
        "tests/mutants/worker.py": worker.read_text(),
        "tests/mutants/mistakes.py": "",
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\naddopts = "--import-mode=importlib"\n',
        "assets/__init__.py": "",
        "assets/low.py": "def low(value):\n    return value < 5\n\n\ndef unused():\n    return 1\n",
        "tests/test_low.py": """
            from assets.low import low

            def test_low():
                assert low(4) and not low(6)
            """,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))
    monkeypatch.setattr(run, "ROOT", folder)
    monkeypatch.setattr(run, "HERE", folder / "tests/mutants")
    monkeypatch.setattr(run, "WORK", tmp_path / "work")
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(run, "_listed", lambda: [str(each.relative_to(folder)) for each in folder.rglob("*.*")])
    return folder


def tried(**more: bool) -> dict[str, str | None]:
    target = run.Target("assets/low.py", ["tests/test_low.py"])
    run.run([target], 1, **{"fresh": False, "survivors": False, **more})
    return {mutant.becomes: done for mutant, done in zip(target.mutants, target.outcomes, strict=True)}


@pytest.mark.slow
def test_what_tests_notice_is_told_from_what_they_do_not(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {
        "return value <= 5": "survived",  # nobody asks about 5 itself
        "return value < 6": "survived",
        "pass": "survived",  # the last of two of that name: unused() is not tested
        "return 2": "survived",
    }
    assert tried() == expected
    target = run.Target("assets/low.py", ["tests/test_low.py"])
    run.run([target], 1, fresh=False, survivors=False)
    assert target.outcomes == ["killed", "survived", "survived", "survived", "survived"]
    assert run.report([target], {}) == 1
    assert "20.0 % TOO FEW" in capsys.readouterr().out
    same = {
        mutant.identity: "for a reason"
        for mutant, done in zip(target.mutants, target.outcomes, strict=True)
        if done == "survived"
    }
    assert run.report([target], {target.module: same}) == 0
    killed = {target.mutants[0].identity: "for no reason"}
    assert run.report([target], {target.module: {**same, **killed}}) == 1
    assert "is noticed by a test" in capsys.readouterr().out
    (project / "tests/test_low.py").write_text(
        "from assets.low import low\n\ndef test():\n    assert low(4) and not low(5)\n"
    )
    assert tried()["return value <= 5"] == "killed"


@pytest.mark.slow
def test_no_mistake_is_noticed_by_tests_that_fail_anyway(project: Path) -> None:
    (project / "tests/test_low.py").write_text("def test_low():\n    assert False\n")
    with pytest.raises(run.Broken, match=r"fail without any mistake(.|\n)*assert False"):
        tried()


@pytest.mark.slow
def test_tests_that_only_fail_later_are_not_believed(project: Path, tmp_path: Path) -> None:
    (project / "tests/test_low.py").write_text(
        "import pathlib\nfrom assets.low import low\n\ndef test():\n    low(1)\n"
        f"    again = pathlib.Path({str(tmp_path)!r}, 'ran')\n    assert not again.exists()\n    again.touch()\n"
    )
    with pytest.raises(run.Broken, match="after the trials"):
        tried()
