"""Three themes: dark, light, and the terminal's own palette. Colour is for states; the rest keeps quiet."""

from __future__ import annotations

from msgspec import Struct
from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

from console.model import Outcome, Severity, Verdict

DARK, LIGHT, TERMINAL = "cowhand-dark", "cowhand-light", "cowhand-terminal"
NAMES = (DARK, LIGHT, TERMINAL)
"""In the order in which one key goes through them."""

MARKS: dict[Outcome, str] = {"ok": "●", "degraded": "▲", "failed": "✗", "unknown": "?", "skipped": "·"}
"""A shape for each outcome, so that colour is never alone."""

VERDICTS: dict[Verdict, Outcome] = {"well": "ok", "degraded": "degraded", "down": "failed", "unknown": "unknown"}
SEVERITIES: dict[Severity, str] = {"critical": "◆", "high": "◆", "medium": "◇", "low": "·"}


class Ink(Struct, frozen=True):
    """The styles of one theme; each carries its background, so that a piece of text is complete."""

    text: Style
    bright: Style
    muted: Style
    faint: Style
    key: Style
    ok: Style
    degraded: Style
    failed: Style
    unknown: Style
    broken: Style
    badge: Style
    lab: Style
    choice: Style

    def state(self, outcome: Outcome) -> Style:
        """Return the style of a lamp."""
        if outcome == "ok":
            return self.ok
        if outcome == "degraded":
            return self.degraded
        if outcome == "failed":
            return self.failed
        return self.unknown if outcome == "unknown" else self.muted

    def severity(self, severity: Severity) -> Style:
        """Return the style of a finding's mark."""
        if severity == "critical":
            return self.failed
        return self.degraded if severity == "high" else self.unknown if severity == "medium" else self.muted

    def chosen(self, style: Style) -> Style:
        """Return a style as it looks where the cursor is."""
        return style + self.choice


def ink(name: str, colour: bool = True) -> Ink:
    """Return the styles of a theme; without `colour` only weight and inversion tell things apart."""
    if name == TERMINAL or not colour:
        return _palette_ink(colour)
    dark = name != LIGHT
    text, bright, muted, faint = (
        ("#c3c9d1", "#f4f6f8", "#858e99", "#3a414a") if dark else ("#2b3138", "#000000", "#66707b", "#c3c9cf")
    )
    ok, degraded, failed, unknown = (
        ("#4fae62", "#e3a93c", "#ff6b61", "#79a8dc") if dark else ("#1a7f37", "#8f5e00", "#c81e2b", "#2563a8")
    )
    ground, choice = ("#0e1114", "#26303c") if dark else ("#fcfcfa", "#dfe7f0")

    def on(colour: str, bold: bool | None = None) -> Style:
        return Style(color=colour, bgcolor=ground, bold=bold)

    return Ink(
        text=on(text),
        bright=on(bright, bold=True),
        muted=on(muted),
        faint=on(faint),
        key=on(bright),
        ok=on(ok),
        degraded=on(degraded),
        failed=on(failed),
        unknown=on(unknown),
        broken=on(failed, bold=True),
        badge=Style(color=ground, bgcolor=degraded, bold=True),
        lab=Style(color=ground, bgcolor=unknown, bold=True),
        choice=Style(bgcolor=choice, bold=True),
    )


def _palette_ink(colour: bool) -> Ink:
    def named(name: str, bold: bool | None = None, reverse: bool | None = None) -> Style:
        return Style(color=name if colour else None, bold=bold, reverse=reverse)

    plain = Style()
    return Ink(
        text=plain,
        bright=Style(bold=True),
        muted=Style(dim=True),
        faint=Style(dim=True),
        key=Style(bold=True),
        ok=named("green"),
        degraded=named("yellow"),
        failed=named("red"),
        unknown=named("cyan"),
        broken=named("red", bold=True),
        badge=named("yellow", bold=True, reverse=True),
        lab=named("cyan", bold=True, reverse=True),
        choice=Style(reverse=True, dim=False),
    )


def themes() -> tuple[Theme, ...]:
    """Return what Textual itself needs to know of the three."""
    return (
        Theme(DARK, primary="#79a8dc", foreground="#c3c9d1", background="#0e1114", surface="#0e1114", panel="#0e1114"),
        Theme(
            LIGHT,
            primary="#2563a8",
            foreground="#2b3138",
            background="#fcfcfa",
            surface="#fcfcfa",
            panel="#fcfcfa",
            dark=False,
        ),
        Theme(
            TERMINAL,
            primary="ansi_blue",
            foreground="ansi_default",
            background="ansi_default",
            surface="ansi_default",
            panel="ansi_default",
            boost="ansi_default",
            variables=BUILTIN_THEMES["ansi-dark"].variables,
            ansi=True,
        ),
    )
