"""The events that the engine sends: frozen values, safe to pass to another thread."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from console.errors import InputError
from console.model import CertificatePlace, Finding, Reading, Tlsa, Topology, Verdict
from console.questions import Question


class EstateRead(Struct, frozen=True):
    """The sources were read (again). `problems` are the files, or parts of them, that cannot be used."""

    title: str
    topology: Topology
    findings: tuple[Finding, ...]
    problems: tuple[InputError, ...]
    texts: dict[str, str]
    """File name → text, for the screen of sources."""
    remark: str = ""
    """A remark on how the sources were read that is not a problem."""
    warnings: tuple[InputError, ...] = ()
    """Words in the sources that are probably wrong."""
    missing: str = ""
    """What the site file lacks before hosts and names can be asked, as TOML that is ready to be copied."""
    partial: bool = False
    """Only the lanes are known yet, from HAProxy's files and the site file; the other files are still being read."""


class ReadingsChanged(Struct, frozen=True):
    """Readings that differ from the last known ones."""

    readings: tuple[Reading, ...]


class FindingsChanged(Struct, frozen=True):
    """The observed findings, the verdict and the one sentence that names a shared cause ("" when all is well)."""

    findings: tuple[Finding, ...]
    verdict: Verdict
    cause: str
    cause_id: str | None
    since: float


class Awaited(Struct, frozen=True):
    """Whose answer the sweep under way still waits for, in one sentence; "" when nobody's, or when it has ended."""

    words: str = ""


class DisksSeen(Struct, frozen=True):
    """The mail host's file systems: where each is mounted, and how full it is, in percent."""

    disks: tuple[tuple[str, int], ...]


class GuestSeen(Struct, frozen=True):
    """How Incus has the mail host: `status` is its word; both "" when the last sweep did not ask, or it was mute."""

    name: str = ""
    status: str = ""


class CertificateSurvey(Struct, frozen=True):
    """Every place of a certificate, as of `at` (Unix time). `unseen` says what could not be looked at, a line each.

    `renewal` is when certbot tries next (Unix time), None when that was not told."""

    at: float
    places: tuple[CertificatePlace, ...] = ()
    findings: tuple[Finding, ...] = ()
    unseen: tuple[str, ...] = ()
    renewal: float | None = None
    name: str = ""
    """The name that a certificate has to cover; "" when that is not known."""
    tlsa: tuple[Tlsa, ...] = ()
    """The TLSA records of port 25, a set for each public name that was asked about."""
    unjudged: str = ""
    """Why nothing says whether clients trust what is served; "" where that was asked."""


class SweepOverdue(Struct, frozen=True):
    """No sweep has ended since `since` (Unix seconds); `why` says what is known. Sent once, and again when it ends."""

    since: float
    why: str


class Asked(Struct, frozen=True):
    """The questions that wait for the operator, oldest first; sent whenever one is added or removed."""

    questions: tuple[Question, ...]


class EngineFailed(Struct, frozen=True):
    """The engine stopped; `summary` names the exception and the place, never a value."""

    summary: str


# ── flows ───────────────────────────────────────────────────────────────────────────────────────────────────────────

StepState = Literal[
    "waiting", "checking", "so", "skipped", "planned", "applying", "verifying", "done", "left", "later", "refused",
    "failed", "undone", "stopped",
]  # fmt: skip
"""How a step stands. `so`: it was so already; `left`: the operator left it out; `later`: cannot be told yet; `refused`:
it must not be done; `stopped`: cut off or ended by the operator."""

RunOutcome = Literal["done", "planned", "failed", "refused", "unanswered", "stopped", "incomplete"]
"""How a run ended. `planned`: a dry run; `incomplete`: steps were left out."""


class Prompt(Struct, frozen=True, omit_defaults=True):
    """Something a running flow waits for. `choices` are value → words; with none, text is typed.

    `answer`: a step's question, `key` as in --answer. `confirm`: "yes", "all" (yes to all that follow), "skip", "stop".
    `destroy`: `typed` must be typed exactly. `failed`: "retry", "undo" where it can be, "stop"."""

    id: str
    kind: Literal["answer", "confirm", "destroy", "failed"]
    step: int
    text: str
    key: str = ""
    choices: dict[str, str] = {}
    default: str | None = None
    typed: str | None = None
    secret: bool = False
    wants: str = ""
    """What kind of answer is wanted: see `runner.plan.QuestionKind`."""
    wrong: str = ""
    """Why the answer before could not be used; "" when this is asked for the first time."""
    last: str | None = None
    """What was answered in the run before."""
    part: tuple[int, int] = (1, 1)
    """Which of how many questions this is that are asked together."""


