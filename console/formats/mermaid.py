"""The topology as a Mermaid flowchart, which code hosts draw inside Markdown."""

from __future__ import annotations

from console.formats.chart import Chart, Machine, volume_words

_CODES = {character: f"#{ord(character)};" for character in '"#%&<>`\\;'}
"""Mermaid takes HTML and Markdown in labels; these characters are written as its own entity codes.

Two % and a brace begin a directive, wherever they stand: it would say how the page's diagrams are drawn."""


def render(chart: Chart) -> str:
    """Return the flowchart; node names are ours, and only labels hold foreign words."""
    lines = ["---", f"title: {_title(chart.title)}", "---", "flowchart LR"]
    if chart.rows:
        lines.append(f"  internet([{_quote('internet', chart.public)}])")
        lines.append(f"  subgraph proxy[{_quote(chart.proxy)}]")
        for number, row in enumerate(chart.rows):
            words = [f"{row.lane.port} {row.listener}", *([row.check] if row.check else [])]
            lines.append(f"    listener{number}[{_quote(*words)}]")
        lines.append("  end")
    if any(row.target for row in chart.rows):
        lines.append("  tunnel{{tunnel}}")
    for number, machine in enumerate(chart.machines):
        lines += _machine(chart, number, machine)
    for number, row in enumerate(chart.rows):
        lines.append(f"  internet -->|{_quote(row.lane.protocol)}| listener{number}")
        if row.target:
            lines.append(f"  listener{number} -->|{_quote(row.header)}| tunnel")
            lines.append(f"  tunnel -->|{_quote(row.target)}| service{number}")
    return "\n".join(lines)


def _machine(chart: Chart, number: int, machine: Machine) -> list[str]:
    words = [machine.name, " · ".join(machine.notes)] if machine.notes else [machine.name]
    lines = [f"  subgraph machine{number}[{_quote(*words)}]"]
    lines += [
        f"    service{at}[{_quote(row.service or row.target)}]"
        for at, row in enumerate(chart.rows)
        if row.target and row.machine == machine.name
    ]
    for at, volume in enumerate(machine.volumes):
        lines.append(f"    volume{number}_{at}[({_quote(*volume_words(volume))})]")
    if len(lines) == 1:
        lines.append(f"    empty{number}[{_quote('no lane ends here')}]")
    return [*lines, "  end"]


def _quote(*lines: str) -> str:
    return '"' + "<br/>".join("".join(_CODES.get(each, each) for each in line) for line in lines) + '"'


def _title(text: str) -> str:
    """Return a YAML string: the front matter is YAML."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%%", "\\x25\\x25") + '"'
