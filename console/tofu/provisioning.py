"""What a whole run of OpenTofu (init, plan, apply) executes in a folder, and the files that decide it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.errors import CowhandError, HostError, InputError
from console.estate import text_file
from console.hosts.host import Completed
from console.hosts.programs import program
from console.store import trust
from console.store.trust import Trust, TrustError, Use, shown, unseen
from console.tofu.place import Place, folders
from console.tofu.use import MOST, NAMES, files_below, other_files, written_by_changes

if TYPE_CHECKING:
    from console.estate.load import Estate

CONFIGURATION = (".tf", ".tofu", ".tf.json", ".tofu.json", ".tfvars", ".tfvars.json", ".hcl")

RUNNING = ("provisioner", "external", "encryption", "exec", "credential", "remote_state", "config_dir")
"""Words of a configuration with which any file of the repository may decide what runs.

Where a state is kept a kubeconfig or a configuration of AWS may say how to log in, and in Incus' folder its config.yml:
by a program."""

HARMLESS = ("incus", "lxd", "terraform", "random", "tls", "time", "null")
"""Providers that start no program, but by one of these words. What another one does with a file, nobody here knows."""

_ELSEWHERE = re.compile(r"""\bbackend\b(?!\s*"local"\s*\{)""")
"""A backend that is not a local file; also a word of a comment: that costs a yes more, and no less."""

_KNOWN = re.compile(
    r"""required_providers\s*+\{(?:\s|,|(?:\#|//)[^\n]*+\n|[\w-]++\s*+=\s*+(?:"[^"$%\\]*+"|\{(?:\s|,|(?:\#|//)[^\n]*+\n
    |version\s*+=\s*+"[^"$%\\]*+"|source\s*+=\s*+"(?:registry\.(?:terraform|opentofu)\.(?:io|org)/)?
    (?:lxc/incus|terraform-lxd/lxd|hashicorp/(?:random|tls|time|null))")*+\}))*+\}""",
    re.VERBOSE,
)
"""A list of providers which says of none that it is another than those: a name alone is anybody's to give."""

_BLOCK = re.compile(
    r"(?:^|\*/)(?:(?!\*/)[^\w\n])*+(?:resource|data|ephemeral|provider|action|list)\b([^\n]*)", re.MULTILINE
)
"""The head of a block that is a provider's, also behind a comment; no piece of a line is gone through twice."""

TRUST = "trust"
"""The name of the interface by which a flow keeps a trust."""


def use(place: Place, site: Path, tool: str) -> Use:
    """Return what init, plan and apply would run in this folder."""
    top = os.path.realpath(site)
    every = list(other_files(place))
    read = [path for path in every if path.name.endswith(CONFIGURATION)]
    naming = [path for path in read if _names_programs(path)]
    packages = _packages(place)
    deciding = [*(place.folder / name for name in NAMES), *packages, *(every if naming else read)]
    deciding += [path for path in every if "terraform.d" in path.parts]
    executes = [shown(str(path), top) for path in packages if os.access(path, os.X_OK)]
    executes = executes or [f"the providers and modules that the files of {shown(str(place.folder), top)} name"]
    executes += [f"programs that {shown(str(path), top)} may name" for path in naming]
    refused = f"{shown(str(place.folder), top)} has more than {MOST} files that decide what runs"
    full = len(deciding) > MOST or len(every) > MOST
    return Use(
        NAME[tool],
        (program(tool) or tool, *_verb(place)),
        "flow provision has it fetch providers (init), plan and apply",
        () if full else tuple(executes),
        files=() if full else tuple(dict.fromkeys(deciding)),
        refused=refused if full else unseen(executes),
    )


NAME = {"tofu": "OpenTofu (provision)", "terraform": "Terraform (provision)"}


def agreed(estate: Estate, site: Path, kept: Trust | None) -> tuple[Use, ...]:
    """Return the uses that the operator has agreed to in a flow, as they are now: they stay a part of the trust."""
    commands = {each.command for each in kept.uses} if kept is not None else set()
    return tuple(
        found
        for place in folders(estate)
        for tool in NAME
        if (program(tool) or tool, *_verb(place)) in commands
        for found in (use(place, site, tool),)
    )


def _verb(place: Place) -> tuple[str, str]:
    return f"-chdir={place.folder}", "apply"


def _packages(place: Place) -> list[Path]:
    """What `init` brings, and decides by: providers, modules, the settings of the backend."""
    found = [place.data / "terraform.tfstate"]
    return [*found, *(path for name in ("providers", "plugins", "modules") for path in files_below(place.data / name))]


def _names_programs(path: Path) -> bool:
    """Whether a file may name a program. JSON, and labels in quotes, may have escapes for any letter of a word."""
    try:
        text = text_file.read(path, path.name, lenient=True)
    except (OSError, InputError):
        return True
    if any(word in text for word in RUNNING) or "\\u" in text.lower() or path.name.endswith((".tf.json", ".tofu.json")):
        return True
    if _ELSEWHERE.search(text) or len(_KNOWN.findall(text)) != text.count("required_providers"):
        return True
    return path.name.endswith((".tf", ".tofu")) and any(_strange(match[1]) for match in _BLOCK.finditer(text))


def _strange(labels: str) -> bool:
    """Whether the rest of a block's first line is not that of a provider which is known to start nothing."""
    if "/*" in labels:
        return True
    found = re.match(r'\s*"?([A-Za-z0-9-]+)', labels)
    return "{" in labels and (found is None or found[1] not in HARMLESS)


def doubt(place: Place, site: Path, tool: str) -> str:
    """Return why it may not run there; "" when the operator said that it may."""
    return trust.doubt(site, lambda: use(place, site, tool))


class Keeper:
    """Keeps the operator's trust in a folder: see `runner.context.Api`. `keep` adds this one use to what is kept.

    `follow` takes in what `init` has brought, `wrote` the state that a change wrote, and nothing else: every other file
    must be as it was agreed to."""

    def __init__(self, place: Place, site: Path, tool: str) -> None:
        self.place, self.site, self.tool = place, site, tool

    async def call(self, method: str, path: str, body: str, timeout: float) -> Completed:
        """Keep it; raises `HostError` with the reason when that is not possible."""
        try:
            found = use(self.place, self.site, self.tool)
            kept = trust.find(self.site)
            ours = {"follow": self._brought, "wrote": self._written}.get(method)
            if ours is not None and (why := self._strange(kept, found, ours)):
                raise TrustError(why)
            sealed = trust.seal(self.site, [found])
            others = tuple(each for each in kept.uses if each.command != found.command) if kept else ()
            trust.keep(replace(sealed, uses=(*others, *sealed.uses)))
        except CowhandError as error:
            raise HostError(str(error)) from None
        return Completed(0, b"", b"")

    def brought(self) -> bool:
        """Whether what `init` writes is all that has changed since the operator's yes."""
        try:
            return not self._strange(trust.find(self.site), use(self.place, self.site, self.tool), self._brought)
        except CowhandError:
            return False

    def writes(self) -> bool:
        """Whether a change writes what is a part of the trust: a state that is in git."""
        return any(self._written(str(path)) for path in use(self.place, self.site, self.tool).files)

    def _strange(self, kept: Trust | None, found: Use, ours: Callable[[str], bool]) -> str:
        """Why this is not the folder that was agreed to, but for what is `ours` there; "" when it is."""
        before = next((each for each in kept.uses if each.command == found.command), None) if kept else None
        if kept is None or before is None:
            return trust.NOT_TRUSTED
        known = tuple(each for each in before.files if not ours(each.path))
        new = {str(path) for path in found.files if not ours(str(path))} - {each.path for each in known}
        if new:
            return f"{shown(min(new), os.path.realpath(self.site))} is new since this folder was trusted"
        return found.refused or trust.changes(kept, replace(before, files=known))

    def _written(self, path: str) -> bool:
        """Whether a change writes it."""
        return path in written_by_changes(self.place)

    def _brought(self, path: str) -> bool:
        """Whether `init` writes it."""
        return path == str(self.place.folder / ".terraform.lock.hcl") or path.startswith(f"{self.place.data}/")
