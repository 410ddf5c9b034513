"""provision: what destroys wants its name typed, errors are said in words, and Incus is asked what is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.__main__ import main
from console.events import FlowEvent, Prompt, StepChanged, StepPlanned
from console.facts.incus import Machine, Machines
from console.flows import StepContext
from console.flows.provision import looking, losing
from console.flows.provision.meter import Meter, told
from console.flows.provision.work import Work
from console.runner.ending import Ending
from console.runner.progress import Operator
from console.runner.session import Session
from tests.console.flows.case import tree
from tests.console.flows.cases import provision as case
from tests.console.flows.walking import agree, context, folder

BEFORE = {"name": "opt", "pool": "default", "config": {"size": "10GiB"}}
REPLACE = {
    "address": "incus_storage_volume.opt",
    "type": "incus_storage_volume",
    "name": "opt",
    "action_reason": "replace_because_cannot_update",
    "change": {
        "actions": ["delete", "create"],
        "before": BEFORE,
        "after": {**BEFORE, "pool": "fast"},
        "replace_paths": [["pool"]],
    },
}
DELETE = {**REPLACE, "action_reason": "", "change": {"actions": ["delete"], "before": BEFORE, "after": None}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "root"
    found.mkdir()
    case.build(found)
    return found


class Run:
    """One run of the case, all it told, and how it ended."""

    def __init__(self, root: Path, answers: dict[str, str] | None = None, destroy: tuple[str, ...] = ()) -> None:
        self.root = root
        self.context = context(case.CASE, root)
        self.context.answers = dict(case.CASE.answers if answers is None else answers)
        self.context.destroy = set(destroy)
        self.events: list[FlowEvent] = []

    async def go(self, operator: Operator = agree, dry: bool = False) -> Ending:
        to = None if dry else folder(self.root)
        return await Session(case.CASE.flow, self.context, operator, self.events.append, to).run()

    def states(self) -> dict[str, tuple[str, str]]:
        names = [step.name for step in case.CASE.flow.steps(self.context)]
        return {names[e.step]: (e.state, e.words) for e in self.events if isinstance(e, StepChanged)}  # type: ignore[union-attr]


def world(root: Path) -> object:
    return tree(root, "world"), (root / "log/once").read_text().replace("fetched\n", "")


def plan_of(root: Path, *rows: dict[str, Any]) -> None:
    (root / "world/rows").write_text(",".join(json.dumps(each) for each in rows))


# ── what destroys ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("row", [REPLACE, DELETE], ids=["replace", "delete"])
@pytest.mark.parametrize("typed", [None, "", "yes", "mailcow"])
async def test_a_plan_that_destroys_changes_nothing_without_the_typed_name(
    root: Path, row: dict[str, Any], typed: str | None
) -> None:
    plan_of(root, row)
    before = world(root)

    async def say(prompt: Prompt) -> str | None:
        return {"confirm": "all", "destroy": typed}.get(prompt.kind, "stop")

    ending = await Run(root).go(say)
    assert ending.outcome == ("stopped" if typed else "unanswered")
    assert "opt" in ending.words
    assert world(root) == before


async def test_the_right_name_lets_it_go_on_and_what_forces_it_was_said(root: Path) -> None:
    plan_of(root, REPLACE)
    (root / "world/opt").write_text("block\n")
    (root / "world/memory").write_text("6GiB\n")
    run = Run(root, destroy=("opt",))
    assert (await run.go()).outcome == "done"
    assert "destroyed" in (root / "log/once").read_text()
    plan = next(e.plan for e in run.events if isinstance(e, StepPlanned) and e.plan.loses)
    assert plan.loses == (
        (
            "opt",
            'incus_storage_volume.opt is destroyed and created again, empty, because of pool ("default" → "fast"); '
            "the volume and all that is on it are lost",
        ),
    )
    assert '- incus_storage_volume.opt  is destroyed and created again: pool ("default" → "fast") forces it' in (
        plan.actions[0].diff
    )


def test_a_name_that_two_resources_have_is_not_enough_for_either() -> None:
    volume, vm = (
        losing.Change(f"{kind}.x", kind, "x", "delete", before={"name": "mailcow"})
        for kind in ("incus_storage_volume", "incus_instance")
    )
    assert [each.name for each in losing.losses([volume, vm])] == ["incus_storage_volume.x", "incus_instance.x"]
    assert [each.name for each in losing.losses([volume])] == ["mailcow"]
    assert losing.losses([losing.Change("terraform_data.x", "terraform_data", "x", "replace")]) == ()
    assert losing.losses([losing.Change("random_password.x", "random_password", "x", "replace")])


def test_a_volume_that_is_to_grow_under_a_running_vm_is_told_of() -> None:
    sizes = ({"name": "opt", "config": {"size": size}} for size in ("10GiB", "20GiB"))
    grow = losing.Change("v.opt", "incus_storage_volume", "opt", "update", "", *sizes)
    running = Machine("mailcow", "virtual-machine", status="Running", volumes=(("opt", "default", "opt"),))
    assert "while mailcow uses it" in losing.notes([grow], Machines((running,)))[0]
    assert losing.notes([grow], Machines((Machine("mailcow", "virtual-machine", status="Stopped"),))) == ()


# ── trust ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_of_the_folder_runs_without_trust_and_a_plain_yes_is_none(root: Path) -> None:
    before = world(root)
    run = Run(root, answers={})
    assert (await run.go()).missing == "trust"
    assert (await Run(root, answers={"trust": "no"}).go()).outcome == "refused"
    assert not (root / "tf/.terraform").exists()
    assert world(root) == before


async def test_a_file_that_has_changed_since_needs_a_new_yes(root: Path) -> None:
    assert (await Run(root).go()).outcome == "done"
    assert (await Run(root, answers={}).go()).words.startswith("nothing to do")
    (root / "tf/more.tf").write_text("# a pull brought this\n")
    assert (await Run(root, answers={}).go()).missing == "trust"


@pytest.mark.parametrize("name", ["more.tf", "mailcow.auto.tfvars", "main.tf"])
async def test_what_init_brings_is_taken_in_and_nothing_else_that_changed_meanwhile(root: Path, name: str) -> None:
    tofu = root / "bin/tofu"
    tofu.write_text(tofu.read_text().replace("init)\n", f'init)\n  echo "# new" >>"$folder/{name}"\n'))
    run = Run(root)
    ending = await run.go()
    assert ending.outcome == "failed"
    assert name in ending.words
    assert (await Run(root, answers={}).go()).missing == "trust"


@pytest.mark.parametrize("more", ["", "run.sh"])
async def test_a_state_that_git_has_is_taken_in_when_a_change_has_written_it_and_nothing_else(
    root: Path, more: str
) -> None:
    (root / "tf/main.tf").write_text(f"{case.MAIN}# external\n")
    (root / "tf/.git").mkdir()
    (root / "tf/.git/index").write_bytes(b"DIRC\0\0\0\2\0\0\0\1" + bytes(62) + b"terraform.tfstate\0")
    for name in ("terraform.tfstate", "run.sh"):
        (root / "tf" / name).write_text("{}\n")
    tofu = root / "bin/tofu"
    writes = "".join(f'  echo {{}} >>"$folder/{name}"\n' for name in ("terraform.tfstate", more) if name)
    tofu.write_text(tofu.read_text().replace("apply)\n", f"apply)\n{writes}"))
    ending = await Run(root).go()
    assert ending.outcome == ("failed" if more else "done") and more in ending.words
    again = await Run(root, answers={}).go()
    assert again.missing == "trust" if more else again.words.startswith("nothing to do")


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def diagnostic(summary: str, detail: str = "") -> str:
    found = {"severity": "error", "summary": summary, "detail": detail}
    return (
        json.dumps({"@level": "error", "@message": f"Error: {summary}", "type": "diagnostic", "diagnostic": found})
        + "\n"
    )


LOCKED = (
    "Lock Info:\n  ID:        9f1c\n  Operation: OperationTypeApply\n  Who:       bob@desk\n  Created:   2026-11-27\n"
)

ERRORS = {
    "Failed to query available provider packages": "a provider could not be had",
    "Backend initialization required, please run tofu init": "Backend initialization required",
    "ExpiredToken: the security token has expired": "was not accepted",
    "dial tcp: lookup home: no such host": "something it needs could not be reached",
    "No value for required variable": "give it in terraform.tfvars",
    'Failed to create "instances" entry: UNIQUE constraint failed: instances.name': "is there already",
}


@pytest.mark.parametrize(("said", "words"), ERRORS.items())
async def test_an_error_of_the_plan_is_said_in_words_and_nothing_was_changed(root: Path, said: str, words: str) -> None:
    (root / "world/error").write_text(diagnostic(said))
    before = world(root)
    ending = await Run(root).go()
    assert (ending.outcome, words in ending.words) == ("failed", True), ending.words
    assert world(root) == before


async def test_a_backend_whose_settings_changed_is_a_persons_decision(root: Path) -> None:
    (root / "world/error").write_text(diagnostic("Backend configuration changed", "run tofu init -migrate-state"))
    ending = await Run(root).go()
    assert (ending.outcome, "decide whether its state is moved" in ending.words) == ("refused", True)


async def test_a_locked_state_names_who_has_it_and_the_next_run_goes_on_from_there(root: Path) -> None:
    (root / "world/broken").write_text(diagnostic("Error acquiring the state lock", LOCKED))
    ending = await Run(root).go()
    assert "its state is locked by another run of bob@desk, since 2026-11-27" in ending.words
    assert "force-unlock 9f1c" in ending.words
    assert (root / "world/opt").exists()
    assert (await Run(root).go()).outcome == "done"
    assert set(case.once(root).values()) == {1}


async def test_no_plan_file_is_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(root.parent / "state"))
    assert (await Run(root).go()).outcome == "done"
    assert (await Run(root).go(dry=True)).outcome == "planned"
    plans = root.parent / "state/cowhand/plans"
    assert ([*plans.iterdir()], plans.stat().st_mode & 0o777) == ([], 0o700)


async def test_files_that_are_wrong_are_refused_with_their_place(root: Path) -> None:
    where = {"filename": "main.tf", "start": {"line": 3, "column": 1}}
    found = {"severity": "error", "summary": "Unsupported argument", "detail": "No pol.", "range": where}
    tofu = root / "bin/tofu"
    answer = json.dumps({"valid": False, "diagnostics": [found]})
    tofu.write_text(tofu.read_text().replace("validate)\n", f"validate)\n  echo '{answer}'; exit 1\n"))
    ending = await Run(root).go()
    assert "main.tf:3:1: Unsupported argument: No pol." in ending.words


# ── without it ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_the_program_the_vm_is_taken_as_it_is(root: Path) -> None:
    for name in ("tofu", "terraform"):
        (root / "bin" / name).unlink()
    run = Run(root, answers={})
    run.context = StepContext(run.context.estate, {**run.context.hosts, "here": Bare(root)}, {}, {})
    ending = await run.go()
    assert ending.words == "nothing to do: everything is as it should be"
    assert run.states()["folder"][1].startswith("neither tofu nor terraform is installed on this machine")
    assert run.states()["vm"] == ("so", "mailcow runs; no file says at which address HAProxy expects it")


class Bare(case.Machine):
    """A machine whose PATH has its own tools alone."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "here", "here")
        for name in ("env", "sh"):
            (root / "bin" / name).symlink_to(f"/usr/bin/{name}")

    def words(self, argv: Any) -> list[str]:
        words = super().words(argv)
        return [word.partition(":")[0] if word.startswith("PATH=") else word for word in words]


