"""Every promise of SECURITY.md names tests, and each test that is named is there and is an attack."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
TEXT = (FOLDER.parents[1] / "SECURITY.md").read_text()
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", TEXT)


def functions(file: str) -> set[str]:
    tree = ast.parse((FOLDER / file).read_text())
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_is_named_is_there() -> None:
    assert len(NAMED) > 25
    missing = [f"{file}::{name}" for file, name in NAMED if name not in functions(file)]
    assert not missing


def test_every_promise_names_a_test() -> None:
    promised = TEXT[TEXT.index("### What is promised") : TEXT.index("### What is not promised")]
    promises = [part for part in promised.split("\n\n") if part.startswith("**")]
    assert len(promises) >= 8
    assert all(re.search(r"`test_\w+\.py::test_\w+`", promise) for promise in promises)


def test_every_file_of_attacks_is_named() -> None:
    assert {path.name for path in FOLDER.glob("test_*.py")} - {Path(__file__).name} == {file for file, _ in NAMED}
