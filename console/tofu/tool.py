"""`tofu` or `terraform`: which one a folder uses, the words they are given, and what their complaints mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from console.errors import InputError
from console.estate import text_file
from console.text import clean
from console.tofu.place import Place
from console.tofu.refine import AUTOMATION
from console.tofu.stream import Event

TOOLS = ("tofu", "terraform")

SETTINGS = (AUTOMATION, "TF_INPUT=0", "CHECKPOINT_DISABLE=1")
"""Nothing is asked, and nobody is told that it runs; as `runner.read_only.SETTINGS`."""

LOCK = "10s"
"""How long `apply` waits for a state that somebody else has locked."""

INIT = re.compile(r"\b(?:tofu|terraform) init\b|Backend initialization required|Module not installed")
BACKEND = re.compile(r"Backend (?:configuration|type) changed|-migrate-state|-reconfigure")


def wanted(place: Place) -> str:
    """Return which of both a folder is for, by its lock file or the names of its files; "" when it takes either."""
    try:
        lock = text_file.read(place.folder / ".terraform.lock.hcl", "", lenient=True)
    except (OSError, InputError):
        lock = ""
    if "registry.opentofu.org/" in lock:
        return "tofu"
    if "registry.terraform.io/" in lock:
        return "terraform"
    return "tofu" if _any(place.folder, (".tofu", ".tofu.json")) else ""


def _any(folder: Path, endings: tuple[str, ...]) -> bool:
    try:
        return any(path.name.endswith(endings) for path in folder.iterdir())
    except OSError:
        return False


def command(tool: str, folder: str, *words: str) -> tuple[str, ...]:
    """Return the command that works in a folder."""
    return ("env", *SETTINGS, tool, f"-chdir={folder}", *words)


def version(tool: str) -> tuple[str, ...]:
    """Return what asks for the version, in no folder."""
    return ("env", *SETTINGS, tool, "version", "-json")


def validate(tool: str, folder: str) -> tuple[str, ...]:
    """Return what checks the files, and whether what they need was fetched."""
    return command(tool, folder, "validate", "-json", "-no-color")


def plan(tool: str, folder: str, file: str) -> tuple[str, ...]:
    """Return what plans into a file, and changes nothing else.

    Without the lock: a plan that is given up would leave one behind in a remote state; `apply` takes it, and refuses a
    plan of a state that has changed since."""
    return command(
        tool, folder, "plan", "-input=false", "-lock=false", "-json", "-no-color", "-detailed-exitcode", f"-out={file}"
    )


def show(tool: str, folder: str, file: str) -> tuple[str, ...]:
    """Return what shows a saved plan."""
    return command(tool, folder, "show", "-json", "-no-color", file)


def init(tool: str, folder: str) -> tuple[str, ...]:
    """Return what fetches the providers and modules, and prepares the backend."""
    return command(tool, folder, "init", "-input=false", "-no-color")


def apply(tool: str, folder: str, file: str) -> tuple[str, ...]:
    """Return what does exactly what a saved plan says."""
    return command(tool, folder, "apply", "-input=false", "-json", "-no-color", f"-lock-timeout={LOCK}", file)


# ── complaints ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Place(Struct):
    line: int = 0
    column: int = 0


class _Range(Struct):
    filename: str = ""
    start: _Place = msgspec.field(default_factory=_Place)


class _Diagnostic(Struct):
    severity: str = "error"
    summary: str = ""
    detail: str = ""
    range: _Range | None = None


class _Validated(Struct):
    valid: bool
    diagnostics: list[_Diagnostic] = []


class Validated(Struct, frozen=True):
    """What `validate` found: `errors` are sentences with their places; `unprepared` is what only `init` can mend."""

    errors: tuple[str, ...] = ()
    unprepared: str = ""


def validated(data: bytes) -> Validated:
    """Read the answer of `validate -json`; raises ValueError when it is none."""
    try:
        found = msgspec.json.decode(data, type=_Validated)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"this is no output of validate -json: {clean(str(error), 120)}") from None
    if found.valid:
        return Validated()
    errors = [each for each in found.diagnostics if each.severity == "error"]
    lacking = next((each for each in errors if INIT.search(f"{each.summary} {each.detail}")), None)
    if lacking is not None:
        return Validated(unprepared=_first(lacking.summary, lacking.detail))
    return Validated(tuple(_placed(each) for each in errors) or ("it does not say why",))


def _placed(found: _Diagnostic) -> str:
    where = found.range
    at = f"{clean(where.filename, 200)}:{where.start.line}:{where.start.column}: " if where is not None else ""
    return at + _first(found.summary, found.detail)


def _first(summary: str, detail: str) -> str:
    """The summary, and the first sentence or two of the detail."""
    whole = " ".join(detail.split())
    return clean(f"{summary}: {whole}" if whole else summary, 360)


MEANINGS = (
    (r"acquiring the state lock", "its state is locked by another run"),
    (r"Saved plan is stale", "its state has changed since this plan was made"),
    (r"no such host|network is unreachable|dial tcp|i/o timeout|TLS handshake timeout|could not connect to|"
     r"[Cc]onnection refused|Temporary failure in name resolution", "something it needs could not be reached"),
    (r"\b40[13]\b|[Uu]nauthorized|[Nn]ot authorized|[Ff]orbidden|ExpiredToken|[Nn]o valid credential|"
     r"(?:token|credentials?|certificate)[^.]{0,40}(?:expired|invalid|not trusted)",
     "its token, certificate or password was not accepted"),
    (r"already exists|UNIQUE constraint failed",  # the latter is Incus' word for an instance of that name
     "what it was to make is there already, and its state does not know it (tofu import takes it in)"),
    (r"\b[Ii]n use\b", "Incus does not change a volume that is in use: stop what uses it first"),
    (r"provider (?:package|plugin)s?|[Ff]ailed to (?:query|install|resolve)|provider [^ ]+ was not found|"
     r"[Uu]nsupported provider", "a provider could not be had"),
    (r"No value for required variable", "a variable has no value: give it in terraform.tfvars or as TF_VAR_NAME"),
    (r"[Nn]o space left on device", "a disk is full"),
)  # fmt: skip
"""What complaints are about, and how that is said; the first that fits."""

_LOCK = re.compile(r"(ID|Operation|Who|Created):\s+(\S[^\n]*)")


def meaning(text: str) -> str:
    """Say what a complaint is about; "" when it is none that is known."""
    return next((words for pattern, words in MEANINGS if re.search(pattern, text)), "")


def complaint(event: Event) -> str:
    """Return an error of the stream as a sentence: what it is about, its place, and the tool's own words."""
    whole = f"{event.message}\n{event.detail}"
    meant = meaning(whole)
    if meant.startswith("its state is locked"):
        told = dict(_LOCK.findall(event.detail))
        who = f" of {clean(told['Who'], 80)}" if "Who" in told else ""
        since = f", since {clean(told['Created'], 40)}" if "Created" in told else ""
        unlock = f"; if it does not run any more: force-unlock {clean(told['ID'], 60)}" if "ID" in told else ""
        return f"its state is locked by another run{who}{since}: wait until that has ended{unlock}"
    place = event.place
    at = f"{place.file}:{place.line}:{place.column}: " if place is not None else ""
    subject = f"{event.address}: " if event.address else ""
    said = f"{at}{subject}{_first(event.message.removeprefix('Error: '), event.detail)}"
    return f"{meant}: {said}" if meant else said


def complaints(events: Sequence[Event]) -> tuple[str, ...]:
    """Return the errors of a stream as sentences."""
    return tuple(complaint(each) for each in events if each.kind == "diagnostic" and each.level == "error")


def said(stderr: bytes) -> str:
    """Return what the tool complained of in plain text (`Error: …` and what follows), as a sentence; "" for nothing."""
    text = stderr.decode("utf-8", "replace")
    begin = text.find("Error: ")
    if begin < 0:
        return ""
    head, _, rest = text[begin + 7 :].partition("\n")
    first = _first(head, rest.partition("\nError: ")[0])
    meant = meaning(text)
    return f"{meant}: {first}" if meant else first


class _Version(Struct):
    terraform_version: str = ""


def told_version(data: bytes) -> str:
    """Return the version that `version -json` tells; "" when it tells none."""
    try:
        return clean(msgspec.json.decode(data, type=_Version).terraform_version, 40)
    except (msgspec.MsgspecError, RecursionError):
        return ""
