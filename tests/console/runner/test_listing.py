"""Flows inside flows: listed when they can be, found again when started alone, renewed after a step that says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from console.estate.load import load
from console.events import FlowBegan, StepChanged, StepsListed
from console.flows import CheckResult, Flow, NotYetKnown, Plan, Run, Step, StepContext, done, needed
from console.hosts.local import Local
from console.runner.context import Surroundings
from tests.console.flows.playing import SITE, Leave, Play


def inner(*steps: Step, name: str = "inner") -> Flow:
    return Flow(lambda context: steps, name, "a flow inside")


async def test_the_steps_of_a_flow_inside_are_listed_with_the_flows_they_are_in(tmp_path: Path) -> None:
    steps: list[Step | Flow] = [Leave(tmp_path / "a", name="a"), inner(Leave(tmp_path / "b", name="b"))]
    play = Play(tmp_path, steps, ["all"])
    ending = await play.run()
    assert ending.outcome == "done"
    began = next(event for event in play.events if isinstance(event, FlowBegan))
    assert (began.steps, began.paths) == ((("a", "leave a"), ("b", "leave b")), (("play",), ("play", "inner")))
    made = [event.path for event in play.events if isinstance(event, StepChanged) and event.state == "done"]
    assert made == [("play", "a"), ("play", "inner", "b")]


class Maker(Leave):
    """Makes what the rest of the flow is listed from."""

    renews = True


class Late:
    """A flow inside whose steps are known when a file is there."""

    def __init__(self, mark: Path, *steps: Step) -> None:
        self.mark, self.steps = mark, steps

    def __call__(self, context: StepContext) -> Sequence[Step]:
        if not self.mark.exists():
            raise NotYetKnown(f"{self.mark.name} is not there yet")
        return self.steps


async def test_a_flow_that_cannot_be_listed_yet_is_listed_after_the_step_that_makes_it_known(tmp_path: Path) -> None:
    late = Flow(Late(tmp_path / "a", Leave(tmp_path / "b", name="b"), Leave(tmp_path / "c", name="c")), "late", "late")
    play = Play(tmp_path, [Maker(tmp_path / "a", name="a"), late, Leave(tmp_path / "d", name="d")], ["all"])
    ending = await play.run()
    assert (ending.outcome, [(tmp_path / name).exists() for name in "abcd"]) == ("done", [True] * 4)
    listed = next(event for event in play.events if isinstance(event, StepsListed))
    assert [name for name, _ in listed.steps] == ["a", "b", "c", "d"]
    assert play.states() == ["done"] * 4, "what was done before the list grew is still said to be done"


async def test_a_dry_run_says_which_flow_cannot_be_listed_yet_and_why(tmp_path: Path) -> None:
    late = Flow(Late(tmp_path / "a", Leave(tmp_path / "b", name="b")), "late", "late")
    play = Play(tmp_path, [Maker(tmp_path / "a", name="a"), late], dry=True)
    ending = await play.run()
    assert (ending.outcome, play.states()) == ("planned", ["planned", "later"])
    assert play.state is not None
    assert play.state.steps[1].said == "a is not there yet"


async def test_after_a_step_that_renews_the_rest_sees_the_new_files_and_hosts(tmp_path: Path) -> None:
    new = '[hosts.vps]\nrole = "proxy"\nlocal = true\n'

    class There(Step):
        name, words = "there", "use the new host"

        async def check(self, context: StepContext) -> CheckResult:
            where = await context.text("vps", str(tmp_path / "site.toml"))
            return done(f"{len(context.estate.site.hosts)} host") if where == new else needed("not yet")

        async def plan(self, context: StepContext) -> Plan:
            return Plan((Run("vps", ("true",)),))

    play = Play(tmp_path, [])

    async def renewal() -> Surroundings:
        return Surroundings(load(tmp_path / "site.toml"), {"here": Local(), "vps": Local("vps", "proxy")}, {})

    play = Play(tmp_path, [Maker(tmp_path / "site.toml", new, "site"), There()], ["all"], renewal=renewal)
    ending = await play.run()
    assert (ending.outcome, play.states()) == ("done", ["done", "so"]), ending.words


async def test_a_step_is_found_again_when_its_flow_is_started_by_itself(tmp_path: Path) -> None:
    """What was changed and not proven inside another flow is proven when its own flow runs."""

    class Unsure(Leave):
        proven = False
        proofs = 0

        async def verify(self, context: StepContext) -> CheckResult:
            type(self).proofs += 1
            return done("proven") if self.proven else needed("cannot be proven")

    step = Unsure(tmp_path / "a", name="a")
    whole = Play(tmp_path, [inner(step)], ["yes", "stop"])
    assert (await whole.run()).outcome == "failed"
    alone = Play(tmp_path, [step], name="inner")
    Unsure.proven = True
    before = Unsure.proofs
    assert (await alone.run()).outcome == "done"
    assert Unsure.proofs == before + 1
    assert (await Play(tmp_path, [step], name="inner").run()).words.startswith("nothing to do")
    assert Unsure.proofs == before + 1, "what is proven is not proven again"


async def test_two_flows_of_one_step_name_do_not_share_what_is_unproven(tmp_path: Path) -> None:
    step = Leave(tmp_path / "a", name="a")
    (tmp_path / "site.toml").write_text(SITE)
    one, other = inner(step, name="one"), inner(Leave(tmp_path / "b", name="a"), name="other")
    play = Play(tmp_path, [one, other], ["all"])
    assert (await play.run()).outcome == "done"
    flows = [entry.data["flow"] for entry in play.record.entries if entry.kind == "intent"]
    assert flows == ["one", "other"]
