"""Guided changes. A flow is one file in this folder: a docstring that says what it does, its steps, and `FLOW`.

    \"\"\"Leave a greeting on this machine.\"\"\"

    from console.flows import Flow, CheckResult, Plan, Step, StepContext, done, needed

    class Greet(Step):
        name, words = "greet", "leave a greeting"

        async def check(self, context: StepContext) -> CheckResult:
            there = await context.text("here", "/tmp/greeting")
            return done("it is there") if there == "hello\\n" else needed("nobody has said hello yet")

        async def plan(self, context: StepContext) -> Plan:
            return Plan((await context.edit("here", "/tmp/greeting", "hello\\n"),), undo="remove the file")

    FLOW = Flow(lambda context: (Greet(),))

`cowhand flow NAME` takes it from there. For each step the runner asks `check` (already so?), shows what `plan` would
change, waits for a yes, writes its intent into the journal, does it by `apply`, proves it by `verify`, and writes down
what came of it. Nothing is remembered between runs: where a flow stands is what its checks find, so one that was cut
off anywhere goes on when it is started again.

A step reads through `context`, and only reads: `context.host(role)` refuses every command that `read_only.py` does not
know to change nothing. What changes is an `Action` of the plan (`Run`, `Write`), and what is not in the plan that was
shown is not done. A plan is the same as long as the world is. A step that must know says `context.ask(Ask(…))`:
answered by `--answer`, by the site (`given`) or by the operator; the step then begins anew, from its `check`.

What a flow only looks at may be `wrong`: the rest is looked at, and the run ends as failed. One of its steps may
say how it all ends (`sums_up`).

Where a step cannot look, it raises a `HostError`: the operator may have it look again. Where it must not go on, it
returns `refused` or raises `Refusal`: the run ends. A command whose `guards` do not hold right before it is not run."""

from console.runner.context import StepContext
from console.runner.groups import Group, Member
from console.runner.plan import (
    Action,
    Amount,
    Ask,
    Call,
    CheckResult,
    Copy,
    Loss,
    NotYetKnown,
    Plan,
    Refusal,
    Rollback,
    Run,
    Wait,
    Write,
    done,
    link,
    make_folder,
    needed,
    refused,
    remove,
    set_mode,
    set_owner,
    skipped,
    wrong,
)
from console.runner.step import Change, Flow, Step, first_open

__all__ = [
    "Action", "Amount", "Ask", "Call", "Change", "CheckResult", "Copy", "Flow", "Group", "Loss", "Member",
    "NotYetKnown", "Plan", "Refusal", "Rollback", "Run", "Step", "StepContext", "Wait", "Write", "done", "first_open",
    "link",
    "make_folder", "needed", "refused", "remove", "set_mode", "set_owner", "skipped", "wrong",
]  # fmt: skip
