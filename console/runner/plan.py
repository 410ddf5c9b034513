"""What steps find and what they plan to change, as values: shown first, compared, journalled, and only then done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from console.differences import unified
from console.errors import CowhandError
from console.hosts import shell
from console.mask import mask
from console.secret import Secret

CheckState = Literal["done", "needed", "skipped", "refused", "wrong"]


class CheckResult(Struct, frozen=True):
    """What a check or a verification found, in words for the operator; `evidence` are lines that prove it.

    `done`: the step's result is there. `needed`: it is missing, and can be made. `skipped`: it does not apply here.
    `refused`: it must not be made. `wrong`: a look at something found it wrong, and no step of this flow mends it; the
    flow looks at the rest, and ends as failed."""

    state: CheckState
    words: str
    evidence: tuple[str, ...] = ()


def done(words: str, *evidence: str) -> CheckResult:
    """The step's result is there."""
    return CheckResult("done", words, evidence)


def needed(words: str, *evidence: str) -> CheckResult:
    """The step's result is missing, and can be made."""
    return CheckResult("needed", words, evidence)


def skipped(words: str, *evidence: str) -> CheckResult:
    """The step does not apply here, for this reason."""
    return CheckResult("skipped", words, evidence)


def refused(words: str, *evidence: str) -> CheckResult:
    """The step must not be done, for this reason; the flow ends, and nothing of this step was changed."""
    return CheckResult("refused", words, evidence)


def wrong(words: str, *evidence: str) -> CheckResult:
    """What was looked at is not as it must be; the flow goes on, and ends as failed."""
    return CheckResult("wrong", words, evidence)


class Refusal(CowhandError):
    """Raised in a step instead of returning `refused`; its text is the reason."""


class NotYetKnown(CowhandError):
    """Raised where a check, a plan or a list of steps depends on an earlier step that is not done yet."""


QuestionKind = Literal["text", "yes-no", "one", "several", "number", "path", "host", "name", "secret"]


class Ask(Struct, frozen=True):
    """Something only the operator or the site knows. `key` is what `--answer KEY=VALUE` calls it.

    `choices` are value → words; with none, anything of its `kind` may be typed (`several`: values with commas between;
    `number`: within `range`, 0 for no end), if `check` returns "" and no reason against it. `default` is taken by
    `--yes` and by an empty answer, `given` is what the site says already. A `secret` is never shown, logged or kept."""

    key: str
    text: str
    choices: dict[str, str] = {}
    default: str | None = None
    given: str | None = None
    secret: bool = False
    kind: QuestionKind = "text"
    check: Callable[[str], str] | None = None
    range: tuple[int, int] = (0, 0)


class Amount(Struct, frozen=True):
    """How far an action is: `done` of `total` (0: nobody knows) in a `unit` ("B" for bytes), and what it works on."""

    done: float
    total: float = 0.0
    unit: str = ""
    words: str = ""


class Run(Struct, frozen=True, tag="run"):
    """A command that changes something on a host, with its time limit in seconds and the statuses of success.

    `host` is a host's name, or a role that exactly one host has. `guards` are commands that only read, and must all
    succeed right before; a runbook has them too. `undo` is the command that takes it back (none: nothing does).
    `silence` is how many seconds it may say nothing (0: as long as it likes), `progress`, a function of a module, reads
    how far it is from a line of its output, and `signal` is what ends it in good order when it is cut off.
    Secrets reach it by `stdin` or as variables of its `environment`, never as words, which every user sees.
    `diff` are lines that say what it changes (+, -, ~); `tells` makes a line of its output what is shown of it ("":
    nothing), for a command that speaks to machines. A `rescue` is for the step to do where what comes before it
    failed: the plan says so, and a runbook only names it."""

    host: str
    argv: tuple[str, ...]
    timeout: float = 60.0
    well: tuple[int, ...] = (0,)
    guards: tuple[tuple[str, ...], ...] = ()
    undo: tuple[str, ...] = ()
    silence: float = 0.0
    progress: Callable[[str], Amount | None] | None = None
    signal: str = "TERM"
    stdin: Secret | None = None
    environment: tuple[tuple[str, Secret], ...] = ()
    diff: str = ""
    tells: Callable[[str], str] | None = None
    rescue: bool = False

    @property
    def text(self) -> str:
        """The exact command, quoted for a POSIX shell."""
        return shell.line(self.argv)


class Write(Struct, frozen=True, tag="write"):
    """A file replaced as a whole; `before` is its present content (None: there is no file), kept as PATH.previous.

    A `sealed` one holds a secret: its content is never shown. A `summary` is shown instead of a diff that nobody would
    read."""

    host: str
    path: str
    before: bytes | None
    after: bytes
    mode: int = 0o644
    sealed: bool = False
    summary: str = ""

    @property
    def text(self) -> str:
        """What is done, in one line."""
        kept = "" if self.before is None else f", the version before kept as {self.path}.previous"
        return f"write {shell.line([self.path])} (mode {self.mode:04o}, {len(self.after)} bytes{kept})"

    @property
    def diff(self) -> str:
        """The unified diff, secrets masked; "" when it is sealed or not text."""
        if self.summary:
            return f"+ {self.summary}\n"
        if self.sealed:
            return ""
        try:
            old, new = (mask((side or b"").decode()).splitlines() for side in (self.before, self.after))
        except UnicodeDecodeError:
            return ""
        names = "/dev/null" if self.before is None else self.path, self.path
        return "".join(f"{line}\n" for line in unified(old, new, *names))


