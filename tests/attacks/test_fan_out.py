"""Files that name files: a small repository cannot make cowhand read, parse or build without end.

What is counted are readings, conversions and things made, never seconds."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.__main__ import main
from console.errors import InputError, Refused
from console.estate import files, load, opentofu, site_file, text_file
from console.flows import StepContext, rotate_certificate
from console.flows.certificate_sync.ground import Ground
from console.hosts.local import Local
from console.model import Bind, Lane, Span, Topology
from console.probes.sweep import sweep
from console.sources import compose, haproxy
from console.sources import opentofu as hcl
from console.sources.compose import further, tree
from console.sources.compose.files import Compose
from console.sources.haproxy import routing
from console.sources.opentofu import scope

Lay = Callable[[dict[str, str]], Path]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Write files below a folder; return the site file, which is one of them."""

    def write(texts: dict[str, str]) -> Path:
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path / "site.toml"

    return write


def said(read: Compose) -> list[str]:
    return [str(problem) for problem in read.problems]


def chain(depth: int, wide: int = 8) -> dict[str, str]:
    """B11: 1.7 kB of YAML, in which each file includes the next one eight times."""
    found = {f"inc{n}.yml": "include:\n" + f"  - inc{n + 1}.yml\n" * wide for n in range(depth)}
    return {**found, f"inc{depth}.yml": "services:\n  a:\n    image: x\n"}


def limited(seconds: int, megabytes: int, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with so much of the processor and of memory and no more: generous, and nothing like the attack."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    argv = [sys.executable, "-c", program, *words]
    return subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, preexec_fn=limit, check=False)


LINT = "import sys; from console.__main__ import main; sys.exit(main(['--site', sys.argv[1], 'lint']))"


# ── compose: include, extends, env_file ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_lint_ends_on_files_that_include_each_other_eightfold(lay: Lay) -> None:
    site = lay({"site.toml": '[sources]\ncompose = ["inc0.yml"]\n', **chain(12)})
    done = limited(40, 2000, LINT, str(site))
    assert done.returncode == 2, done.stderr[-500:]
    assert "inc8.yml:2:5: more than 8 files that include each other" in done.stderr