async def test_without_files_that_is_said(root: Path) -> None:
    (root / "site.toml").write_text('[hosts.home]\nrole = "hypervisor"\nlocal = true\n')
    run = Run(root, answers={})
    assert (await run.go()).outcome == "done"
    assert run.states()["apply"] == ("skipped", "site.toml names no OpenTofu files: nothing is planned")


async def test_a_folder_that_terraform_made_is_not_given_to_tofu(root: Path) -> None:
    (root / "tf/.terraform.lock.hcl").write_text('provider "registry.terraform.io/lxc/incus" {}\n')
    run = Run(root)
    assert "terraform on here ended" in (await run.go()).words


# ── Incus ───────────────────────────────────────────────────────────────────────────────────────────────────────────

LANE = '[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "10.10.10.214:10025"\n'
VM = Machine("mailcow", "virtual-machine", status="Running", has=("10.10.10.214",))

SEEN: dict[str, tuple[Machines, str, str]] = {
    "as it should be": (Machines((VM,)), "done", "no nic pins 10.10.10.214"),
    "pinned": (Machines((Machine("mailcow", "vm", {}, ("10.10.10.214",), "Running", ("10.10.10.214",)),)), "done",
               "mailcow runs, at 10.10.10.214"),
    "stopped": (Machines((Machine("mailcow", "vm", status="Stopped"),)), "wrong", "mailcow is Stopped"),
    "not there": (Machines(), "wrong", "Incus on home has no mailcow"),
    "elsewhere": (Machines((Machine("mailcow", "vm", status="Running", has=("10.10.10.9",)),)), "wrong",
                  "HAProxy's servers expect 10.10.10.214, and mailcow has 10.10.10.9"),
    "silent": (Machines((Machine("mailcow", "vm", status="Running"),)), "done", "is not known"),
    "without a network": (Machines((Machine("mailcow", "vm", status="Running", networked=False),)), "wrong",
                          "HAProxy's servers expect 10.10.10.214, and mailcow has no network device"),
    "nobody can tell": (Machines(error="incus: not found on home"), "skipped", "cannot be told"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEN)
async def test_what_incus_says_decides_and_what_it_does_not_say_is_not_claimed(root: Path, name: str) -> None:
    seen, state, words = SEEN[name]
    with (root / "site.toml").open("a") as file:
        file.write(LANE)

    class Told(Work):
        async def machines(self, context: StepContext) -> Machines:
            return seen

    found = await looking.vm(context(case.CASE, root), Told())
    assert (found.state, words in found.words) == (state, True), found.words


@pytest.mark.parametrize(
    ("machine", "asked"),
    [
        (Machine("mailcow", "vm", {}, ("10.10.10.214",), "Running"), 1),
        (Machine("mailcow", "vm", status="Running", networked=False), 1),
        (Machine("mailcow", "vm", status="Running", networked=True), 3),
    ],
    ids=["pinned", "no network", "to come"],
)
async def test_after_an_apply_only_an_address_that_may_come_is_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, machine: Machine, asked: int
) -> None:
    monkeypatch.setattr(looking, "PAUSE", 0.0)
    monkeypatch.setattr(looking, "TRIES", 2)

    class Told(Work):
        count = 0

        async def machines(self, context: StepContext) -> Machines:
            self.count += 1
            return Machines((machine,))

    work = Told()
    work.applied = True
    await looking.vm(context(case.CASE, root), work)
    assert work.count == asked


