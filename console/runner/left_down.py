"""What the run under way has stopped and not started again."""

from __future__ import annotations

from console.runner.state import RunStatus
from console.store.left_down import Down, left


def of_run(run: RunStatus) -> tuple[Down, ...]:
    """Return what a run has stopped and not started again, in the order in which it did."""
    done = [action for step in run.steps for action in step.actions]
    done.sort(key=lambda action: action.began)
    return left((each.action.host, each.action.text, each.ended or each.began) for each in done if not each.problem)
