"""`trust`: says what would run on the files of a site's folder, asks once, and takes it back."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.commands import opening
from console.commands.arguments import add_json
from console.commands.output import emit, say
from console.errors import InputError
from console.text import clean, join_words

if TYPE_CHECKING:
    from console.estate.load import Estate
    from console.store.trust import Trust, Use

EXIT_TRUSTED, EXIT_NOT, EXIT_NEEDS_ANSWER = 0, 1, 4

WIDTH = 4000
"""Most characters of a row: a command names every file."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    path = parser.add_argument("path", metavar="PATH", nargs="?", help="a folder with a site.toml, or a site file")
    path.complete = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}  # type: ignore[attr-defined]
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--yes", action="store_true", help="trust it without asking")
    what.add_argument("--list", action="store_true", help="every folder that is trusted, and with what")
    what.add_argument("--revoke", action="store_true", help="take the trust back")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Say what would run, and ask; returns the exit status. Raises `InputError` and `TrustError`."""
    if arguments.lab:
        raise InputError("trust", 0, 0, "the rehearsal estate runs nothing; name your own with --site")
    if arguments.read_only and (arguments.yes or arguments.revoke):
        raise InputError("trust", 0, 0, "changes what may run, and --read-only forbids it")
    if arguments.list:
        return _list(arguments.json)
    site = _site(arguments)
    return _revoke(site.absolute().parent, arguments.json) if arguments.revoke else _trust(site, arguments)


def _site(arguments: argparse.Namespace) -> Path:
    """Return the site file: in the folder that is named, or as every command finds it."""
    if arguments.path is None:
        return opening.site_file(arguments)
    path = Path(arguments.path)
    return path / "site.toml" if path.is_dir() or (arguments.revoke and not path.exists()) else path


# ── to say and to ask ───────────────────────────────────────────────────────────────────────────────────────────────


def uses(estate: Estate) -> tuple[Use, ...]:
    """Return every program that cowhand would run on the files of the site's folder."""
    from console.engine.vantages import ssh_config
    from console.hosts.ssh import foreign
    from console.mend import haproxy
    from console.store import trust
    from console.tofu import provisioning
    from console.tofu.refine import untold
    from console.tofu.use import use

    config = ssh_config(estate.file)
    dialled = config.site is not None and any(host.ssh for host in estate.site.hosts.values())
    site = estate.file.absolute().parent
    found = [
        *(use(place, site) for place in untold(estate)),
        *provisioning.agreed(estate, site, trust.find(site)),
        haproxy.use(estate),
        foreign.use(config.path) if dialled and config.path is not None else None,
    ]
    return tuple(each for each in found if each is not None)


def _trust(site: Path, arguments: argparse.Namespace) -> int:
    from console.estate.load import load
    from console.store import trust

    estate, folder = load(site), site.absolute().parent
    found = uses(estate)
    doubts = _doubts(folder, found)
    asked = any(why and not each.refused for each, why in zip(found, doubts, strict=True))
    if not arguments.json:
        _tell(folder, found, doubts)
    if asked and (arguments.yes or not arguments.json) and not arguments.read_only:
        offered = trust.seal(folder, [each for each in found if not each.refused])  # as they are before the question
        if not arguments.yes and not sys.stdin.isatty():
            say("trust: asks before it trusts, and here is no terminal to ask on; add --yes")
            return EXIT_NEEDS_ANSWER
        if arguments.yes or _agreed(folder, offered):
            trust.keep(offered)
            doubts = _doubts(folder, found)
            if not arguments.json:
                say("trusted, as its files are now; cowhand trust --revoke takes it back")
    if arguments.json:
        emit(_document(folder, found, doubts))
    return EXIT_NOT if any(doubts) else EXIT_TRUSTED


def _doubts(folder: Path, found: Sequence[Use]) -> list[str]:
    from console.store import trust

    kept = trust.find(folder)
    return [trust.doubt_of(kept, each) for each in found]


def _agreed(folder: Path, offered: Trust) -> bool:
    names = join_words(list(dict.fromkeys(each.name for each in offered.uses)))
    question = f"let cowhand run {names} on the files of {clean(str(folder), WIDTH)}? [y/N] "
    print(question, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    say("nothing is trusted")
    return False


def _tell(folder: Path, found: Sequence[Use], doubts: Sequence[str]) -> None:
    if not found:
        print(f"{clean(str(folder), WIDTH)}: nothing of it would be run; there is nothing to trust")
        return
    print(f"cowhand would run this on the files of {clean(str(folder), WIDTH)}:")
    for each, why in zip(found, doubts, strict=True):
        print(f"\n{each.name}: {clean(each.why, WIDTH)}")
        _row("command", shlex.join(each.command))
        for number, line in enumerate(each.executes or ("no file of the folder itself",)):
            _row("" if number else "from", line)
        _row("trusted", f"no: {why}" if why else "yes")
    sys.stdout.flush()


def _row(label: str, text: str) -> None:
    print(f"  {label:<9} {clean(text, WIDTH)}")


def _document(folder: Path, found: Sequence[Use], doubts: Sequence[str]) -> dict[str, Any]:
    programs = [
        {"name": each.name, "command": [_plain(word) for word in each.command], "why": each.why,
         "from": list(each.executes), "files": [_plain(path) for path in each.files], "trusted": not why,
         "reason": why or None}
        for each, why in zip(found, doubts, strict=True)
    ]  # fmt: skip
    return {"path": _plain(folder), "trusted": not any(doubts), "programs": programs}


def _plain(path: str | Path) -> str:
    """Return a path as JSON can have it: bytes that are no text as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# ── to list and to take back ────────────────────────────────────────────────────────────────────────────────────────


def _list(as_json: bool) -> int:
    from console.store import trust

    kept = [(each, [trust.changes(each, use) for use in each.uses]) for each in trust.trusts()]
    if as_json:
        emit({"trusted": [_entry(each, why) for each, why in kept]})
        return EXIT_TRUSTED
    if not kept:
        print("no folder is trusted", file=sys.stderr)
    for each, why in kept:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.since))
        print(f"{clean(each.folder, WIDTH)}  since {since}")
        for use, changed in zip(each.uses, why, strict=True):
            _row(use.name, f"not any more: {changed}" if changed else shlex.join(use.command))
    return EXIT_TRUSTED


def _entry(trust: Trust, why: Sequence[str]) -> dict[str, Any]:
    programs = [
        {"name": use.name, "command": list(use.command), "holds": not changed, "reason": changed or None}
        for use, changed in zip(trust.uses, why, strict=True)
    ]
    return {"path": trust.folder, "since": trust.since, "programs": programs}


def _revoke(folder: Path, as_json: bool) -> int:
    from console.store import trust

    gone = trust.revoke(folder)
    if as_json:
        emit({"path": _plain(folder), "revoked": gone})
    else:
        say(f"{folder} is not trusted any more" if gone else f"{folder} was not trusted")
    return EXIT_TRUSTED
