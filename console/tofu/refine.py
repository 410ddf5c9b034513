"""Replaces values guessed from *.tf by those in OpenTofu's state.

Only `tofu show -json` is run, and only where OpenTofu is installed and the folder initialised."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from console.estate.cache import stamp
from console.hosts.programs import program
from console.text import clean

if TYPE_CHECKING:
    import asyncio

    from console.estate.load import Estate
    from console.sources.opentofu.files import Tofu
    from console.tofu.show import Shown

LIMIT = 4.0
"""Seconds that a one-shot command waits for OpenTofu."""

ENVIRONMENT = (
    "TF_", "TOFU_", "AWS_", "ARM_", "AZURE_", "GOOGLE_", "OS_", "PG", "CONSUL_", "KUBE", "ALIBABA_CLOUD_", "INCUS_",
)  # fmt: skip
"""Beginnings of the variables that OpenTofu and its state backends read."""

MOST = 4
"""Most folders whose state is read."""


def refined(estate: Estate, network: bool = True) -> Estate:
    """Return the estate with values of OpenTofu's state, or as it was, with the reason in `remark`; waits `LIMIT`.

    Without an initialised folder it is the same estate. Without `network`, states of remote backends are not read.
    Runs an event loop of its own."""
    folders = tuple(folder for folder in initialised(estate) if network or not _elsewhere(folder))
    if not folders:
        return estate
    import asyncio

    return apply(estate, asyncio.run(_ask(folders, LIMIT)))


def initialised(estate: Estate) -> tuple[Path, ...]:
    """Return the estate's folders of *.tf that are initialised; none when `tofu` is not on PATH."""
    tofu = estate.sources.tofu
    if tofu is None or program("tofu") is None:
        return ()
    folders = []
    for shown in dict.fromkeys(posixpath.dirname(block.span.file) for block in tofu.blocks):
        written = Path(shown)
        with suppress(RuntimeError):
            written = written.expanduser()
        folder = (estate.file.parent / written).absolute()
        if _data(folder).is_dir():
            folders.append(folder)
    return tuple(folders[:MOST])


def apply(estate: Estate, shown: Shown, kept: Tofu | None = None) -> Estate:
    """Return the estate refined by a state; `kept` is an earlier result of the same refining."""
    from console.tofu import show as tofu
    from console.topology.build import build

    remark = f"OpenTofu: {shown.missing}; what is shown is what its files say" if shown.missing else ""
    if estate.sources.tofu is None or not shown.resources:
        return replace(estate, remark=remark)
    sources = replace(estate.sources, tofu=kept or tofu.refine(estate.sources.tofu, shown))
    return replace(estate, sources=sources, topology=build(sources), remark=remark)


class _Backend(Struct):
    type: str = ""


class _Initialised(Struct):
    backend: _Backend | None = None


class Refiner:
    """Asks OpenTofu in the background, and again when its files or state change or the operator asks for it."""

    def __init__(self) -> None:
        self.heard: Callable[[], None] = lambda: None
        """Called when a state was read."""
        self._task: asyncio.Task[None] | None = None
        self._asked: tuple[Tofu | None, object] = (None, None)
        self._shown: Shown | None = None
        self._kept: tuple[Tofu, Shown, Estate] | None = None

    def refine(self, estate: Estate) -> Estate:
        """Return the estate refined by the last state read; the same estate when there is none yet."""
        import asyncio

        folders, tofu = initialised(estate), estate.sources.tofu
        if not folders or tofu is None:
            self._shown = None
            return estate
        version = (folders, tuple(_version(folder) for folder in folders))
        if self._task is None and (tofu is not self._asked[0] or version != self._asked[1]):
            self._asked = tofu, version
            self._task = asyncio.create_task(self._listen(folders))
        if self._shown is None:
            return estate
        same = self._kept and self._kept[0] is tofu and self._kept[1] is self._shown
        found = apply(estate, self._shown, self._kept[2].sources.tofu if same and self._kept else None)
        self._kept = tofu, self._shown, found
        return found

    def forget(self) -> None:
        """Ask again at the next call of `refine`, because a remote state does not announce its changes."""
        self._asked = None, None

    async def close(self) -> None:
        """Cancel a question under way."""
        import asyncio

        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _listen(self, folders: tuple[Path, ...]) -> None:
        from console.tofu.show import TIMEOUT

        try:
            shown = await _ask(folders, TIMEOUT)
        finally:
            self._task = None
        self._shown = shown
        self.heard()


async def _ask(folders: tuple[Path, ...], timeout: float) -> Shown:
    """Read the states of all folders at the same time, and return them as one."""
    import asyncio

    from console.hosts.local import Local
    from console.tofu import show as tofu

    here = Local("this machine", keep=ENVIRONMENT)
    each = await asyncio.gather(*(tofu.show(here, str(folder), timeout=timeout) for folder in folders))
    return tofu.Shown(
        version=each[0].version,
        resources=tuple(resource for shown in each for resource in shown.resources),
        missing=clean("; ".join(dict.fromkeys(shown.missing for shown in each if shown.missing)), 200),
    )


def _data(folder: Path) -> Path:
    return folder / (os.environ.get("TF_DATA_DIR") or ".terraform")


def _elsewhere(folder: Path) -> bool:
    """Return whether the state is kept by a remote backend, from what `tofu init` wrote."""
    try:
        told = msgspec.json.decode((_data(folder) / "terraform.tfstate").read_bytes(), type=_Initialised)
    except FileNotFoundError:
        return False
    except (OSError, msgspec.DecodeError):
        return True
    return told.backend is not None and told.backend.type != "local"


def _version(folder: Path) -> tuple[object, ...]:
    """Return what changes when a folder's state may have: the stamps of its files, backend and workspace."""
    data = _data(folder)
    states = sorted(folder.glob("terraform.tfstate.d/*/terraform.tfstate"))
    return tuple(
        stamp(file)
        for file in (folder / "terraform.tfstate", *states, data / "terraform.tfstate", data / "environment")
    )
