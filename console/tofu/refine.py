"""Replaces values guessed from *.tf by those in OpenTofu's state.

A plain state file is read as it is. For any other, `tofu show -json` is run: that starts the folder's own providers, so
only where the operator trusts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.errors import InputError
from console.estate.cache import stamp
from console.hosts.programs import program
from console.text import clean

if TYPE_CHECKING:
    import asyncio

    from console.estate.load import Estate
    from console.sources.opentofu.files import Tofu
    from console.tofu.place import Place
    from console.tofu.show import Shown

LIMIT = 4.0
"""Seconds that a one-shot command waits for OpenTofu."""

AUTOMATION = "TF_IN_AUTOMATION=1"
"""A word that all commands of the tool have here."""

ENVIRONMENT = (
    "TF_", "TOFU_", "AWS_", "ARM_", "AZURE_", "GOOGLE_", "OS_", "PG", "CONSUL_", "KUBE", "ALIBABA_CLOUD_", "INCUS_",
)  # fmt: skip
"""Beginnings of the variables that OpenTofu and its state backends read."""


def refined(estate: Estate, network: bool = True) -> Estate:
    """Return the estate with values of OpenTofu's state, or as it was, with the reason in `remark`; waits `LIMIT`.

    Without `network`, states of remote backends are not read. Runs an event loop of its own."""
    from console.tofu.place import places

    found = places(estate, network)
    if not found:
        return estate
    import asyncio

    return apply(estate, asyncio.run(_ask(estate, found, LIMIT)))


def apply(estate: Estate, shown: Shown, kept: Tofu | None = None) -> Estate:
    """Return the estate refined by a state; `kept` is an earlier result of the same refining."""
    from console.tofu.state_values import refine
    from console.topology.build import build

    remark = f"OpenTofu: {shown.missing}; what is shown is what its files say" if shown.missing else ""
    if estate.sources.tofu is None or not shown.resources:
        return replace(estate, remark=remark)
    sources = replace(estate.sources, tofu=kept or refine(estate.sources.tofu, shown))
    return replace(estate, sources=sources, topology=build(sources), remark=remark)


def untold(estate: Estate) -> tuple[Place, ...]:
    """Return the places whose state only `tofu` can read."""
    from console.tofu.place import places

    if program("tofu") is None:
        return ()
    return tuple(place for place in places(estate) if place.file is None or _read(estate, place) is None)


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

        from console.tofu.place import places

        found, tofu = places(estate), estate.sources.tofu
        if not found or tofu is None:
            self._shown = None
            return estate
        version = (found, tuple(_version(estate, place) for place in found))
        if self._task is None and (tofu is not self._asked[0] or version != self._asked[1]):
            self._asked = tofu, version
            self._task = asyncio.create_task(self._listen(estate, found))
        if self._shown is None:
            return estate
        same = self._kept and self._kept[0] is tofu and self._kept[1] is self._shown
        refined = apply(estate, self._shown, self._kept[2].sources.tofu if same and self._kept else None)
        self._kept = tofu, self._shown, refined
        return refined

    def forget(self) -> None:
        """Ask again at the next call of `refine`, because a remote state does not announce its changes."""
        self._asked = None, None

    async def close(self) -> None:
        """Cancel a question under way."""
        import asyncio

        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _listen(self, estate: Estate, found: tuple[Place, ...]) -> None:
        from console.tofu.show import TIMEOUT

        try:
            shown = await _ask(estate, found, TIMEOUT)
        finally:
            self._task = None
        self._shown = shown
        self.heard()


async def _ask(estate: Estate, found: tuple[Place, ...], timeout: float) -> Shown:
    """Read the states of all places at the same time, and return them as one."""
    import asyncio

    from console.tofu.show import Shown

    each = await asyncio.gather(*(_state(estate, place, timeout) for place in found))
    return Shown(
        version=each[0].version,
        resources=tuple(resource for shown in each for resource in shown.resources),
        missing=clean("; ".join(dict.fromkeys(shown.missing for shown in each if shown.missing)), 200),
    )


async def _state(estate: Estate, place: Place, timeout: float) -> Shown:
    """Read the state of one place: by ourselves when it is a plain local file, else by a `tofu` that is trusted."""
    import asyncio

    from console.hosts.local import Local
    from console.tofu.show import Shown, show

    known = await asyncio.to_thread(_read, estate, place) if place.file is not None else None
    if known is not None:
        return known
    if program("tofu") is None:
        return Shown(missing="its state is encrypted, and only tofu reads it, which is not installed")
    if why := await asyncio.to_thread(_doubt, estate, place):
        return Shown(missing=f"not asked, for {why} (see cowhand trust)")
    return await show(Local("this machine", keep=ENVIRONMENT), str(place.folder), timeout=timeout)


def _read(estate: Estate, place: Place) -> Shown | None:
    """Return what a local state file says, or why it cannot be read; None when it is encrypted."""
    from console.estate import text_file
    from console.estate.boundary import Boundary
    from console.tofu import state
    from console.tofu.show import CAP, Shown

    assert place.file is not None
    boundary = Boundary(estate.file.absolute().parent, [place.folder])
    if not boundary.holds(place.file):
        return Shown(missing="its state is outside of this site and its repository: not read")
    try:
        text = text_file.read(place.file, place.file.name, CAP, lenient=True, within=boundary.holds)
        return state.parse(text.encode(errors="replace"))
    except FileNotFoundError:
        return Shown(missing="there is no state yet")
    except state.Encrypted:
        return None
    except InputError as error:
        return Shown(missing=error.problem)
    except OSError as error:
        return Shown(missing=f"its state {text_file.reason(error)}")


def _doubt(estate: Estate, place: Place) -> str:
    """Return why `tofu` may not run in this folder; "" when the operator said that it may."""
    from console.store import trust
    from console.tofu.use import use

    site = estate.file.absolute().parent
    return trust.doubt(site, lambda: use(place, site))


def _version(estate: Estate, place: Place) -> tuple[object, ...]:
    """Return what changes when a state may have: the stamps of its file, backend and workspace, and of the trust."""
    from console.store import trust

    kept = trust.record(estate.file.absolute().parent)
    files = (place.file, place.data / "terraform.tfstate", place.data / "environment", kept)
    return tuple(stamp(file) if file is not None else None for file in files)
