"""The yes to a plan that was shown, and the typed name of each thing that it destroys."""

from __future__ import annotations

from console.events import Prompt
from console.runner import show
from console.runner.plan import Plan
from console.runner.progress import Entry, Progress


async def agreed(progress: Progress, entry: Entry, plan: Plan) -> bool:
    """Have the plan agreed to, and what is lost typed; False when the operator leaves the step out.

    Raises `Ended` when there is no answer, and when the answer is to stop."""
    step = entry.step
    for loss in plan.loses:
        if loss.name not in progress.context.destroy and loss not in progress.typed:
            await _lose(progress, entry, loss.name, loss.words)
            progress.typed.add(loss)
    if progress.agreed:
        return True
    choices = {"yes": "do it", "all": "do this and all remaining", "skip": "skip", "stop": "stop here"}
    text = f"{step.words or step.name}?"
    said = await progress.choose(progress.index(entry), "confirm", text, choices, "stop", "yes")
    if said == "all":
        progress.agreed = True
    if said in ("yes", "all"):
        return True
    if said == "skip":
        progress.stand(entry, "left", "left out by the operator")
        return False
    progress.stand(entry, "stopped", "not agreed to: nothing of it was done")
    if said is None:
        raise progress.end("unanswered", f"{step.name} waits for a yes (--yes); {progress.so_far()}", "yes")
    raise progress.end("stopped", f"stopped before {step.name}; {progress.so_far()}")


async def _lose(progress: Progress, entry: Entry, name: str, words: str) -> None:
    """Have the name of what is lost typed; ends the run when it is not."""
    text = f"type {name}: {words}"
    line = show.line(progress.context, text)
    at = progress.index(entry)
    typed = await progress.prompt(Prompt(progress.id(), "destroy", at, line, "destroy", typed=name))
    if typed == name:
        return
    if typed:
        why = f"{name} was not typed: {words}"
        progress.stand(entry, "stopped", why)
        raise progress.end("stopped", f"{why}; {progress.so_far()}")
    key, why = f"destroy={name}", f"needs an answer: {text}"
    progress.stand(entry, "stopped", why)
    raise progress.end("unanswered", f"{why} (--answer {key}); {progress.so_far()}", key)
