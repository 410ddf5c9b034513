"""The set-up of a site: finds files and machines, asks what cannot be found out, and writes the site file.

The command `init` and the set-up screen walk the same way: `begin`, then `question` and `answer` until there is none,
then `text` and `write`. Nothing is written before `write`."""

from __future__ import annotations

import asyncio
import posixpath
from collections import deque
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from console.differences import unified
from console.engine import site_files, site_hosts
from console.engine.site_hosts import HAPROXY, OVERRIDE, Looked
from console.errors import CowhandError, InputError
from console.estate import site_file
from console.model import Role, Topology
from console.questions import Asker, Credentials
from console.setup import answers, asking, kinds
from console.setup.answers import NONE, ROLES, SetupQuestion, Wanted
from console.setup.kinds import KINDS, LISTS, WORDS, Kind
from console.setup.understood import first_findings, understood
from console.site import CertificateEntry, DeclaredLane, HostEntry, PublicEntry, Site, SourceFiles
from console.store.folders import configuration_folder
from console.text import address, clean, join_words

COPIES: tuple[tuple[Kind, Role, str], ...] = (("haproxy", "proxy", HAPROXY), ("compose", "mail", OVERRIDE))
"""Files that are copied from a host when none is here: what for, whose, and where it is there."""


class NothingFoundError(CowhandError):
    """There is nothing to begin with that tells where mail is served."""


class Row(Struct, frozen=True):
    """A line of what is known: `mark` is ok, note or wrong."""

    mark: str
    label: str
    words: str


