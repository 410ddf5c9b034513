"""Paint the barn, on this machine, in the folder of the site file.

It has one of everything a flow can have: something already so, something that does not apply, a question, a file, a
loss, a command that waits, and one that may fail. Its commands are real; they wait for files, never for a clock."""

from __future__ import annotations

from pathlib import Path

from console.flows import Ask, CheckResult, Flow, Loss, Plan, Run, Step, StepContext, done, needed, skipped


class Corner(Step):
    """A step in the site's folder; `mark` is the file whose presence says that it is so."""

    mark = ""

    def root(self, context: StepContext) -> Path:
        return context.estate.file.parent

    async def check(self, context: StepContext) -> CheckResult:
        there = await context.data("here", str(self.root(context) / self.mark)) is not None
        return done(f"{self.mark} is there") if there else needed(f"{self.mark} is not there")

    def shell(self, context: StepContext, text: str, *words: str) -> Run:
        return Run("here", ("sh", "-c", text, str(self.root(context)), *words))


class Ground(Corner):
    name, words, mark = "ground", "find the ground", "site.toml"


class Neighbour(Corner):
    name, words = "neighbour", "ask the neighbour"

    async def check(self, context: StepContext) -> CheckResult:
        return skipped("there is no neighbour")


class Colour(Corner):
    name, words, mark = "colour", "choose the colour", "colour"

    async def plan(self, context: StepContext) -> Plan:
        chosen = context.ask(Ask("colour", "which colour?", {"red": "as barns are", "blue": "as the sky is"}))
        edit = await context.edit("here", str(self.root(context) / "colour"), f"{chosen}\n")
        return Plan((edit,), undo="remove the file")


class Burn(Corner):
    name, words, mark = "burn", "burn the old one", "ashes"

    async def plan(self, context: StepContext) -> Plan:
        lost = Loss("old-barn", "the old barn, with all that is in it")
        return Plan((self.shell(context, 'rm -f "$0/old" && touch "$0/ashes"'),), loses=(lost,))


class Paint(Corner):
    name, words, mark = "paint", "paint it", "painted"

    async def plan(self, context: StepContext) -> Plan:
        text = 'printf "first coat \\033[31m[bold]\\n"; read _ <"$0/gate"; echo "second coat"; touch "$0/painted"'
        return Plan((self.shell(context, text),), ("two coats",), undo="scrape it off")


class Roof(Corner):
    name, words, mark = "roof", "put the roof on", "roof"

    async def plan(self, context: StepContext) -> Plan:
        text = 'touch "$0/beam"; test ! -e "$0/storm" || { echo "the storm took it" >&2; exit 3; }; touch "$0/roof"'
        return Plan((self.shell(context, text),), undo="take the beam down")

    async def undo(self, context: StepContext) -> Plan | None:
        return Plan((self.shell(context, 'rm -f "$0/beam"'),))


FLOW = Flow(lambda context: (Ground(), Neighbour(), Colour(), Burn(), Paint(), Roof()))
