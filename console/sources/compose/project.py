"""Compose files put together: what they include and extend comes first."""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator

from console.errors import InputError
from console.model import Span
from console.sources.compose.further import Further, Texts, Variables, path_of
from console.sources.compose.nodes import is_kind, null, parse
from console.sources.compose.tree import Convert, Item, Merge, by_name
from console.text import clean

DEEPEST = 8
"""Files that include or extend files."""

MOST_PROBLEMS = 100
"""Those that say that a limit is reached are kept beyond it."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TOP = _words("version name services networks volumes configs secrets include models")
_SERVICE = _words("""
    annotations attach build blkio_config cap_add cap_drop cgroup cgroup_parent command configs container_name
    cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec
    depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file
    environment expose extends external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation
    label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit models
    network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start pre_stop privileged
    profiles provider pull_policy read_only restart runtime scale secrets security_opt shm_size stdin_open
    stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes
    volumes_from working_dir
""")
"""What the compose specification has at the top of a file, and below a service."""

Given = tuple[str, tuple[str | None, Span]]
"""A variable that a service is given: name, value, place."""


Inclusion = tuple[tuple[str, ...], int]
"""The paths of an entry of include, and the identity of its variables."""


class Project:
    """Puts files together; `problems` has what is wrong with them."""

    def __init__(self, texts: Texts | None) -> None:
        self.problems: list[InputError] = []
        self.further = Further(texts, self.complain, self.problems.append)
        self.merging = Merge(self.complain)
        self.extending: list[tuple[str, str]] = []
        self.included: dict[Inclusion, dict[str, Item]] = {}
        self.including: list[Inclusion] = []

    def complain(self, problem: InputError) -> None:
        """Keep a problem, once."""
        if len(self.problems) < MOST_PROBLEMS and problem not in self.problems:
            self.problems.append(problem)

    def _say(self, item: Item, problem: str) -> None:
        self.complain(InputError(item.span.file, item.span.line, item.span.column, problem))

    def _tree(self, text: str, file: str, variables: Variables) -> Item | None:
        """Return the tree of a file; None when there is none, and that was said."""
        try:
            root = parse(text.removeprefix("\ufeff"), file)
            if root is None or null(root):
                return None
            if not is_kind(root, "mapping"):
                mark = root.start_mark
                raise InputError(file, mark.line + 1, mark.column + 1, "a compose file begins with services:")
            return Convert(file, variables, self.complain).item(root)
        except RecursionError:
            self.complain(InputError(file, 1, 1, "this is not a compose file: brackets too deep inside each other"))
        except InputError as error:
            self.complain(error)
        return None

    def put(self, services: dict[str, Item], text: str, file: str, variables: Variables) -> None:
        """Put the services of one file over those that are there."""
        root = self._tree(text, file, variables)
        if root is not None:
            self._place(services, root, file, variables, 0)

    def _place(self, services: dict[str, Item], root: Item, file: str, variables: Variables, depth: int) -> None:
        if (included := root.get("include")) and self.further.any:
            self._include(services, included, file, variables, depth)
        found = root.get("services")
        self._unknown(root, _TOP, "at the top of a file")
        if found is not None and found.kind != "mapping":
            said = (
                "services: has names with settings below it, and nothing else; is the next line indented with blanks?"
            )
            self._say_key(root, "services", said)
        for name, service in found.pairs.items() if found else ():
            if service.tag == "!reset":
                services.pop(name, None)
            elif service.kind == "mapping":
                self._misspelt(service)
                whole = self._extended(name, service, root, file, variables)
                services[name] = self.merging.over(services.get(name), whole, ("services", name))

    def _unknown(self, root: Item, known: frozenset[str], where: str) -> None:
        """Complain of keys with which compose reads nothing at all; those that begin with x- are anybody's."""
        for key in root.pairs:
            if key not in known and not key.startswith("x-"):
                near = difflib.get_close_matches(key[:40], known, 1, 0.7)
                meant = f'"{near[0]}" is meant?' if near else "correct it, or let it begin with x-"
                self._say_key(root, key, f'docker compose knows no "{clean(key, 40)}" {where}: {meant}')

    def _misspelt(self, service: Item) -> None:
        """Complain of a service's keys that are near to one that compose knows; what is new in compose is let be."""
        for key in service.pairs:
            if key not in _SERVICE and not key.startswith("x-"):
                near = difflib.get_close_matches(key[:40], _SERVICE, 1, 0.8)
                if near:
                    said = f'docker compose knows no "{clean(key, 40)}" of a service: "{near[0]}" is meant?'
                    self._say_key(service, key, said)

    def _say_key(self, item: Item, key: str, problem: str) -> None:
        place = item.keys.get(key, item.span)
        self.complain(InputError(place.file, place.line, place.column, problem))

    # ── include and extends ─────────────────────────────────────────────────────────────────────────────────────────

    def _include(self, services: dict[str, Item], included: Item, file: str, variables: Variables, depth: int) -> None:
        for entry in included.items:
            if depth >= DEEPEST:
                self._say(entry, f"more than {DEEPEST} files that include each other")
                return
            if not self.further.use(entry):
                return
            within = self._within(entry, file, variables, depth)
            if not self.further.use(entry, len(within)):
                return
            for name, service in within.items():
                if name in services:
                    self._say(entry, f'the service "{clean(name, 60)}" of this file is there already')
                services.setdefault(name, service)

    def _within(self, entry: Item, file: str, variables: Variables, depth: int) -> dict[str, Item]:
        """Return the services of one entry of include, worked out once for the same files and variables."""
        paths = entry.get("path") if entry.kind == "mapping" else entry
        names = [each for each in (paths.items or (paths,) if paths else ()) if each.text]
        folder = posixpath.join(posixpath.dirname(file), posixpath.dirname(names[0].text)) if names else ""
        inner = self._variables(entry, file, folder, variables)
        known = (tuple(path_of(each.text, file) for each in names), id(inner))
        if known in self.including:
            self._say(entry, "a file that includes itself")
            return {}
        if known not in self.included:
            within: dict[str, Item] = {}
            self.including.append(known)
            for each in names:
                path = self.further.named(each, each.text, file)
                if path and (root := self.further.tree(each, path, inner, self._tree)):
                    self._place(within, root, path, inner, depth + 1)
            self.included[self.including.pop()] = within
        return self.included[known]

    def _variables(self, entry: Item, file: str, folder: str, variables: Variables) -> Variables:
        """Return the variables of an included file: those around it, then of its own env_file or .env."""
        named = entry.get("env_file")
        if named is None:
            own = posixpath.normpath(posixpath.join(folder, ".env"))
            there = self.further.text(own) is not None
            return self.further.join(own, self.further.env(entry, own), variables, over=False) if there else variables
        found = variables
        # The last one counts, and those around it count more than all of them.
        for each in reversed(named.items or (named,)):
            if each.text and (path := self.further.named(each, each.text, file)):
                found = self.further.join(path, self.further.env(each, path), found, over=False)
        return found

    def _extended(self, name: str, service: Item, root: Item, file: str, variables: Variables) -> Item:
        """Return a service put over the one it extends."""
        extends = service.get("extends")
        if extends is None:
            return service
        wanted = extends.get("service") if extends.kind == "mapping" else extends
        other = extends.get("file")
        if wanted is None or (file, name) in self.extending or len(self.extending) >= DEEPEST:
            self._say(extends, "a service that extends itself" if wanted else "extends: needs a service:")
            return service
        self.extending.append((file, name))
        try:
            base_root, base_file = root, file
            if other is not None:
                path = self.further.named(other, other.text, file)
                tree = self.further.tree(other, path, variables, self._tree) if path else None
                if path is None or tree is None:
                    return service
                base_root, base_file = tree, path
            base = base_root.get("services", wanted.text)
            if base is None or base.kind != "mapping":
                self._say(extends, f'there is no service "{clean(wanted.text, 60)}" to extend')
                return service
            base = self._extended(wanted.text, base, base_root, base_file, variables)
            return self.merging.over(self.merging.clean(base, ("services", name)), service, ("services", name))
        finally:
            self.extending.pop()

    # ── environment ─────────────────────────────────────────────────────────────────────────────────────────────────

    def environment(self, service: Item, variables: Variables) -> Iterator[Given]:
        """Yield what a service is given: by its env files, then by its own environment."""
        files = service.get("env_file")
        known = variables
        for each in (files.items or (files,)) if files and self.further.any else ():
            path = each.get("path") if each.kind == "mapping" else each
            required = each.get("required")
            if path is None or not path.text:
                continue
            optional = required is not None and required.text == "false"
            if optional and self.further.text(path_of(path.text, path.span.file)) is None:
                continue
            if where := self.further.named(path, path.text, path.span.file):
                found = self.further.env(path, where, known)
                if not self.further.give(path, len(found.values)):
                    return
                known = self.further.join(where, found, known, over=True)
                for name, value in found.values.items():
                    yield name, (value, found.spans[name])
        yield from self._own(service, variables)

    def _own(self, service: Item, variables: Variables) -> Iterator[Given]:
        written = service.get("environment")
        own = by_name(written) if written else None
        if own is None or not self.further.give(own, len(own.pairs)):
            return
        for name, item in own.pairs.items():
            absent = item.null or item.kind != "scalar"
            yield name, (variables.get(name) if absent else item.text, own.keys.get(name, item.span))
