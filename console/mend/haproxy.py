"""HAProxy's own check of mended files, and whether it may run on them: `haproxy -c` executes what they name."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from console.estate.load import Estate
from console.hosts.programs import environment, program
from console.mask import mask
from console.mend.plan import Plan, path_of
from console.sources import haproxy
from console.sources.haproxy.reach import Reach, reaches
from console.store.folders import repository
from console.store.trust import Use, doubt, unseen
from console.store.walk import files_of, walk
from console.text import clean

PATIENCE = 30.0
"""Seconds that HAProxy may take to check its files."""

MOST = 2000
"""Most files of Lua that a yes is for, and most folders in which they are looked for."""

_CODE = (".lua", ".so", ".luac")

_LUA = re.compile(r"lua|\$")
"""In what words a line loads Lua, or may: a variable stands for any word."""

_LOADS = (
    "command", "external-check", "filter", "module-load", "module-path", "presetenv", "program", "setenv", "ssl-engine",
    "ssl-provider", "ssl-provider-path",
)  # fmt: skip
"""Words that begin a line by which a program, or another file, says what is loaded."""


def command(made: Plan) -> tuple[list[str], str]:
    """Return the command that checks the files that a plan writes, and why it is not run.

    No command when HAProxy is not installed, none of its files is written, or it may not run."""
    argv, configuration = _argv(made.estate), made.estate.sources.haproxy
    if not argv or configuration is None or not {each.file for each in configuration.documents} & made.texts.keys():
        return [], ""
    before = tuple(reaches(configuration.documents))
    texts = [(each.file, made.texts.get(each.file, "")) for each in configuration.documents if each.file in made.texts]
    after = tuple(reaches(haproxy.parse_files(texts).documents))
    if not before and not after:
        return argv, ""
    if not {each.text for each in after} <= {each.text for each in before}:
        return [], f"the edit at {after[0].place} would have it run code or open other files"
    if why := doubt(made.estate.file.absolute().parent, lambda: _use(made.estate, argv, before)):
        return [], f"{before[0].place} may have it run code or open other files, and {why} (see cowhand trust)"
    return argv, ""


def use(estate: Estate) -> Use | None:
    """Return what HAProxy would run for `lint --fix` beyond reading its files; None when nothing."""
    argv, configuration = _argv(estate), estate.sources.haproxy
    found = tuple(reaches(configuration.documents)) if argv and configuration is not None else ()
    return _use(estate, argv, found) if found else None


def refusal(argv: list[str], estate: Estate) -> str | None:
    """Run the check; returns why HAProxy refuses the files as they are, None when it accepts them or cannot run."""
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=PATIENCE, cwd=estate.file.parent, check=False, env=environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == 0:
        return None
    alerts = [line for line in done.stderr.splitlines() if b"ALERT" in line]
    said = (alerts or done.stderr.splitlines() or [b"it does not say why"])[0]
    return clean(said.rpartition(b"] : ")[2].strip() or said, 200)


def _argv(estate: Estate) -> list[str]:
    found = program("haproxy") or program("/usr/sbin/haproxy") or program("/usr/local/sbin/haproxy")
    if found is None or estate.sources.haproxy is None:
        return []
    files = [path_of(estate, document.file).absolute() for document in estate.sources.haproxy.documents]
    return [found, "-c", *(word for file in files for word in ("-f", str(file)))]


def _use(estate: Estate, argv: list[str], found: tuple[Reach, ...]) -> Use:
    folder = estate.file.absolute().parent
    lua = any(
        not each.words or _LUA.search(" ".join((*each.words, each.text))) or each.words[0] in _LOADS for each in found
    )
    code = tuple(islice(_readable(estate, folder) if lua else _code(folder), MOST + 1))
    full = len(code) > MOST
    return Use(
        "HAProxy",
        tuple(argv),
        "lint --fix has it check its files before and after they are written",
        tuple(f"{each.file}:{each.line}: {mask(each.text)}" for each in found),
        tuple(each.text for each in found),
        () if full else tuple(dict.fromkeys((*_named(folder, found), *code))),
        f"there are more than {MOST} folders or files that Lua may load" if full else unseen(e.text for e in found),
    )


def _named(folder: Path, found: tuple[Reach, ...]) -> Iterator[Path]:
    """Yield the files of the folder that these lines name: those elsewhere are not the repository's."""
    top = Path(os.path.realpath(folder))
    for word in (word for each in found for word in each.words):
        path = folder / word
        real = Path(os.path.realpath(path)) if "\0" not in word else top
        if top in real.parents and real.is_file():
            yield path


def _readable(estate: Estate, folder: Path) -> Iterator[Path]:
    """Yield the files of the repository, as Lua runs any, HAProxy's own too: a comment may be what it loads."""
    real = Path(os.path.realpath(folder))
    documents = estate.sources.haproxy.documents if estate.sources.haproxy is not None else ()
    own = {os.path.realpath(path_of(estate, each.file)) for each in documents}  # they may be outside of it
    yield from map(Path, sorted(own))
    for path in files_of(repository(real) or real, MOST):
        if str(path) not in own:
            yield path


def _code(folder: Path) -> Iterator[Path]:
    """Yield the files that Lua may load from below the folder it is started in, or too many where it is too large."""
    for count, (top, folders, names) in enumerate(walk(folder)):
        folders[:] = sorted(name for name in folders if name != ".git")
        yield from (Path(top, name) for name in sorted(names) if name.endswith(_CODE))
        if count > MOST:
            yield from (Path(top, str(number)) for number in range(MOST + 1))
            return
