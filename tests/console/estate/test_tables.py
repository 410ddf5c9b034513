"""The compiled grammar comes with the program; what does not fit or is spoilt is passed over and made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.estate import tables
from console.sources.opentofu import grammar
from console.store.folders import cache_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made() -> bytes:
    """The tables as they are made, once."""
    return grammar.packed()


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables of a program that is installed in `tmp_path`; compiling is refused."""

    def compiled(text: str, postlex: object) -> object:
        raise AssertionError("compiled")

    monkeypatch.setattr(tables, "shipped", lambda: tmp_path / "hcl.msgpack")
    monkeypatch.setattr(grammar, "_compiled", compiled)
    tables.keep.cache_clear()
    tables.keep()
    grammar.parser.cache_clear()
    yield
    grammar.parser.cache_clear()


def kept() -> Path:
    folder = cache_folder()
    assert folder is not None
    return folder / tables.NAME


def test_what_comes_with_the_program_is_used_where_no_cache_can_be_written(
    tmp_path: Path, made: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.store.folders.cache_folder", lambda: None)
    tables.shipped().write_bytes(made)
    assert grammar.parser().parse("a = 1\n")


def spoilt(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def of_another_lark(data: bytes) -> bytes:
    packed = data[grammar.SUM :].replace(grammar._version(grammar._package()[0]).encode(), b"0" * 64)
    return grammar.sha256(packed).digest() + packed


@pytest.mark.parametrize("change", [spoilt, of_another_lark, lambda data: data[:20], lambda data: b""])
def test_tables_that_do_not_fit_are_passed_over_for_those_in_the_cache(made: bytes, change: object) -> None:
    tables.shipped().write_bytes(change(made))  # type: ignore[operator]
    with pytest.raises(AssertionError, match="compiled"):
        grammar.parser()
    kept().write_bytes(made)
    assert grammar.parser().parse("a = 1\n")


def test_what_had_to_be_made_is_kept(made: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    tables._save(made)
    assert kept().read_bytes() == made


def test_the_program_writes_what_it_reads(tmp_path: Path, made: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "packed", lambda: made)
    assert tables.main([]) == tables.main([str(tmp_path / "other")]) == 0
    assert tables.shipped().read_bytes() == (tmp_path / "other").read_bytes() == made