class Copy(Struct, frozen=True, tag="copy"):
    """A file copied from one host to another (or within one), in pieces: cut off anywhere, the next run goes on.

    `size` and `sha256` are those of the source, and are proven at the target before the file gets its name. `before`
    is the sum of the file that is there now ("": there is none); it is kept as PATH.previous."""

    host: str
    path: str
    source_host: str
    source: str
    size: int
    sha256: str
    before: str = ""
    mode: int = 0o600
    timeout: float = 6 * 3600.0

    @property
    def text(self) -> str:
        """What is done, in one line."""
        kept = f", the version before kept as {self.path}.previous" if self.before else ""
        where = f"{self.source_host}:{self.source}"
        return (
            f"copy {shell.line([where])} to {shell.line([self.path])} (mode {self.mode:04o}, {self.size} bytes{kept})"
        )


class Call(Struct, frozen=True, tag="call"):
    """A request to an interface that the context knows by its name, such as Incus: a method, a path and a body."""

    host: str
    api: str
    method: str
    path: str
    body: str = ""
    timeout: float = 60.0

    @property
    def text(self) -> str:
        """What is asked for, in one line."""
        return " ".join(part for part in (self.api, self.method, self.path, self.body) if part)


class Wait(Struct, frozen=True, tag="wait"):
    """Wait until a command that only reads succeeds: asked again every `every` seconds, for `timeout` seconds."""

    host: str
    argv: tuple[str, ...]
    words: str
    timeout: float = 300.0
    every: float = 2.0

    @property
    def text(self) -> str:
        """What is waited for, in one line."""
        return f"wait until {self.words} ({shell.line(self.argv)}), at most {self.timeout:g} s"


Action = Run | Write | Copy | Call | Wait


_SAME = '[ "$(stat -c %d:%i -- "$1")" = "$(stat -L -c %d:%i $it)" ]'
_OPENED = f'it=/proc/self/fd/9 && exec 9<"$1" && {{ {_SAME} || {{ echo "$1 is a link" >&2; exit 3; }}; }}'
"""Opens a path, and refuses a link: who can write to that folder could point one at any file of root's."""


def make_folder(host: str, path: str, mode: int = 0o755, owner: str = "") -> Run:
    """Make a folder that is not there yet, with its mode and owner (USER:GROUP); taken back while it is empty."""
    script = f'umask 077; mkdir -- "$1" && {_OPENED} && {{ [ -z "$3" ] || chown -- "$3" $it; }} && chmod -- "$2" $it'
    words = ("sh", "-c", script, "sh", path, f"{mode:04o}", owner)
    return Run(host, words, undo=("rmdir", "--", path))


def remove(host: str, path: str) -> Run:
    """Take a file away, kept as PATH.previous; it is put back from there."""
    return Run(
        host,
        ("mv", "-f", "-T", "--", path, f"{path}.previous"),
        undo=("mv", "-n", "-T", "--", f"{path}.previous", path),
    )


def set_mode(host: str, path: str, mode: int, before: int) -> Run:
    """Set a file's mode; `before` is what it has now."""
    words = ("sh", "-c", f'[ ! -p "$1" ] && {_OPENED} && chmod -- "$2" $it', "sh", path)
    return Run(host, (*words, f"{mode:04o}"), undo=(*words, f"{before:04o}"))


def set_owner(host: str, path: str, owner: str, before: str) -> Run:
    """Set a file's owner (USER:GROUP), not that of what it links to; `before` is what it has now."""
    return Run(host, ("chown", "-h", "--", owner, path), undo=("chown", "-h", "--", before, path))


def link(host: str, path: str, target: str, before: str = "") -> Run:
    """Make a symbolic link, or point the one that is there (to `before`) at another target, in one rename."""
    undo = ("ln", "-sfnT", "--", before, path) if before else ("rm", "--", path)
    return Run(host, ("ln", "-sfnT", "--", target, path) if before else ("ln", "-sT", "--", target, path), undo=undo)


class Loss(Struct, frozen=True):
    """What is lost for good: `name` is typed by the operator (`--answer destroy=NAME`), `words` say what is lost."""

    name: str
    words: str


class Rollback(Struct, frozen=True):
    """A command by which a host itself takes its part of the change back after `seconds`, unless the step was proven.

    It must stand being run again, and after a change that was only half made. With `after`, the name of another host,
    it also waits for what that one decides: `asks` is asked on this host, and says by its status whether that host has
    kept its part of the change (0, for `hold` seconds in a row: it is kept here too), or not (1). See groups.py."""

    host: str
    argv: tuple[str, ...]
    seconds: int = 120
    after: str = ""
    asks: tuple[str, ...] = ()
    hold: int = 0


class Plan(Struct, frozen=True):
    """What a step would do, in order. `notes` are lines of what it knows, `undo` how it could be taken back ("": not).

    `later` says what the exact text still depends on, when an earlier step of the flow is not done yet."""

    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    loses: tuple[Loss, ...] = ()
    undo: str = ""
    rollbacks: tuple[Rollback, ...] = ()
    later: str = ""
