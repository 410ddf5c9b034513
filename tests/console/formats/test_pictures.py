"""The topology as a picture: what is drawn, in grammars that are kept, whatever the files are named."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lark import Lark

from console.__main__ import main
from console.estate.load import load
from console.formats import chart, dot, mermaid, svg
from console.formats.chart import Chart
from tests.console.estates import CASES, SEED

# The DOT language, as graphviz.org writes it down; without HTML labels and ports, which are never written.
DOT = Lark(
    r"""
    start: ("strict")? ("graph" | "digraph") ID? "{" statement* "}"
    statement: (node | edge | attributes | assignment | subgraph) ";"?
    attributes: ("graph" | "node" | "edge") list
    assignment: ID "=" ID
    node: ID list?
    edge: (ID | subgraph) ("->" (ID | subgraph))+ list?
    subgraph: "subgraph" ID "{" statement* "}"
    list: "[" (ID "=" ID (";" | ",")?)* "]"
    ID: /[A-Za-z_\x80-\xff][A-Za-z_0-9\x80-\xff]*/ | /-?(\.\d+|\d+(\.\d*)?)/ | /"(?:[^"\\]|\\.)*"/s
    %import common.WS
    %ignore WS
    """,
    parser="earley",
)

LABEL = r'"(?:[^"&<>`\\;\n]|#\d+;|<br/>)*"'
MERMAID = [
    re.compile(pattern)
    for pattern in (
        "---", r'title: "(?:[^"\\]|\\.)*"', "flowchart LR", rf"  internet\(\[{LABEL}\]\)",
        rf"  subgraph \w+\[{LABEL}\]",
        "  end", r"  tunnel\{\{tunnel\}\}", rf"    \w+\[{LABEL}\]", rf"    \w+\[\({LABEL}\)\]",
        rf"  \w+ -->\|{LABEL}\| \w+",
    )
]  # fmt: skip

HOSTILE = 'x"><script>alert(1)</script>&amp;`*_#;"\\'


def hostile(tmp_path: Path) -> Path:
    """An estate whose names are not nice."""
    folder = tmp_path / "hostile"
    shutil.copytree(SEED, folder)
    config = folder / "haproxy.cfg"
    config.write_text(config.read_text().replace("10.10.10.214:10025", '"<b>&\\"\\\\n.example":10025'))
    tofu = folder / "mailcow.tf"
    tofu.write_text(tofu.read_text().replace('"mailcow"', '"m\\"]; end <i>&"').replace("50GiB", "<svg onload=x>"))
    site = folder / "site.toml"
    site.write_text(site.read_text().replace('"rehearsal"', f"'{HOSTILE}'").replace("vps", "v-ps"))
    return folder


@pytest.fixture(params=["seed", "corrected", "hostile", "terminated"])
def drawn(request: pytest.FixtureRequest, tmp_path: Path) -> Chart:
    if request.param == "terminated":
        folder = Path(shutil.copytree(CASES / "estates" / "terminated", tmp_path / "estate"))
        (folder / "site.toml").write_text('[sources]\nhaproxy=["haproxy.cfg"]\nopentofu=["mailcow.tf"]\n')
    else:
        folder = {"seed": SEED, "corrected": CASES / "estates" / "corrected"}.get(request.param) or hostile(tmp_path)
    found = load(folder / "site.toml")
    return chart.draw(found.topology, found.title)


def test_dot_keeps_its_grammar(drawn: Chart):
    DOT.parse(dot.render(drawn))


def test_mermaid_keeps_its_grammar(drawn: Chart):
    for line in mermaid.render(drawn).split("\n"):
        assert any(pattern.fullmatch(line) for pattern in MERMAID), line


def test_svg_is_whole_and_holds_no_foreign_element(drawn: Chart):
    root = ElementTree.fromstring(svg.render(drawn))
    names = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in root.iter()}
    assert names <= {"svg", "style", "rect", "text", "path", "g", "title", "ellipse"}
    for element in root.iter():
        assert not [name for name in element.attrib if name.startswith("on") or "href" in name]
    assert "http" not in svg.render(drawn).replace('xmlns="http://www.w3.org/2000/svg"', "").replace("https", "")


def test_nothing_is_drawn_outside_the_picture(drawn: Chart):
    root = ElementTree.fromstring(svg.render(drawn))
    _, _, width, height = (float(each) for each in root.attrib["viewBox"].split())
    for element in root.iter("{http://www.w3.org/2000/svg}rect"):
        box = {name: float(element.attrib.get(name, 0)) for name in ("x", "y", "width", "height")}
        assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= height


def words(picture: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(picture).iter() if element.text]


def test_every_lane_machine_and_volume_is_in_every_picture():
    found = load(SEED / "site.toml")
    seed = chart.draw(found.topology, found.title)
    for picture in (svg.render(seed), dot.render(seed), mermaid.render(seed)):
        for word in (
            "10.10.10.214:10025", "10.10.10.214:14190", "postfix:10465", "nginx:80", "PROXY v1", "no header", "smtps",
            "25 smtp", "mailcow_var_lib_docker", "50GiB block at /var/lib/docker", "virtual-machine", "vps",
            "mail.benoit.jp.net", "check: connects", "rehearsal",
        ):  # fmt: skip
            assert word in picture


def test_a_name_in_a_file_stays_a_name(tmp_path: Path):
    found = load(hostile(tmp_path) / "site.toml")
    bad = chart.draw(found.topology, found.title)
    assert any("<script>" in each for each in words(svg.render(bad)))
    assert "<script" not in svg.render(bad)
    assert "<script" not in mermaid.render(bad).split("---")[2]


@pytest.mark.parametrize(
    ("form", "begins"), [("svg", "<svg "), ("dot", "digraph "), ("mermaid", "---\n"), ("text", "")]
)
def test_show_prints_it(form: str, begins: str, capsys: pytest.CaptureFixture[str]):
    assert main(["--site", str(SEED / "site.toml"), "show", "--format", form]) == 0
    assert capsys.readouterr().out.startswith(begins)


RENDER: list[Callable[[Chart], str]] = [svg.render, dot.render, mermaid.render]


@pytest.mark.parametrize("render", RENDER, ids=["svg", "dot", "mermaid"])
def test_an_estate_without_lanes_is_still_a_picture(render: Callable[[Chart], str]):
    assert "empty" in render(Chart("empty", "clients", "HAProxy", (), ()))


def test_the_picture_in_the_readme_is_the_one_that_show_draws():
    found = load(SEED / "site.toml")
    kept = Path(__file__).parents[3] / "snapshots" / "topology.svg"
    assert kept.read_text() == svg.render(chart.draw(found.topology, found.title)) + "\n"