class SiteSetup:
    """One set-up. `folder` is looked through, `path` is the site file, which may exist.

    `ask` puts the questions of SSH (host keys, passphrases, passwords). Without `tests` no machine is connected to."""

    def __init__(self, folder: Path, path: Path, ask: Asker | None = None, *, tests: bool = True) -> None:
        self.folder, self.path, self.tests = folder, path, tests
        self.credentials = Credentials(ask)
        self.log: deque[str] = deque(maxlen=400)
        self.before = ""
        self.old = self.site = Site()
        self.topology = Topology()
        self.texts: dict[str, str] = {}
        self._read: list[Row] = []
        self._seen: list[Row] = []
        self.looked: dict[str, Looked] = {}
        self.copies: dict[str, str] = {}
        self.remarks: dict[tuple[str, ...], str] = {}
        self.aliases: dict[str, str] = {}
        self._folders: dict[Kind, tuple[str, ...]] = {}
        self._found: dict[Kind, tuple[str, ...]] = {}
        self._answered: set[str] = set()
        self._unclear: list[str] = []

    @property
    def rows(self) -> list[Row]:
        """What is known: of the files, then of the machines."""
        return [*self._read, *self._seen]

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, named: dict[Kind, str] | None = None) -> None:
        """Read the site file that is there, find files and read them; `named` are the operator's own, "none" for none.

        Raises `InputError` with the place of what cannot be used."""
        site_files.stays_here(self.path)
        if self.path.exists():
            self.before = site_file.read(self.path)
            self.old = self.site = site_file.parse(self.before, str(self.path))
        elif self.path.parent == configuration_folder():
            self.site = replace(self.site, name=self.path.stem)  # all of these are in one folder
        self._found = site_files.find(self.folder)
        for kind, written in (named or {}).items():
            self._found.pop(kind, None)
            if written != NONE:
                paths = answers.words(written)
                for each in paths if kind in LISTS else [written]:
                    site_files.check(self.folder, kind, each)
                self._take(kind, tuple(paths))
        sure, self._folders = kinds.choose(self._found)
        for kind in KINDS:
            if kind in sure:
                self._take(kind, sure[kind])
        self._folders = {kind: found for kind, found in self._folders.items() if not self._has(kind)}
        self.aliases = self._aliases()
        self.read()

    def _has(self, kind: Kind) -> bool:
        return bool(getattr(self.site.sources, kind))

    def _take(self, kind: Kind, paths: tuple[str, ...]) -> None:
        """Name files in [sources], unless the operator's site file names some already."""
        if self._has(kind) or (kind == "mailcow_conf" and self._beside_compose(paths[0])):
            return
        written = tuple(self._written(path) for path in paths)
        value = written if kind in LISTS else written[0]
        self.site = replace(self.site, sources=replace(self.site.sources, **{kind: value}))

    def _beside_compose(self, path: str) -> bool:
        """Whether a mailcow.conf is found without being named."""
        compose = self.site.sources.compose
        return bool(compose) and posixpath.dirname(compose[0]) == posixpath.dirname(self._written(path))

    def _written(self, path: str) -> str:
        """Return a path as the site file writes it: relative to its folder where it is below that."""
        whole = (self.folder / Path(path).expanduser()).absolute()
        base = self.path.absolute().parent
        return whole.relative_to(base).as_posix() or "." if whole.is_relative_to(base) else str(whole)

    def _aliases(self) -> dict[str, str]:
        from console.engine.vantages import ssh_config
        from console.hosts.ssh import aliases

        config = ssh_config(self.path)
        return {} if config.distrust() else aliases.read(config.path)

    def read(self) -> None:
        """Read the files as the site file would name them; raises `InputError` for what cannot be used."""
        from console.diagnosis.lint import lint
        from console.estate.load import Reader

        named = self.site.sources
        if not (any(getattr(named, kind) for kind in LISTS) or self.site.lane or self._folders):
            self._read = [Row("note", "files", kinds.lacking(named, str(self.folder)))]
            return
        if not any(getattr(named, kind) for kind in LISTS) and not self.site.lane:
            return
        draft = msgspec.structs.replace(self.site, hosts={}, deployed={})
        estate = Reader().load(self.path, {str(self.path): site_file.draft(draft), **self.copies})
        if estate.problems:
            raise InputError(*_placed(estate.problems[0], self.path))
        self.topology, self.texts = estate.topology, {k: v for k, v in estate.texts.items() if k != str(self.path)}
        self._read = []
        for kind in KINDS:
            value = getattr(named, kind)
            files = join_words([clean(each, 60) for each in (value if kind in LISTS else (value,) if value else ())])
            if files:
                words = understood(kind, self.topology)
                self._read.append(Row("ok", files, words or WORDS[kind]))
                if words:
                    origin = self.remarks.get(("copies", kind), "")
                    self.remarks["sources", kind] = f"{origin}; {words}" if origin else words
            elif kind in LISTS and kind not in self._folders:
                self._read.append(Row("note", WORDS[kind], "none found here"))
        self._read += [Row("note", "", row) for row in first_findings(lint(estate.sources, estate.topology))]

    # ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def question(self) -> SetupQuestion | None:
        """Return the next question; None when everything is known."""
        for make in (
            self._which_folder,
            self._which_names,
            self._which_hosts,
            self._which_role,
            self._copy,
            self._https,
        ):
            found = make()
            if found is not None and found.key not in self._answered:
                return found
        return None

    async def answer(self, key: str, text: str) -> str:
        """Take an answer; returns why it cannot be used, "" when it can. Looks at machines when it names some."""
        question = self.question()
        if question is None or question.key != key:
            return f'"{clean(key, 40)}" is not what is asked'
        site, copies, seen = self.site, dict(self.copies), list(self._seen)
        try:
            await self._take_answer(question, text.strip() or question.default or "")
        except (ValueError, InputError) as error:
            self.site, self.copies, self._seen = site, copies, seen
            return str(error)
        self._answered.add(key)
        return ""

    async def _take_answer(self, question: SetupQuestion, text: str) -> None:
        kind, _, rest = question.key.partition(".")
        if kind == "files":
            folder = answers.one_of(question, text)
            which: Kind = next(each for each in KINDS if each == rest)
            if folder != NONE:
                paths = [path for path in self._found[which] if (posixpath.dirname(path) or ".") == folder]
                self._take(which, kinds.entries(which, paths))
            del self._folders[which]
            self.read()
        elif kind == "names":
            names = answers.public_names(text)
            told = kinds.names(self.texts)
            if names and names[0] in told:
                self.remarks["public", "names"] = told[names[0]]
            self.site = replace(self.site, public=PublicEntry(names))
        elif kind == "hosts":
            await self._look(answers.hosts(text))
        elif kind == "role":
            role = answers.one_of(question, text)
            self._unclear.remove(rest)
            if role != NONE:
                self._add(rest, next(each for each in ROLES if each == role))
            await self._reach_inside()
        elif kind == "copy":
            if answers.one_of(question, text) == "yes":
                self._copied(next(each for each in COPIES if each[0] == rest))
        elif kind == "https" and (target := answers.target(text)):
            lane = DeclaredLane(443, "https", target, "https")
            self.site = replace(self.site, lane=(*self.site.lane, lane))
            self.remarks["lane", "443"] = "its listener is in none of the files"

    def _which_folder(self) -> SetupQuestion | None:
        return next((asking.folder(kind, folders) for kind, folders in self._folders.items()), None)

    def _which_names(self) -> SetupQuestion | None:
        return None if self.site.public.names else asking.names(self.texts)

    def _which_hosts(self) -> SetupQuestion | None:
        old = self.old.hosts.values()
        whole = {"proxy", "mail"} <= {entry.role for entry in old}
        local = any(entry.local for entry in old)
        here = site_hosts.here() if self.tests and not local else ""
        return None if whole or self._unclear else asking.hosts(self.aliases, old, here)

    def _which_role(self) -> SetupQuestion | None:
        for name in self._unclear:
            seen = self.looked[name]
            return asking.role(name, seen.roles, "; ".join(seen.rows[1:]) or "it was not looked at")
        return None

    def _copy(self) -> SetupQuestion | None:
        for kind, role, path in COPIES:
            if self._has(kind) or f"copy.{kind}" in self._answered:
                continue
            for name, seen in self.looked.items():
                if path == HAPROXY and not seen.ports:
                    continue  # the one that a package brings: it says nothing of mail
                if path in seen.files and name in self.site.hosts and self.site.hosts[name].role == role:
                    return asking.copy(kind, path, name, seen.files[path])
        return None

    def _https(self) -> SetupQuestion | None:
        if 443 in {lane.port for lane in self.topology.lanes} | {lane.port for lane in self.site.lane}:
            return None
        for name, seen in self.looked.items():
            for lane in seen.running.lanes if seen.running else ():
                if lane.port == 443 and lane.target:
                    return asking.https((name, HAPROXY, address(lane.target.host, lane.target.port)))
        return asking.https(None)

    # ── machines ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _look(self, wanted: tuple[Wanted, ...]) -> None:
        """Look at machines, all at once; raises `InputError` for one without a way in, or that is another site's."""
        taken = [each.name for each in wanted if each.name in self.old.hosts]
        if taken:
            raise ValueError(f'the site file has a host called "{taken[0]}"; change it there')
        if not self.tests:
            seen = [Looked(each, site_hosts.entry_of(each, each.role or "proxy")) for each in wanted]
        else:
            seen = await asyncio.gather(
                *(site_hosts.look(each, self.credentials, self.path, self.log) for each in wanted)
            )
        for each in seen:
            if each.error:
                raise InputError(each.wanted.way, 0, 0, f"no way in: {each.error}")
            if why := site_hosts.stranger(each, self.topology):
                raise InputError(each.wanted.way, 0, 0, why)
        self.looked = {each.wanted.name: each for each in seen}
        self._unclear, self._seen = [], []
        self.site = replace(self.site, hosts=dict(self.old.hosts))
        for each in seen:
            self._seen += [
                Row("ok", each.wanted.name if number == 0 else "", row) for number, row in enumerate(each.rows)
            ]
            role = each.wanted.role or (each.roles[0] if len(each.roles) == 1 else None)
            if role is None:
                self._unclear.append(each.wanted.name)
            else:
                self._add(each.wanted.name, role)
        await self._reach_inside()

    def _add(self, name: str, role: Role) -> None:
        seen = self.looked[name]
        entry = replace(seen.entry or site_hosts.entry_of(seen.wanted, role), role=role)
        self.site = replace(self.site, hosts={**self.site.hosts, name: entry})
        if len(seen.rows) > 1:
            self.remarks["hosts", name] = clean("; ".join(seen.rows[1:]), 100)
        elif not self.tests:
            self.remarks["hosts", name] = "not tried yet"

    async def _reach_inside(self) -> None:
        """Add the VM as a host by `incus exec`, when no other way to Mailcow was named and that one works."""
        if self._unclear or any(entry.role == "mail" for entry in self.site.hosts.values()):
            return
        declared = {instance.name for instance in self.topology.instances}
        for name, entry in list(self.site.hosts.items()):
            seen = self.looked.get(name)
            found = [each for each in seen.machines if each.name in declared] if seen else []
            if entry.role != "hypervisor" or seen is None or len(found) != 1 or found[0].name in self.site.hosts:
                continue
            inner = found[0].name
            why = await site_hosts.inside(seen, inner, self.credentials, self.path)
            if why:
                self._seen.append(Row("wrong", inner, f"not reached by incus exec: {why}"))
                continue
            self.site = replace(self.site, hosts={**self.site.hosts, inner: HostEntry("mail", via=name, incus=inner)})
            self._seen.append(Row("ok", inner, f"answers by incus exec on {name}"))
            self.remarks["hosts", inner] = "incus exec answered; it carries commands and no probes"

    def _copied(self, copy: tuple[Kind, Role, str]) -> None:
        kind, _, path = copy
        seen, name = next(
            (seen, name) for name, seen in self.looked.items() if path in seen.files and name in self.site.hosts
        )
        file = posixpath.basename(path)
        if (self.path.parent / file).exists():
            raise ValueError(f"{file} is there already; answer no, and name it in the site file")
        self.copies[file] = seen.files[path]
        sources: SourceFiles = replace(self.site.sources, **{kind: (file,)})
        self.site = replace(self.site, sources=sources)
        self.remarks["copies", kind] = f"a copy of {name}:{path}"
        self._seen.append(Row("ok", file, f"copied from {name} when the site file is written"))
        self.read()

    # ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def lacks(self) -> list[str]:
        """What this site file leaves open, in words."""
        roles = {entry.role for entry in self.site.hosts.values()}
        words: dict[Role, str] = {
            "proxy": "no host with HAProxy: nothing can be looked at from there",
            "mail": "no way into the mail host: what happens inside it cannot be told",
        }
        return [said for role, said in words.items() if role not in roles]

    def text(self) -> str:
        """Return the site file as it would be; raises `InputError`."""
        named = self.site.sources
        if not (any(getattr(named, kind) for kind in LISTS) or self.site.lane):
            raise NothingFoundError(
                f"{kinds.lacking(named, str(self.folder))}: no haproxy.cfg, *.tf or docker-compose.override.yml is "
                "here, and none was copied from a host. `cowhand --lab` opens the rehearsal"
            )
        site = self.site
        if not self.before and site.certificate is None and (name := kinds.certificate(self.texts)):
            site = replace(site, certificate=CertificateEntry(name))
        text = site_file.merged(self.before, self.old, site, str(self.path), self.remarks)
        site_file.parse(text, str(self.path))
        return text

    def diff(self) -> str:
        """Return what would change in the site file, as a diff; "" when nothing."""
        name = clean(self.path.name, 60)
        lines = unified(self.before.splitlines(), self.text().splitlines(), name, name)
        return "\n".join(lines)

    def write(self) -> None:
        """Write the copies, then the site file as it was begun with, each whole or not at all; raises `InputError`."""
        from console.store import atomic
        from console.store.safe_folder import why

        text = self.text()
        if self.path.exists() != bool(self.before) or (self.before and site_file.read(self.path) != self.before):
            raise InputError(str(self.path), 0, 0, "was changed meanwhile: nothing was written; begin again")
        try:
            folder = self.path.absolute().parent
            for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
                missing.mkdir(mode=0o700)  # each of them: `parents=True` leaves those above to the umask
            copies = {self.path.parent / name: content for name, content in self.copies.items()}
            for path in (self.path, *copies):
                site_files.stays_here(path)
            for path, content in copies.items():
                atomic.write(path, content.encode("utf-8", "surrogateescape"))
            atomic.write(self.path, text.encode())
        except OSError as error:
            raise InputError(str(self.path), 0, 0, f"the site file cannot be written: {why(error)}") from None


def _placed(problem: InputError, path: Path) -> tuple[str, int, int, str]:
    """Return a problem with a path that the operator can open; one of the draft itself has no line yet."""
    if problem.file == str(path):
        return str(path), 0, 0, problem.problem
    return str(path.parent / problem.file), problem.line, problem.column, problem.problem
