"""The engine: sweeps and sends events in a thread of its own, which a stalled terminal cannot stop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.engine.estate_told import same, told
from console.engine.way_in import coming
from console.errors import CowhandError, InputError, Report, in_words, unreported
from console.events import Asked, EngineFailed, EstateRead, Event, SweepOverdue
from console.model import HopName, Kept, Role, Topology

if TYPE_CHECKING:
    from console.engine.overview import FlowSeen
    from console.engine.shells import ShellWay
    from console.engine.stage import Stage
    from console.engine.sweeps import Sweeps
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.observation import Drifted
    from console.questions import Asker, Question
    from console.runner.context import Surroundings
    from console.runner.state import RunStatus
    from console.tofu.refine import Refiner

INTERVAL = 30.0
"""Seconds between two sweeps, by default."""

FLOOR = 2.0
"""Shortest interval in seconds: a shorter one would load the machines that are watched."""

SOON, OPENING = 0.5, 3.0
"""Seconds until the first sweep begins, and that it waits then for a host: a question delays only its own host."""

CEILING = 300.0
"""Longest interval after backing off, in seconds."""


class Engine:
    """Reads the estate with `load` and sweeps it from `open_vantages`, every `interval` seconds while it is watched.

    `opening` is the estate that the screens show already; `on_read` is called with each estate that differs from it.
    With no opening, `first` gives what can be shown before the whole estate is read. `started` is called after a sweep.
    With a `refiner`, the estate is sent again when OpenTofu has given the values that its files leave open.
    Every method may be called from any thread; `close` blocks for its time limit, `run_shell` while it is used."""

    def __init__(
        self,
        load: Callable[[], Estate],
        open_vantages: Callable[[Estate, deque[str], Asker], Vantages],
        interval: float = INTERVAL,
        opening: EstateRead | None = None,
        on_read: Callable[[EstateRead], None] = lambda read: None,
        refiner: Refiner | None = None,
        report: Report = unreported,
        first: Callable[[], EstateRead | None] = lambda: None,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        self.load, self.first, self.open_vantages = load, first, open_vantages
        self.interval = max(FLOOR, interval)
        self.log: deque[str] = deque(maxlen=400)
        self.closed = threading.Event()
        self.failure: str | None = None
        self._told, self._on_read, self._refiner = opening, on_read, refiner
        self._report, self._started = report, started
        self._notify: Callable[[Event], None] = lambda event: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._questions: dict[str, tuple[Question, asyncio.Future[str | None]]] = {}
        self._stage: Stage | None = None
        self._sweeps: Sweeps | None = None
        self._opened: tuple[Estate, Vantages] | None = None
        self._early: list[Callable[[Stage, Estate, Vantages], None]] = []
        self._acting: asyncio.Task[None] | None = None
        self._again: asyncio.Task[Estate] | None = None
        self._reading = asyncio.Lock()
        self._watched, self._closing = True, False
        self._force = False

    def start(self, notify: Callable[[Event], None]) -> None:
        """Start the thread; `notify` is called from it."""
        self._notify = notify
        threading.Thread(target=self._run, name="engine", daemon=True).start()

    def sweep(self) -> None:
        """Sweep now, and send every reading with new evidence."""
        self._force = True
        self._poke()

    def watch(self, on: bool) -> None:
        """Turn sweeping on or off: the screens turn it off while nobody can see them."""
        self._watched = on
        self._poke()

    def recent(self) -> tuple[str, ...]:
        """Return the command log, oldest line first."""
        return tuple(self.log)

    def latencies(self, lane: str, hop: HopName) -> tuple[float, ...]:
        """Return the milliseconds that the last sweeps measured of a hop, oldest first; () where none was."""
        sweeps = self._sweeps
        return tuple(sweeps.latencies.get((lane, hop), ())) if sweeps is not None else ()

    async def ask(self, question: Question) -> str | None:
        """Send a question to the screens and wait for `answer`; hosts call this on the engine's loop."""
        waiting: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._questions[question.id] = (question, waiting)
        self._notify(Asked(tuple(asked for asked, _ in self._questions.values())))
        try:
            return await waiting
        finally:
            self._questions.pop(question.id, None)
            self._notify(Asked(tuple(asked for asked, _ in self._questions.values())))

    def answer(self, id: str, text: str | None) -> None:
        """Answer the question with this id (None: dismissed). An id that is no longer open is ignored."""

        def settle() -> None:
            _, waiting = self._questions.get(id, (None, None))
            if waiting is not None and not waiting.done():
                waiting.set_result(text)

        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(settle)

    def shells(self) -> tuple[ShellWay, ...]:
        """Return where a shell can be opened; none before the site is read."""
        if self._opened is None:
            return ()
        from console.engine.shells import of

        return of(*self._opened)

    def run_shell(self, way: ShellWay) -> str:
        """Open a shell on this terminal, note it in the command log, and return how it ended; the caller waits."""
        from console.engine.shells import run

        self.log.append(f"{time.strftime('%H:%M:%S')}  {way.name}  shell: {way.line}")
        return run(way)

    def start_flow(
        self, name: str, answers: Mapping[str, str] | None = None, dry: bool = False, undoing: str = ""
    ) -> None:
        """Start a run of a flow, unless one is under way; a `dry` run plans every step and changes nothing.

        `undoing` names an earlier run of the flow that is to be undone. Events report the progress."""
        given = dict(answers or {})
        self._on_stage(lambda stage, estate, vantages: stage.begin(estate, vantages, name, given, dry, undoing))

    def answer_flow(self, id: str, text: str | None) -> None:
        """Answer the prompt of a run with this id (None: dismissed). An id that is no longer open is ignored."""
        self._at_once(lambda stage: stage.answer(id, text))

    def stop_flow(self, cut: bool = False) -> None:
        """Stop the run after the action under way; `cut` stops that action too."""
        self._at_once(lambda stage: stage.stop(cut))

    def flow(self) -> RunStatus | None:
        """Return the status of the run under way or of the last one; None when there was none."""
        return self._stage.state if self._stage is not None else None

    def look_flows(self, name: str | None = None) -> None:
        """Check the steps of all flows, or of one; `FlowsChecked` follows. During a run nothing is checked."""
        self._on_stage(lambda stage, estate, vantages: stage.look(estate, vantages, name))

    def look_runs(self) -> None:
        """Read the runs of the site from its journal; `RunsRead` follows."""
        self._on_stage(lambda stage, estate, vantages: stage.read_runs(estate, vantages))

    def look_certificates(self) -> None:
        """Look at every place of a certificate; `CertificateSurvey` follows."""
        self._on_stage(lambda stage, estate, vantages: stage.look_certificates(estate, vantages))

    def flows(self) -> tuple[FlowSeen, ...]:
        """Return the flows with what is known of them."""
        return self._stage.overview.seen if self._stage is not None else ()

    def flow_names(self) -> tuple[str, ...]:
        """Return the names of the flows."""
        from console.flows import registry

        return registry.names()

    def close(self, timeout: float = 0.5) -> bool:
        """Stop everything and disconnect; returns whether that was done in time. May be called twice."""
        self._closing = True
        loop, task = self._loop, self._task
        if loop is None or task is None:
            return True
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(task.cancel)
        return self.closed.wait(timeout)

    def _poke(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self.failure = in_words(error)
            self._notify(EngineFailed(self.failure))
        finally:
            self.closed.set()

    async def _main(self) -> None:
        self._wake = asyncio.Event()
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._closing:
            return
        if self._refiner is not None:
            self._refiner.heard = self._read_again
        if self._told is None and (early := self.first()) is not None:
            self._tell_estate(early, False)
        estate = await self._first_estate()
        vantages = self.open_vantages(estate, self.log, self.ask)
        self._opened = estate, vantages
        opening = vantages.opening()
        late = asyncio.create_task(self._late(opening))
        try:
            self._catch_up()
            await self._look(estate, vantages, await coming(opening, SOON, OPENING))
        finally:
            if self._stage is not None:
                await self._stage.close()
            if self._sweeps is not None and self._sweeps.keeping is not None:
                self._sweeps.keeping.close()
            for task in (late, *opening.values(), self._acting, self._again):
                if task is not None:
                    task.cancel()
            if self._refiner is not None:
                await self._refiner.close()
            await vantages.close()

    def _on_stage(self, act: Callable[[Stage, Estate, Vantages], None]) -> None:
        """Call `act` on the engine's loop with the estate as its files are now, once the vantages are open."""
        self._early.append(act)
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._catch_up)

    def _at_once(self, act: Callable[[Stage], None]) -> None:
        """Call `act` on the run under way without reading files, and again after runs that are still to be started."""

        def now() -> None:
            if self._stage is not None:
                act(self._stage)
            if self._early:
                self._early.append(lambda stage, estate, vantages: act(stage))

        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(now)

    def _catch_up(self) -> None:
        if self._opened is None or self._closing or not self._early:
            return
        if self._acting is None or self._acting.done():
            self._acting = asyncio.create_task(self._act(*self._opened))

    async def _act(self, estate: Estate, vantages: Vantages) -> None:
        from console.engine.stage import Stage

        if self._stage is None:
            self._stage = Stage(self._notify, self._renew)
        while self._early:
            fresh = await self._read_aside(estate)
            self._early.pop(0)(self._stage, fresh, vantages)

    async def _renew(self) -> Surroundings:
        """Return the estate and its hosts as the files are now, for a flow that has changed the site."""
        from console.runner.context import Surroundings

        assert self._opened is not None
        estate, vantages = self._opened
        fresh = await self._read_aside(estate)
        await vantages.renew(fresh.site)
        self._opened = fresh, vantages
        self._wake.set()
        return Surroundings(fresh, vantages.named, vantages.reasons)

    async def _late(self, opening: Mapping[Role, asyncio.Task[bool]]) -> None:
        """Wait for the hosts, however long the operator takes to answer; a late connection starts a sweep."""
        began = time.monotonic()
        await asyncio.gather(*opening.values())
        if time.monotonic() - began > OPENING:
            self._wake.set()

    async def _look(self, estate: Estate, vantages: Vantages, late: Mapping[Role, asyncio.Future[bool]]) -> None:
        from console.engine.keeping import Keeping
        from console.engine.sweeps import Sweeps, blind
        from console.engine.vantages import trusting

        async def compare() -> tuple[Drifted, ...]:
            from console.drift.compared import drifted
            from console.drift.look import look

            return drifted(await look(estate, vantages.hosts, vantages.missing))

        async def keep() -> Kept:
            from console.engine.certificate_survey import kept

            return await kept(estate, vantages.hosts)

        trust, keeping = trusting(estate, vantages), Keeping(keep, self._report)
        self._sweeps = sweeps = Sweeps(
            estate.topology, vantages.hosts, vantages.missing, self._notify, compare, self._report, trust, keeping
        )
        pause, lost = self.interval, 0.0
        while True:
            while not self._watched:
                await self._pause(None)
            force, self._force = self._force, False
            if force:
                vantages.forget()
                if self._refiner is not None:
                    self._refiner.forget()
            fresh = await self._read_aside(estate)
            if fresh is not estate:
                estate = fresh
                sweeps.renew(estate.topology)
            seen = await sweeps.sweep(force, late)
            self._started()
            why = blind(seen)
            if why and not lost:
                lost = seen.at
                self._notify(SweepOverdue(lost, why))
            elif lost and not why:
                lost = 0.0
                self._notify(SweepOverdue(0.0, ""))
            # What one sweep left undecided is asked again soon: it may have seen the half of a change.
            pause = min(CEILING, pause * 2) if why else FLOOR if sweeps.surprised else self.interval
            await self._pause(max(FLOOR, pause - (time.time() - seen.at)))

    async def _pause(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _first_estate(self) -> Estate:
        """Read the estate; while its site file cannot be used, say why, and read it again until it can."""
        while True:
            try:
                return self._read()
            except CowhandError as error:
                self._tell_unusable(error)
            await self._pause(FLOOR)

    def _tell_unusable(self, error: CowhandError) -> None:
        """Say that the site file cannot be used; what was read of it before stays."""
        problem = error if isinstance(error, InputError) else InputError("site.toml", 0, 0, str(error))
        before = self._told or EstateRead("", Topology(), (), (), {})
        if problem not in before.problems:
            self._tell_estate(replace(before, problems=(problem, *before.problems), partial=False), False)

    def _read(self) -> Estate:
        guessed = self.load()
        estate = self._refiner.refine(guessed) if self._refiner is not None else guessed
        self._tell_estate(told(estate), estate is guessed)
        return estate

    async def _read_aside(self, known: Estate) -> Estate:
        """Read the files again, in a thread: a large file that has just changed delays no answer and no stop."""
        async with self._reading:
            try:
                guessed = await asyncio.to_thread(self.load)
            except CowhandError as error:
                self._tell_unusable(error)
                return known
            estate = self._refiner.refine(guessed) if self._refiner is not None else guessed
            mended = self._told is not None and self._told.problems != estate.problems
            if not mended and await asyncio.to_thread(same, known, estate):
                return known
            self._tell_estate(await asyncio.to_thread(told, estate), estate is guessed)
            return estate

    def _tell_estate(self, read: EstateRead, guessed: bool) -> None:
        if read != self._told:
            self._told = read
            self._notify(read)
            if guessed:
                self._on_read(read)

    def _read_again(self) -> None:
        if self._opened is not None and not self._closing:
            self._again = asyncio.create_task(self._read_aside(self._opened[0]))
