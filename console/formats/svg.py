"""The topology as an SVG file: without external fonts, scripts or links; light and dark."""

from __future__ import annotations

from html import escape

from console.formats.chart import Chart, Machine, Row, volume_words
from console.model import Volume

WIDTH = 900
ROW, TOP, LEFT = 58, 116, 24
COLUMNS = ((24, 132), (188, 156), (388, 70), (502, 182), (716, 160))
"""Left edge and width of the columns: internet, haproxy, tunnel, vm, service."""

TITLES = ("internet", "haproxy", "tunnel", "vm", "service")
VOLUME = (256, 74)

STYLE = """\
  text { font-family: ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .paper { fill: #ffffff; } .title { font-size: 20px; font-weight: 600; } .name { font-size: 13px; font-weight: 600; }
  .note { font-size: 11px; fill: #59636e; } .head { font-size: 11px; fill: #59636e; letter-spacing: 1px; }
  .box { fill: #f6f8fa; stroke: #d1d9e0; } .band { fill: #ddf4ff; stroke: #54aeff; }
  .disk { fill: #fff8c5; stroke: #d4a72c; } .way { stroke: #818b98; stroke-width: 1.5; fill: none; }
  .tip { fill: #818b98; } .good { fill: #1a7f37; } .fair { fill: #9a6700; } .poor { fill: #d1242f; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .paper { fill: #0d1117; } .note, .head { fill: #9198a1; }
    .box { fill: #151b23; stroke: #3d444d; } .band { fill: #121d2f; stroke: #1f6feb; }
    .disk { fill: #272115; stroke: #9e6a03; } .way { stroke: #656c76; } .tip { fill: #656c76; }
    .good { fill: #3fb950; } .fair { fill: #d29922; } .poor { fill: #f85149; }
  }"""

_CLASSES = {"no check": "poor", "check: connects": "fair", "check: TLS": "fair", "check: answers": "good"}


def render(chart: Chart) -> str:
    """Return the whole picture: lanes are rows, hops are columns, and machines with their volumes are below."""
    body, height = _lanes(chart), TOP + ROW * len(chart.rows) + 8
    for machine in chart.machines:
        part, tall = _machine(machine, height)
        body += part
        height += tall
    height += 16
    lanes = f"{len(chart.rows)} lane{'s' * (len(chart.rows) != 1)}"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        f' role="img" aria-label="{escape(chart.title)}: {lanes}">',
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        _text(LEFT, 40, chart.title, "title", 60),
        _text(LEFT, 62, f"{lanes} · dialled as {chart.public} · through {chart.proxy}", "note", 120),
    ]
    return "\n".join([*head, *body, "</svg>"])


def _lanes(chart: Chart) -> list[str]:
    if not chart.rows:
        return []
    body = [_text(x + 2, TOP - 14, title.upper(), "head", 20) for (x, _), title in zip(COLUMNS, TITLES, strict=True)]
    dialled = [number for number, row in enumerate(chart.rows) if row.target]
    if dialled:
        x, width = COLUMNS[2]
        top, tall = TOP + ROW * dialled[0], ROW * (dialled[-1] - dialled[0] + 1) - 10
        body.append(f'<rect class="band" x="{x}" y="{top}" width="{width}" height="{tall}" rx="10"/>')
    for number, row in enumerate(chart.rows):
        body += _row(row, TOP + ROW * number)
    return body


def _row(row: Row, top: int) -> list[str]:
    (a, a_wide), (b, b_wide), (c, c_wide), (d, d_wide), (e, _) = COLUMNS
    middle = top + 24
    body = [
        *_box(0, top, f"{row.lane.port} {row.lane.protocol}", row.dialled and f"on {row.dialled}", ""),
        *_box(1, top, row.listener, row.check, _CLASSES.get(row.check, "")),
        _arrow(a + a_wide, b, middle),
    ]
    if row.target:
        tone = "good" if row.lane.proxy_protocol and not row.lane.headers else ""
        body += [
            f'<path class="way" d="M{b + b_wide} {middle}H{c}"/>',
            f'<path class="way" stroke-dasharray="4 4" d="M{c} {middle}H{c + c_wide}"/>',
            _arrow(c + c_wide, d, middle),
            *_box(3, top, row.target, f"{row.machine} · {row.header}" if row.machine else row.header, tone),
        ]
        if row.service:
            body += [_arrow(d + d_wide, e, middle), *_box(4, top, row.service, _tls(row), "")]
    return body


def _tls(row: Row) -> str:
    return "TLS ends at HAProxy" if row.lane.tls == "terminated" else "TLS passes through"


def _box(column: int, top: int, name: str, note: str, tone: str) -> list[str]:
    x, width = COLUMNS[column]
    letters = (width - 20) // 7
    body = [
        f"<g><title>{escape(name)}{escape(f': {note}' if note else '')}</title>",
        f'<rect class="box" x="{x}" y="{top}" width="{width}" height="48" rx="8"/>',
        _text(x + 10, top + (20 if note else 29), name, "name", letters),
    ]
    if note:
        body.append(_text(x + 10, top + 37, note, f"note {tone}".strip(), (width - 16) // 6 + 1))
    return [*body, "</g>"]


def _arrow(start: int, end: int, y: int) -> str:
    line = f'<path class="way" d="M{start} {y}H{end - 6}"/>'
    return f'{line}<path class="tip" d="M{end} {y}l-7 -4v8z"/>'


def _machine(machine: Machine, top: int) -> tuple[list[str], int]:
    """Return a machine's part of the picture, and how tall it is."""
    wide, tall = VOLUME
    each = (WIDTH - 2 * LEFT - 16) // (wide + 16)
    rows = -(-len(machine.volumes) // each)
    height = 54 + rows * (tall + 14)
    body = [
        f'<rect class="box" x="{LEFT}" y="{top}" width="{WIDTH - 2 * LEFT}" height="{height}" rx="10"/>',
        _text(LEFT + 16, top + 24, machine.name, "name", 60),
        _text(LEFT + 16, top + 42, " · ".join(machine.notes) or "in no given OpenTofu file", "note", 130),
    ]
    for number, volume in enumerate(machine.volumes):
        x = LEFT + 16 + (number % each) * (wide + 16)
        body += _disk(volume, x, top + 54 + (number // each) * (tall + 14))
    return body, height + 14


def _disk(volume: Volume, x: int, y: int) -> list[str]:
    wide, tall = VOLUME
    name, note = volume_words(volume)
    side, low = y + 8, y + tall - 12
    curve = f"M{x} {side}v{low - side}a{wide / 2:g} 8 0 0 0 {wide} 0v{side - low}"
    return [
        f"<g><title>{escape(name)}: {escape(note)}</title>",
        f'<path class="disk" d="{curve}"/>',
        f'<ellipse class="disk" cx="{x + wide / 2:g}" cy="{side}" rx="{wide / 2:g}" ry="8"/>',
        _text(x + 14, y + 36, name, "name", 32),
        _text(x + 14, y + 53, note, "note", 40),
        "</g>",
    ]


def _text(x: int, y: int, words: str, kind: str, most: int) -> str:
    shown = words if len(words) <= most else words[: most - 1] + "…"
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(shown)}</text>'