@pytest.mark.parametrize("wide", [1, 2, 3])
def test_a_file_is_read_once_for_the_same_variables_however_often_it_is_included(
    wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: Counter[str] = Counter()
    real = tree.Convert.item

    def item(self: tree.Convert, node: object) -> tree.Item:
        if not self.made:
            converted[self.file] += 1
        return real(self, node)

    monkeypatch.setattr(tree.Convert, "item", item)
    asked: list[str] = []
    texts = chain(7, wide)

    def text(path: str) -> str | None:
        asked.append(path)
        return texts.get(path)

    compose.merge([("inc0.yml", texts["inc0.yml"])], {}, text)
    assert set(converted.values()) == {1} and set(converted) == set(texts)
    assert len(asked) == len(set(asked))


def test_more_files_than_an_estate_has_are_said_where_the_first_too_many_is_named() -> None:
    texts = {f"{n}.yml": f"services:\n  s{n}:\n    image: x\n" for n in range(70)}
    text = "include:\n" + "".join(f"  - {n}.yml\n" for n in range(70))
    read = compose.merge([("a.yml", text)], {}, texts.get)
    assert said(read) == [
        "a.yml:66:5: more than 64 files are included, extended or named as env_file: the rest is not read; "
        "is this the right file?"
    ]
    assert len(read.services) == further.MOST_READ


def test_as_many_files_as_an_estate_may_have_are_read_without_a_word() -> None:
    texts = {f"{n}.yml": f"services:\n  s{n}:\n    image: x\n" for n in range(64)}
    read = compose.merge([("a.yml", "include:\n" + "".join(f"  - {n}.yml\n" for n in range(64)))], {}, texts.get)
    assert not read.problems and len(read.services) == 64


@pytest.mark.parametrize(
    "text",
    [
        "include:\n" + "".join(f"  - {{path: b.yml, env_file: [{n}.env]}}\n" for n in range(70)),
        "services:\n" + "".join(f"  s{n}: {{extends: {{file: {n}.yml, service: x}}}}\n" for n in range(70)),
        "services:\n" + "".join(f"  s{n}: {{env_file: {n}.env}}\n" for n in range(70)),
        "services:\n  a:\n    env_file:\n" + "".join(f"      - {n}.env\n" for n in range(70)),
    ],
    ids=["variables", "extends", "env files", "a list of env files"],
)
def test_every_way_of_naming_a_file_counts(text: str) -> None:
    texts = {f"{n}.yml": "services: {x: {image: x}}\n" for n in range(70)} | {"b.yml": "services: {}\n"}
    texts |= {f"{n}.env": f"A{n}=${{A{n - 1}}}x\n" for n in range(70)}
    assert any("more than 64 files" in each for each in said(compose.merge([("a.yml", text)], {}, texts.get)))


def test_the_texts_of_all_further_files_together_are_limited() -> None:
    long = "# " + "x" * (1 << 19)
    texts = {f"{n}.yml": f"{long}\nservices: {{s{n}: {{image: x}}}}\n" for n in range(3)}
    read = compose.merge([("a.yml", "include: [0.yml, 1.yml, 2.yml]\n")], {}, texts.get)
    assert len(said(read)) == 1 and said(read)[0].startswith("a.yml:1:18: more than 1 MiB are included")


def test_a_file_that_includes_itself_is_said_where_it_does() -> None:
    texts = {"b.yml": "include: [b.yml]\nservices: {x: {image: x}}\n"}
    read = compose.merge([("a.yml", "include: [b.yml]\n")], {}, texts.get)
    assert said(read) == ["b.yml:1:11: a file that includes itself"]
    assert list(read.services) == ["x"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "texts", "sentence"),
    [
        (
            "include:\n" + "  - b.yml\n" * 300,
            {"b.yml": "services:\n" + "".join(f"  s{n}: {{image: x}}\n" for n in range(100))},
            "a.yml:101:5: more than 10000 services or files come from files that include others",
        ),
        (
            "x: &e\n" + "".join(f"  A{n}: b\n" for n in range(2000)) +
            "services:\n" + "".join(f"  s{n}: {{environment: *e}}\n" for n in range(60)),
            {},
            "a.yml:1:4: services are given more than 100000 variables",
        ),
        (
            "services:\n" + "".join(f"  s{n}: {{env_file: b.env}}\n" for n in range(60)),
            {"b.env": "".join(f"A{n}=b\n" for n in range(2000))},
            "services are given more than 100000 variables",
        ),
        (
            "x: &p\n  - 1-60000:1-60000\nservices:\n" + "".join(f"  s{n}: {{ports: *p}}\n" for n in range(50)),
            {},
            "more than 10000 ports are published: the rest is not read",
        ),
        (
            "services:\n  s:\n    labels:\n" + "".join(f"      a{n}: b\n" for n in range(10001)),
            {},
            "more than 10000 entries are put together: the rest stays as it is",
        ),
    ],
    ids=["services", "variables by alias", "variables by file", "ports", "entries"],
)  # fmt: skip
def test_what_multiplies_ends_at_a_limit_that_is_said(text: str, texts: dict[str, str], sentence: str) -> None:
    read = compose.merge([("a.yml", text)], {}, texts.get)
    assert any(sentence in each for each in said(read)), said(read)[:3]
    assert len(read.published) <= tree.MOST
    assert sum(map(len, read.environment.values())) <= further.MOST_VARIABLES


@pytest.mark.slow
def test_many_services_that_are_given_the_same_many_variables_do_not_fill_the_memory(lay: Lay) -> None:
    text = "x: &e\n" + "".join(f"  A{n}: b\n" for n in range(8000)) + "services:\n"
    text += "".join(f"  s{n}: {{environment: *e}}\n" for n in range(4000))
    site = lay({"site.toml": '[sources]\ncompose = ["a.yml"]\n', "a.yml": text})
    done = limited(120, 1500, LINT, str(site))
    assert done.returncode == 2, done.stderr[-500:]
    assert "services are given more than 100000 variables" in done.stderr


DOUBLED = "A0=0123456789\n" + "".join(f"A{n}=${{A{n - 1}}}$A{n - 1}\n" for n in range(1, 64))


