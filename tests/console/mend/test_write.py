"""A plan's files are written all or none: what is refused, what is put back, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.errors import InputError
from console.mend import haproxy
from console.mend.plan import Plan
from console.mend.write import write
from console.store import atomic

NAMES = ("haproxy.cfg", "errors.cfg", "mailcow.conf", "hook.sh")
"""Two of HAProxy's, two that are not."""


class Said:
    """Stands for HAProxy: its words about the files before they are written and after."""

    def __init__(self, before: str | None = None, after: str | None = None, doubt: str = "", asks: bool = True) -> None:
        self.words, self.doubt, self.asks = [before, after], doubt, asks
        self.asked: list[list[str]] = []
        self.then: Callable[[], None] = lambda: None

    def command(self, made: Plan) -> tuple[list[str], str]:
        return (["haproxy", "-c"] if self.asks else []), self.doubt

    def refusal(self, argv: list[str], estate: Any) -> str | None:
        self.asked.append(argv)
        if len(self.asked) == 2:
            self.then()
        return self.words.pop(0)


def planned(folder: Path, *names: str) -> Plan:
    """A plan of new texts for these files, which lie in the folder as the plan knows them; bytes are not all UTF-8."""
    texts = {name: f"{name} old \udcff\n" for name in names}
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    documents = [SimpleNamespace(file=name) for name in NAMES[:2]]
    sources = SimpleNamespace(haproxy=SimpleNamespace(documents=documents))
    estate = SimpleNamespace(file=folder / "site.toml", texts=texts, sources=sources)
    return Plan(cast("Any", estate), {name: f"{name} new \udcff\n" for name in names}, (), ())


def states(folder: Path) -> dict[str, str]:
    """File → "old", "new", "both" (new, and the old one kept beside it), or what it holds."""
    found: dict[str, str] = {}
    for name in NAMES:
        if (folder / name).is_file():
            text = (folder / name).read_bytes()
            kept = (folder / f"{name}~").exists() and (folder / f"{name}~").read_bytes()
            word = {f"{name} {age} ".encode() + b"\xff\n": age for age in ("old", "new")}.get(
                text, text.decode("utf-8", "replace")
            )
            found[name] = "both" if word == "new" and kept == f"{name} old ".encode() + b"\xff\n" else word
    return found


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[[Said], Said]:
    def put(said: Said) -> Said:
        monkeypatch.setattr(haproxy, "command", said.command)
        monkeypatch.setattr(haproxy, "refusal", said.refusal)
        return said

    return put


WELL = [
    (Said(), 2, ""),
    (Said(before="no such"), 1, ""),  # it refused them before: what it says now is no news
    (Said(asks=False), 0, ""),
    (Said(asks=False, doubt="it is not there"), 0, "it is not there"),
]


@pytest.mark.parametrize(("said", "asked", "doubt"), WELL)
def test_all_are_written_and_each_version_before_is_kept(
    said: Said, asked: int, doubt: str, tmp_path: Path, says: Callable[[Said], Said]
) -> None:
    says(said)
    told = write(planned(tmp_path, *NAMES))
    assert states(tmp_path) == dict.fromkeys(NAMES, "both")
    assert told == [f"{name}: written, the version before is {name}~" for name in NAMES] + (
        [f"HAProxy was not asked whether it takes this, for {doubt}"] if doubt else []
    )
    assert said.asked == [["haproxy", "-c"]] * asked