# ── progress, and the rehearsal ─────────────────────────────────────────────────────────────────────────────────────

RECORDED = Path(__file__).parents[1] / "tofu/cases"


def test_the_recorded_apply_is_told_line_by_line_and_counted() -> None:
    meter = Meter(3)
    lines = (RECORDED / "apply.jsonl").read_text().splitlines()
    amounts = [amount for line in lines if (amount := meter(line)) is not None]
    assert (amounts[-1].done, amounts[-1].total, meter.errors) == (3, 3, [])
    shown = [text for line in lines if (text := told(line))]
    assert "module.inner.terraform_data.disk[0]: Creating..." in shown
    assert shown[-1] == "Apply complete! Resources: 3 added, 0 changed, 0 destroyed."


def test_the_recorded_failure_names_the_resource_and_the_line() -> None:
    meter = Meter(1)
    for line in (RECORDED / "failed.jsonl").read_text().splitlines():
        meter(line)
    assert meter.errors[0].startswith("main.tf:")
    assert "terraform_data.broken: local-exec provisioner error" in meter.errors[0]


@pytest.mark.slow
def test_it_is_rehearsed_in_the_lab_without_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lab", "flow", "provision", "--yes"]) == 0
    out = capsys.readouterr().out
    assert '+   config["limits.memory"] = "6GiB"' in out
    assert "✓ 6 vm  mailcow runs, with its volumes, at 10.10.10.214" in out
