"""An estate from disk: the site file, every source that it names, and the topology made of them."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from console.errors import InputError
from console.estate import compose, opentofu
from console.estate.files import Memo, Where, is_a
from console.estate.lanes import SHARED, LaneFiles, unquoted
from console.model import Topology
from console.site import Site
from console.sources import authorized_keys, dovecot, mounts, postfix, settings, shell
from console.sources.haproxy.routes import MOST as MOST_LANES
from console.sources.mounts import Mounts
from console.sources.settings import Settings
from console.sources.shell import Script
from console.topology.build import build
from console.topology.sources import Sources

LARGEST_SCRIPT = 256 << 10


class Estate(Struct, frozen=True):
    """Everything that was read. `texts` has each file's text by its name as the site file writes it.

    `own`: its site file is the operator's own, and may name any place on a host.
    `remark` says why OpenTofu's state could not be read; "" when it could, or OpenTofu is not installed."""

    site: Site
    file: Path
    title: str
    sources: Sources
    topology: Topology
    problems: tuple[InputError, ...] = ()
    texts: dict[str, str] = {}
    remark: str = ""
    own: bool = False

    @property
    def warnings(self) -> tuple[InputError, ...]:
        """What is probably wrong, in the order of the files; it makes nothing unusable."""
        return unquoted(self.sources.haproxy.warnings, self.texts) if self.sources.haproxy else ()


class Reader(Memo):
    """Reads estates; a file that has not changed is read once."""

    def load(self, path: Path, instead: Mapping[str, str] | None = None) -> Estate:
        """Read the site file and all files that it names; raises `InputError` when the site file cannot be used.

        `instead` has texts that are used instead of the files of these names."""
        return _Loading(self, path, instead or {}).estate()


_READER = Reader(SHARED)


def load(path: Path) -> Estate:
    """Read the estate; unchanged files are not read again. Raises `InputError` for the site file itself."""
    return _READER.load(path)


def beside(path: Path) -> tuple[str, ...]:
    """Return the paths of further files that this site's files refer to, as by `file()` and `env_file`."""
    return _READER.beside(path)


class _Loading(LaneFiles):
    """One reading of one estate."""

    def estate(self) -> Estate:
        """Read everything."""
        named = self.site.sources
        haproxy_files, tofu = self.haproxy(), opentofu.read(self)
        composed, environment, environment_file = compose.read(self)
        trust = self._settings("dovecot_conf", "data/conf/dovecot/extra.conf")
        sources = Sources(
            site=self.site,
            haproxy=haproxy_files,
            tofu=tofu,
            compose=composed,
            scripts=tuple(
                script
                for key in ("deploy_script", "deploy_hook")
                if (written := getattr(named, key)) and (script := self._script(written, ("sources", key)))
            ),
            declared=self.declared(),
            environment=environment,
            environment_file=environment_file,
            postfix=self._settings("postfix_conf", "data/conf/postfix/extra.cf", continued=True),
            dovecot=trust,
            mounts=self._mounts(),
            keys=self._keys(),
            texts=self.texts,
            inet=dovecot.listeners(self.texts[trust.file], trust.file) if trust else (),
            master=self._master(),
            lists=self.lists(haproxy_files),
            folder=self.path.absolute().parent.name,
        )
        if not (named.haproxy or named.opentofu or named.compose or self.site.lane):
            self.complain(("sources",), 'nothing to read: name haproxy = ["haproxy.cfg"] in [sources], or a [[lane]]')
        if len(sources.routes.lanes) >= MOST_LANES:
            self.complain(("sources", "haproxy"), f"{MOST_LANES} ports or more: what follows is not looked at")
        return Estate(
            self.site,
            self.path,
            self.title(),
            sources,
            build(sources),
            unquoted(tuple(self.problems), self.texts),
            dict(self.texts),
            own=self.own,
        )

    def _settings(self, key: str, beside: str, *, continued: bool = False) -> Settings | None:
        """Read a file of settings: the one named, else Mailcow's own in its folder."""
        written: str | None = getattr(self.site.sources, key)
        if written is not None:
            file = self.single(written, ("sources", key))
        else:
            folder = self._folder()
            if folder is None:
                return None
            there = posixpath.join(folder, beside)
            file = self.read(there, ("sources", "compose")) if is_a(self.path_of(there), stat.S_ISREG) else None
        if file is None:
            return None
        self.problems += (postfix if continued else dovecot).refused(file.text, file.shown)
        return settings.read(file.text, file.shown, continued=continued)

    def _folder(self) -> str | None:
        """Return Mailcow's folder: that of the first compose file, else of mailcow.conf; None when neither is named."""
        first = next(iter(self.site.sources.compose), None) or self.site.sources.mailcow_conf
        if first is None:
            return None
        return first if is_a(self.path_of(first), stat.S_ISDIR) else posixpath.dirname(first)

    def _master(self) -> tuple[postfix.Service, ...] | None:
        """Read the master.cf beside Postfix's extra.cf, or beside where Mailcow keeps both."""
        written = self.site.sources.postfix_conf
        if written is not None:
            there = posixpath.join(posixpath.dirname(written), "master.cf")
        elif (folder := self._folder()) is not None:
            there = posixpath.join(folder, "data/conf/postfix/master.cf")
        else:
            return None
        file = self.read(there, ("sources",)) if is_a(self.path_of(there), stat.S_ISREG) else None
        return postfix.services(file.text, file.shown) if file else None

    def _mounts(self) -> Mounts | None:
        files = [self.single(written, ("sources", "mounts", at)) for at, written in enumerate(self.site.sources.mounts)]
        found = [(file.shown, file.text) for file in files if file]
        return mounts.read(found) if found else None

    def _keys(self) -> tuple[authorized_keys.Entry, ...]:
        written = self.site.sources.authorized_keys
        file = self.single(written, ("sources", "authorized_keys")) if written else None
        return authorized_keys.read(file.text, file.shown) if file else ()

    def _script(self, written: str, where: Where) -> Script | None:
        file = self.single(written, where, LARGEST_SCRIPT)
        if file is None:
            return None
        script = self.memo.once(("shell", file.path, written), file.stamp, lambda: shell.read(file.text, written))
        self.problems += script.problems
        return script