CHANGED: list[tuple[Callable[[Path], object], str]] = [
    (
        lambda path: path.write_bytes(b"theirs"),
        "was changed by somebody else meanwhile; nothing was changed, try again",
    ),
    (lambda path: path.unlink(), "cannot be written: no such file or directory; nothing was changed"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("change", "words"), CHANGED)
def test_a_file_that_is_not_as_it_was_read_stops_all(
    change: Callable[[Path], object], words: str, name: str, tmp_path: Path, says: Callable[[Said], Said]
) -> None:
    said = says(Said())
    made = planned(tmp_path, *NAMES)
    change(tmp_path / name)
    before = states(tmp_path)
    with pytest.raises(InputError) as caught:
        write(made)
    assert str(caught.value) == f"{name}: {words}"
    assert (caught.value.line, caught.value.column) == (0, 0)
    assert (states(tmp_path), said.asked) == (before, [])


def failing(monkeypatch: pytest.MonkeyPatch, at: str, then: Callable[[], object] = lambda: None) -> None:
    """Let the disk be full when this file is written."""
    real = atomic.write

    def written(path: Path, data: bytes, *, before: bytes | None = None, keep: str = "") -> None:
        assert before is not None, "whatever is there must be what it was"
        if path.name == at and keep:
            then()
            raise OSError(28, "No space left on device")
        real(path, data, before=before, keep=keep)

    monkeypatch.setattr(atomic, "write", written)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_cannot_be_written_takes_all_back(
    name: str, tmp_path: Path, says: Callable[[Said], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = says(Said())
    made = planned(tmp_path, *NAMES)
    failing(monkeypatch, name)
    with pytest.raises(InputError) as caught:
        write(made)
    assert str(caught.value) == f"{name}: was not written: no space left on device; nothing was changed"
    assert (caught.value.line, caught.value.column) == (0, 0)
    assert states(tmp_path) == dict.fromkeys(NAMES, "old")
    assert len(said.asked) == 1


def test_what_others_have_changed_since_is_left_to_them_and_named(
    tmp_path: Path, says: Callable[[Said], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(Said())
    made = planned(tmp_path, *NAMES)

    def meddle() -> None:
        (tmp_path / NAMES[0]).write_text("theirs")
        (tmp_path / NAMES[1]).unlink()

    failing(monkeypatch, NAMES[3], meddle)
    with pytest.raises(InputError) as caught:
        write(made)
    assert str(caught.value) == (
        "hook.sh: was not written: no space left on device; haproxy.cfg and errors.cfg could not be put back"
    )
    assert states(tmp_path) == {"haproxy.cfg": "theirs", "mailcow.conf": "old", "hook.sh": "old"}


REFUSED = [
    (NAMES, "; mailcow.conf and hook.sh stay written"),
    (NAMES[:3], "; mailcow.conf stays written"),
    (NAMES[:2], ""),
    (NAMES[:1], ""),
]


@pytest.mark.parametrize(("names", "also"), REFUSED)
def test_what_haproxy_took_before_and_refuses_now_is_put_back(
    names: tuple[str, ...], also: str, tmp_path: Path, says: Callable[[Said], Said]
) -> None:
    says(Said(after="no such"))
    with pytest.raises(InputError) as caught:
        write(planned(tmp_path, *names))
    assert str(caught.value) == (
        f"haproxy.cfg and errors.cfg: put back as it was, for HAProxy refuses it: no such{also}"
    )
    assert (caught.value.line, caught.value.column) == (0, 0)
    assert states(tmp_path) == {name: "old" if name in NAMES[:2] else "both" for name in names}


def test_what_cannot_be_put_back_then_is_named(tmp_path: Path, says: Callable[[Said], Said]) -> None:
    said = says(Said(after="no such"))

    def meddle() -> None:
        (tmp_path / "errors.cfg").write_text("theirs")

    said.then = meddle
    with pytest.raises(InputError) as caught:
        write(planned(tmp_path, *NAMES))
    assert str(caught.value) == (
        "haproxy.cfg and errors.cfg: HAProxy refuses it: no such; errors.cfg could not be put back"
    )
    assert (caught.value.line, caught.value.column) == (0, 0)
    assert states(tmp_path) == {
        "haproxy.cfg": "old", "errors.cfg": "theirs", "mailcow.conf": "both", "hook.sh": "both"
    }  # fmt: skip
