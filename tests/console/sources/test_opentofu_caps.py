"""Whatever is cut off is said, with its place: nobody takes what is shown for all there is."""

from __future__ import annotations

import pytest

from console.sources.opentofu import syntax
from console.sources.opentofu.files import DEEPEST, MOST, Tofu, link
from console.sources.opentofu.scope import MOST_COPIES

pytestmark = pytest.mark.slow

VOLUME = 'resource "incus_storage_volume" "v{0}" {{ name = "v{0}" }}\n'
VM = 'resource "incus_instance" "v{0}" {{ name = "v{0}" }}\n'
COPIES = 'resource "incus_storage_volume" "v" {{\n name = "v"\n {0}\n}}\n'


def read(text: str, modules: dict[str, str] | None = None) -> Tofu:
    called = {path: [syntax.parse(inner, f"{path}/m.tf")] for path, inner in (modules or {}).items()}
    return link([syntax.parse(text, "m.tf")], called)


ROWS = [
    ("".join(VOLUME.format(at) for at in range(MOST)), ""),
    ("".join(VOLUME.format(at) for at in range(MOST + 1)), f"m.tf:{MOST + 1}:1: more than {MOST} volumes"),
    ("".join(VM.format(at) for at in range(MOST + 1)), f"m.tf:{MOST + 1}:1: more than {MOST} instances"),
    (COPIES.format(f"count = {MOST_COPIES}"), ""),
    (COPIES.format(f"count = {MOST_COPIES + 1}"), f"m.tf:3:2: count: {MOST_COPIES + 1} is more than"),
    (COPIES.format("for_each = toset([for i in range(1000) : tostring(i)])"), ""),
    (
        COPIES.format("for_each = toset([for i in range(5000) : tostring(i)])"),
        "m.tf:3:2: for_each: tofu would refuse it: range() of more than 1024 numbers; all its copies are told as one",
    ),
    (
        COPIES.format("for_each = toset(flatten([for a in range(700) : [for b in range(700) : a * b]]))"),
        "m.tf:3:2: for_each: ",
    ),
    (COPIES.format("for_each = var.theirs"), ""),
]


@pytest.mark.parametrize(("text", "said"), ROWS, ids=[f"row {at}" for at in range(len(ROWS))])
def test_what_is_cut_off_is_said_once_with_its_place(text: str, said: str) -> None:
    problems = [str(problem) for problem in read(text).problems]
    assert len(problems) == bool(said)
    assert not said or problems[0].startswith(said)


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1])
def test_modules_too_deep_inside_each_other_are_said(depth: int) -> None:
    modules = {
        f"m{at}": VOLUME.format(at) + (f'module "m{at + 1}" {{\n source = "../m{at + 1}"\n}}\n' if at < depth else "")
        for at in range(1, depth + 1)
    }
    told = read('module "m1" {\n source = "./m1"\n}\n', modules)
    assert len(told.volumes) == min(depth, DEEPEST)
    assert [str(each) for each in told.problems] == (
        []
        if depth == DEEPEST
        else [
            f"m{DEEPEST}/m.tf:2:1: more than {DEEPEST} modules inside each other: what this one declares is not shown"
        ]
    )