class ActionShown(Struct, frozen=True, omit_defaults=True):
    """One change as it is shown: on which host (the operator's word), the exact command or the write, and its diff.

    `text` is one line; `script` are the lines of a command that has several, which can be pasted as they are."""

    kind: Literal["run", "write", "copy", "call", "wait"]
    host: str
    text: str
    diff: str = ""
    script: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The text as it is best read."""
        return self.script or (self.text,)


class PlanShown(Struct, frozen=True, omit_defaults=True):
    """A step's plan as it is shown: redacted and free of control characters, but for the lines of a diff.

    `loses` are (name to type, what is lost); `rollbacks` say what each host takes back by itself, and when."""

    actions: tuple[ActionShown, ...] = ()
    notes: tuple[str, ...] = ()
    loses: tuple[tuple[str, str], ...] = ()
    undo: str = ""
    rollbacks: tuple[str, ...] = ()
    later: str = ""


class FlowBegan(Struct, frozen=True, tag_field="event", tag="flow-began"):
    """A run of a flow began; `steps` are (name, words). A `dry` run changes nothing. Times are Unix seconds."""

    run: str
    flow: str
    words: str
    steps: tuple[tuple[str, str], ...]
    dry: bool
    at: float
    paths: tuple[tuple[str, ...], ...] = ()
    """For each step the flows that it is in, the outermost first."""


class StepsListed(Struct, frozen=True, tag_field="event", tag="steps"):
    """The steps that are known now, as in `FlowBegan`; a step with the name and flows of an earlier one is the same."""

    run: str
    steps: tuple[tuple[str, str], ...]
    paths: tuple[tuple[str, ...], ...]
    at: float


class StepChanged(Struct, frozen=True, tag_field="event", tag="step"):
    """A step stands differently; `words` say why, `evidence` are lines that prove it."""

    run: str
    step: int
    state: StepState
    words: str
    evidence: tuple[str, ...]
    at: float
    path: tuple[str, ...] = ()


class StepPlanned(Struct, frozen=True, tag_field="event", tag="plan"):
    """What a step would change, or its `undo` would."""

    run: str
    step: int
    plan: PlanShown
    undo: bool = False
    path: tuple[str, ...] = ()


class FlowAsked(Struct, frozen=True, tag_field="event", tag="asked"):
    """The run waits for this; None: for nothing any more."""

    run: str
    prompt: Prompt | None


class ActionBegan(Struct, frozen=True, tag_field="event", tag="action-began"):
    """A change is about to be made."""

    run: str
    step: int
    action: ActionShown
    at: float
    path: tuple[str, ...] = ()


class ActionSaid(Struct, frozen=True, tag_field="event", tag="action-said"):
    """A command that still runs has said more: the end of all it has said, whole lines; at most twice a second."""

    run: str
    step: int
    output: str
    at: float
    path: tuple[str, ...] = ()


class ActionProgressed(Struct, frozen=True, tag_field="event", tag="progress"):
    """How far an action is: `done` of `total` in a `unit` ("B" is bytes), told at most twice a second.

    `rate` is a second's worth, `left` the seconds that remain at that rate; 0 stands for what is not known."""

    run: str
    step: int
    done: float
    total: float
    unit: str
    rate: float
    left: float
    words: str
    at: float
    path: tuple[str, ...] = ()


class ActionEnded(Struct, frozen=True, tag_field="event", tag="action-ended"):
    """A change was made, or was not: `problem` says why. `output` is the end of what the command said."""

    run: str
    step: int
    action: ActionShown
    status: int | None
    output: str
    problem: str
    seconds: float
    at: float
    path: tuple[str, ...] = ()


class FlowSaid(Struct, frozen=True, tag_field="event", tag="said"):
    """A sentence of the run to the operator."""

    run: str
    text: str
    at: float


class FlowEnded(Struct, frozen=True, tag_field="event", tag="flow-ended"):
    """A run ended; `words` say what is true now, `missing` names the answer that was needed ("" when none was)."""

    run: str
    outcome: RunOutcome
    words: str
    missing: str
    at: float


class FlowsChecked(Struct, frozen=True):
    """There is news of the flows there are: how their steps stand, or what runs. At Unix seconds."""

    at: float


class RunShown(Struct, frozen=True):
    """One run of the journal: `words` say how it ended, `rows` are its entries; `began` is in Unix seconds.

    `undo` names the run that it took back; `refused` says why this one cannot be undone ("": it can)."""

    run: str
    flow: str
    state: str
    words: str
    began: float
    undo: str
    refused: str
    rows: tuple[str, ...]


class RunsRead(Struct, frozen=True):
    """The runs of the site, the latest first; `problem` says why they cannot be read."""

    runs: tuple[RunShown, ...]
    problem: str = ""


FlowEvent = (
    FlowBegan
    | StepsListed
    | StepChanged
    | StepPlanned
    | FlowAsked
    | ActionBegan
    | ActionSaid
    | ActionProgressed
    | ActionEnded
    | FlowSaid
    | FlowEnded
)

Event = (
    EstateRead
    | ReadingsChanged
    | FindingsChanged
    | DisksSeen
    | Awaited
    | GuestSeen
    | SweepOverdue
    | CertificateSurvey
    | Asked
    | EngineFailed
    | FlowEvent
    | FlowsChecked
    | RunsRead
)