@pytest.mark.parametrize("name", ["mailcow.conf", "compose.yml"])
def test_variables_of_variables_do_not_fill_the_memory(name: str, lay: Lay) -> None:
    text = {"mailcow.conf": DOUBLED, "compose.yml": "services: {}\n"}
    if name == "compose.yml":
        # Each of its texts alone would have room.
        text["mailcow.conf"] = "A=" + "x" * 10_000 + "\n"
        text[name] = "x-a: [" + ", ".join(['"$A$A$A$A$A$A$A$A$A$A"'] * 9_000) + "]\n"
    site = lay({"site.toml": '[sources]\ncompose = ["compose.yml"]\nmailcow_conf = "mailcow.conf"\n', **text})
    done = limited(40, 700, LINT, str(site))
    assert done.returncode == 2, done.stderr[-500:]
    assert f"{name}:" in done.stderr and "variables bring more than 1048576 characters" in done.stderr


# ── OpenTofu: modules, copies, devices, files of expressions ────────────────────────────────────────────────────────


def test_more_folders_of_modules_than_are_read_are_said_where_the_first_is_called(
    lay: Lay, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = "".join(f'module "m{n}" {{\n  source = "./m{n}"\n}}\n' for n in range(66))
    modules = {f"m{n}/a.tf": "" for n in range(66)}
    site = lay({"site.toml": '[sources]\nopentofu = ["main.tf"]\n', "main.tf": calls, **modules})
    assert main(["--site", str(site), "lint"]) == 2
    assert "main.tf:194:3: more than 64 folders of modules: the rest is not read" in capsys.readouterr().err


BLOCK = 'resource "incus_instance" "i{n}" {{\n  count = 256\n  name = "x"\n{devices}}}\n'
DEVICE = '  device {\n    name = "d"\n    type = "disk"\n  }\n'


@pytest.mark.parametrize("what", ["modules", "copies", "devices"])
def test_what_modules_copies_and_devices_multiply_to_ends_at_a_limit_that_is_said(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope, "MOST_MADE", 2000)
    made: Counter[str] = Counter()
    real = scope.Scope.value

    def value(self: scope.Scope, *words: object, **more: object) -> object:
        made["values"] += 1
        return real(self, *words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(scope.Scope, "value", value)
    module = "".join(BLOCK.format(n=n, devices=DEVICE * (20 if what == "devices" else 0)) for n in range(20))
    calls = "".join(f'module "m{n}" {{\n  source = "./m"\n  count = 250\n}}\n' for n in range(4))
    files = [("a.tf", calls if what == "modules" else module)]
    read = hcl.read(files, {"m": [("m/a.tf", module)]})
    assert any(
        "more than 2000 modules, resources and devices come of these files" in str(each) for each in read.problems
    )
    assert made["values"] < 20_000


def test_expressions_name_only_so_many_files() -> None:
    asked: list[str] = []

    def text(path: str) -> str:
        asked.append(path)
        return "x"

    block = 'resource "incus_instance" "i" {\n  count = 200\n  name = "x"\n  image = file("n${count.index}")\n}\n'
    read = hcl.read([("a.tf", block * 2)], {}, {}, text)
    assert len(asked) == len(set(asked)) == scope.MOST_FILES
    assert any("expressions name more than 64 files, or 4 MiB: not read" in each.reason for each in read.unknown)


# ── the estate ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_of_more_files_than_an_estate_has_is_said_and_the_rest_not_opened(
    lay: Lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_FILES", 5)
    opened: list[str] = []
    real = text_file.read

    def read(path: Path, shown: str, *more: int, **named: bool) -> str:
        opened.append(shown)
        return real(path, shown, *more, **named)

    monkeypatch.setattr(text_file, "read", read)
    parts = {f"conf/{n}.cfg": f"listen l{n}\n    bind :{n + 1}\n" for n in range(9)}
    site = lay({"site.toml": '[sources]\nhaproxy = ["conf"]\n', **parts})
    estate = load.Reader().load(site)
    problems = [problem for problem in estate.problems if "more than" in problem.problem]
    assert [str(problem) for problem in problems] == [
        f'{site}:2:12: more than 5 files, or 8 MiB: "conf/5.cfg" and what follows is not read; '
        "is this the right folder?"
    ]
    assert [name for name in opened if name.startswith("conf")] == [f"conf/{n}.cfg" for n in range(5)]


def test_the_bytes_of_all_files_together_are_limited(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    parts = {f"conf/{n}.cfg": "#" * 600 + "\n" for n in range(3)}
    site = lay({"site.toml": '[sources]\nhaproxy = ["conf"]\n', **parts})
    estate = load.Reader().load(site)
    limits = [problem.problem for problem in estate.problems if "more than" in problem.problem]
    assert [problem.split('"')[1] for problem in limits] == ["conf/1.cfg"]


def test_opentofu_files_are_parsed_up_to_a_limit_that_is_said(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opentofu, "LARGEST", 1000)
    parts = {f"tf/{n}.tf": "#" * 600 + "\n" for n in range(3)}
    site = lay({"site.toml": '[sources]\nopentofu = ["tf"]\n', **parts})
    estate = load.Reader().load(site)
    assert [str(problem) for problem in estate.problems if "more than" in problem.problem] == [
        f'{site}:2:13: more than 0 KiB of OpenTofu files: "tf/1.tf" and what follows is not read'
    ]


# ── haproxy.cfg ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_acl_that_many_rules_name_is_worked_out_once_for_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[int] = Counter()
    real = routing._Judge._test

    def test(self: routing._Judge, words: tuple[str, ...]) -> object:
        made[lines] += 1
        return real(self, words)

    monkeypatch.setattr(routing._Judge, "_test", test)
    for lines in (50, 100):
        text = "listen x\n    bind :25\n" + "    acl a src 192.0.2.1\n    use_backend b if a\n" * lines
        assert haproxy.parse(text, "h.cfg").doors
    assert 0 < made[100] <= 3 * made[50]


def test_brackets_inside_each_other_are_refused_whatever_their_number() -> None:
    for count in (1_000, 100_000):
        read = compose.merge([("a.yml", "services: " + "[" * count)], {})
        assert said(read) == ["a.yml:1:1: this is not a compose file: brackets too deep inside each other"]


class Crowded(Local):
    """This machine, with a resolver that has as many addresses for a name as somebody likes."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.connected = count, 0

    async def resolve(self, name: str) -> tuple[str, ...]:
        return tuple(f"127.0.{number // 250}.{number % 250 + 1}" for number in range(self.count))

    async def connect(self, *words: Any, **more: Any) -> Any:
        self.connected += 1
        raise Refused("it said no")


@pytest.mark.parametrize(("count", "asked"), [(32, 64), (33, 0), (5000, 0)])
async def test_a_name_with_thousands_of_addresses_is_not_asked_at_each_of_them(count: int, asked: int) -> None:
    lanes = tuple(
        Lane(f"l{port}", "tcp", port, (Bind("", port),), None, None, "passthrough", Span("x", 1)) for port in (25, 26)
    )
    here = Crowded(count)
    seen = await sweep(Topology(lanes=lanes, public=("mail.example.org",)), {"here": here}, lambda *_: None)
    assert here.connected == asked
    said = {lane.unresolved.detail for lane in seen.lanes.values() if lane.unresolved}
    wanted = {f"mail.example.org has {count} addresses: more than 32 are not asked"}
    assert said == (set() if asked else wanted)


@pytest.mark.parametrize(("count", "asked"), [(32, True), (33, False), (5000, False)])
async def test_nor_by_a_rotation_that_looks_at_what_is_served(count: int, asked: bool, lay: Lay) -> None:
    lane = '[[lane]]\nport = 993\nprotocol = "imaps"\ntarget = "127.0.0.1:993"\n'
    site = lay({"site.toml": f'{lane}[public]\nnames = ["mail.example.org"]\n'})
    here = Crowded(count)
    context = StepContext(load.load(site), {"here": here})
    right, other, crowds = await rotate_certificate._served(context, Ground("", "", "", "", "", ""))
    assert (right, other, bool(here.connected)) == ([], [], asked)
    wanted = [f"mail.example.org has {count} addresses: more than 32 are not asked"]
    assert crowds == ([] if asked else wanted)


def test_a_site_file_names_no_more_than_a_hundred_names() -> None:
    names = ", ".join(f'"a{number}.example.org"' for number in range(101))
    with pytest.raises(InputError, match=r"site\.toml:2:1: 101 names are more than 100"):
        site_file.parse(f"[public]\nnames = [{names}]\n", "site.toml")
