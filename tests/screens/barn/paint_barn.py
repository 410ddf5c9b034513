"""Paint the barn, on this machine, in the folder of the site file.

It has one of everything a flow can have: something already so, something that does not apply, a question, a file, a
loss, a command that waits, and one that may fail. Its commands are real; they wait for files, never for a clock."""

from __future__ import annotations

from pathlib import Path

from console.flows import Ask, Flow, Found, Loss, Plan, Run, Step, World, done, needed, skipped


class Corner(Step):
    """A step in the site's folder; `mark` is the file whose presence says that it is so."""

    mark = ""

    def root(self, world: World) -> Path:
        return world.estate.file.parent

    async def check(self, world: World) -> Found:
        there = await world.data("here", str(self.root(world) / self.mark)) is not None
        return done(f"{self.mark} is there") if there else needed(f"{self.mark} is not there")

    def shell(self, world: World, text: str, *words: str) -> Run:
        return Run("here", ("sh", "-c", text, str(self.root(world)), *words))


class Ground(Corner):
    name, words, mark = "ground", "find the ground", "site.toml"


class Neighbour(Corner):
    name, words = "neighbour", "ask the neighbour"

    async def check(self, world: World) -> Found:
        return skipped("there is no neighbour")


class Colour(Corner):
    name, words, mark = "colour", "choose the colour", "colour"

    async def plan(self, world: World) -> Plan:
        chosen = world.ask(Ask("colour", "which colour?", {"red": "as barns are", "blue": "as the sky is"}))
        edit = await world.edit("here", str(self.root(world) / "colour"), f"{chosen}\n")
        return Plan((edit,), undo="remove the file")


class Burn(Corner):
    name, words, mark = "burn", "burn the old one", "ashes"

    async def plan(self, world: World) -> Plan:
        lost = Loss("old-barn", "the old barn, with all that is in it")
        return Plan((self.shell(world, 'rm -f "$0/old" && touch "$0/ashes"'),), loses=(lost,))


class Paint(Corner):
    name, words, mark = "paint", "paint it", "painted"

    async def plan(self, world: World) -> Plan:
        text = 'printf "first coat \\033[31m[bold]\\n"; read _ <"$0/gate"; echo "second coat"; touch "$0/painted"'
        return Plan((self.shell(world, text),), ("two coats",), undo="scrape it off")


class Roof(Corner):
    name, words, mark = "roof", "put the roof on", "roof"

    async def plan(self, world: World) -> Plan:
        text = 'touch "$0/beam"; test ! -e "$0/storm" || { echo "the storm took it" >&2; exit 3; }; touch "$0/roof"'
        return Plan((self.shell(world, text),), undo="take the beam down")

    async def undo(self, world: World) -> Plan | None:
        return Plan((self.shell(world, 'rm -f "$0/beam"'),))


FLOW = Flow(lambda world: (Ground(), Neighbour(), Colour(), Burn(), Paint(), Roof()))
