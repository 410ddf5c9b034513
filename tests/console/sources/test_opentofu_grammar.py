"""The compiled grammar: what is kept reads as what was compiled, and nothing that is planted there is run."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from lark import Lark

from console.sources.opentofu import grammar

pytestmark = pytest.mark.slow

HCL = 'a = 1\nb "c" {\n  x = "${y.z[0]}/w"\n  w = a ? -b : !!c\n  t = <<-EOT\n    ${a}\n  EOT\n}\n'


@pytest.fixture(scope="module")
def compiled() -> Lark:
    """The parser as it is made from the grammar, and not from what is kept."""
    return grammar._compiled(*grammar._package())


@pytest.fixture
def keeping(monkeypatch: pytest.MonkeyPatch, compiled: Lark) -> Iterator[list[bytes]]:
    """What is kept, newest last; nothing at first."""
    saved: list[bytes] = []
    monkeypatch.setattr(grammar, "_compiled", lambda text, postlex: compiled)
    monkeypatch.setattr(grammar, "_load", [lambda: saved[-1:]])
    monkeypatch.setattr(grammar, "_save", [saved.append])
    grammar.parser.cache_clear()
    yield saved
    grammar.parser.cache_clear()


def again() -> Lark:
    grammar.parser.cache_clear()
    return grammar.parser()


def places(parser: Lark) -> list[object]:
    tree = parser.parse(HCL)
    return [(each.data, each.meta.start_pos, each.meta.end_pos) for each in tree.iter_subtrees() if not each.meta.empty]


def test_the_kept_grammar_reads_the_same_trees_with_the_same_places(keeping: list[bytes]) -> None:
    compiled = grammar.parser()
    kept = again()
    assert len(keeping) == 1 and kept is not compiled
    assert kept.parse(HCL) == compiled.parse(HCL)
    assert places(kept) == places(compiled) != []


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_a_planted_pickle_is_not_run(keeping: list[bytes], tmp_path: Path) -> None:
    mark = tmp_path / "run"
    keeping.append(pickle.dumps(Planted(mark)))
    assert again().parse(HCL)
    assert not mark.exists() and len(keeping) == 2


def summed(data: bytes) -> bytes:
    return sha256(data).digest() + data


@pytest.mark.parametrize("damage", ["cut", "empty list", "another version", "another shape"])
def test_a_damaged_grammar_is_compiled_again_and_replaced(damage: str, keeping: list[bytes]) -> None:
    again()
    whole = keeping[-1]
    version, data, memo = msgspec.msgpack.decode(whole[grammar.SUM :], strict=False)
    broken = {
        "cut": whole[: len(whole) // 2],
        "empty list": b"\x90",
        "another version": summed(msgspec.msgpack.encode(("0", data, memo))),
        "another shape": summed(msgspec.msgpack.encode((version, {"options": {}}, {}))),
    }
    keeping.append(broken[damage])
    assert again().parse(HCL)
    assert keeping[2:] == [whole]


READER = """
import sys
from pathlib import Path
from console.estate import tables
from console.estate.load import load
tables.shipped = lambda: Path("/nonexistent")
print(len(load(Path(sys.argv[1])).topology.instances))
"""


def test_several_processes_can_keep_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[sources]\nopentofu = ["m.tf"]\n')
    (tmp_path / "m.tf").write_text('resource "incus_instance" "m" {\n  name = "m"\n}\n')
    cache = tmp_path / "cache"
    argv = [sys.executable, "-c", READER, str(tmp_path / "site.toml")]
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    for count in (2, 1):
        running = [
            subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
            for _ in range(count)
        ]
        assert [each.communicate(timeout=120)[0] for each in running] == ["1\n"] * count
    assert [each.name for each in (cache / "cowhand").iterdir()] == ["hcl.msgpack"]
