"""Every place of a certificate, stored or served: equal ones have one letter and one colour."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult

from screens.board import Change
from screens.text import Line, Piece, clip, clip_left, clock, fit, follow, wrap
from screens.view import View
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from rich.style import Style

    from console.events import CertificateSurvey
    from console.model import Certificate, CertificatePlace

WEEK = 7 * 86400
WEEKS = 12
BAR = 24


class Certificates(View):
    """A list of places, with the chosen one's certificate and the next twelve weeks below."""

    NAME: ClassVar[str] = "certificates"

    def __init__(self) -> None:
        super().__init__(id="certificates")
        self.cursor = self.top = 0

    def compose(self) -> ComposeResult:
        """Lay out the one pane."""
        yield Pane(self._draw, id="certificates-list")

    def places(self) -> list[CertificatePlace]:
        """The places that pass the filter."""
        known = self.board.certificates
        places = known.places if known is not None else ()
        return [one for one in places if self.wanted in f"{one.kind} {one.host} {one.where} {one.sni}".lower()]

    # what is shown

    def _draw(self, width: int, height: int) -> list[Line]:
        from console.diagnosis.certificate_places import letters

        known, ink = self.board.certificates, self.ink
        if known is None:
            return [((" every place of a certificate is being looked at", ink.muted),)]
        places = self.places()
        if not places:
            what = f"no place has “{self.wanted}” in it" if self.wanted else "no certificate was found anywhere"
            return [((f" {what}", ink.muted),), *self._told(known, width)]
        called = letters(known.places)
        self.cursor = min(self.cursor, len(places) - 1)
        about = self._about(places[self.cursor], known, called, width)
        room = max(height - len(about) - 2, 1)
        self.top = follow(self.top, self.cursor, len(places), room)
        shown = list(enumerate(places))[self.top : self.top + room]
        head: Line = ((f"   {fit('place', width - 44)} {fit('SNI', 18)} name  key   trust", ink.muted),)
        rows = [self._row(one, called, width, at == self.cursor) for at, one in shown]
        return [head, *rows, *[()] * (room - len(rows) + 1), *about][:height]

    def _colour(self, letter: str) -> Style:
        """Letters beyond the fourth begin again: the letter itself tells them apart."""
        ink = self.ink
        return (ink.ok, ink.unknown, ink.degraded, ink.bright)[(ord(letter[0]) - 65) % 4]

    def _row(self, place: CertificatePlace, called: dict[str, str], width: int, here: bool) -> Line:
        ink, found = self.ink, place.certificate
        stored = place.kind != "served"
        where = clip_left(f"{place.host}:{place.where}" if stored else place.where, width - 44)
        letter = called[found.fingerprint] if found is not None else "?"
        sni = "" if stored else place.sni or "none"
        row: list[Piece] = [
            ("▸" if here else " ", ink.bright),
            (f"{letter:<2}", self._colour(letter) if found is not None else ink.unknown),
            (f"{fit(where, width - 44)} ", ink.bright if here else ink.text),
            (f"{fit(sni, 18)} ", ink.muted),
        ]
        if found is None:
            row.append((clip(place.error, 20), ink.unknown))
        else:
            row += [self._mark(self._covers(found)), self._mark(place.pair) if stored else ("·     ", ink.muted)]
            row.append(self._mark(None if place.trusted is None else place.trusted == ""))
        return tuple((text, ink.chosen(style)) for text, style in row) if here else tuple(row)

    def _mark(self, value: bool | None) -> Piece:
        if value is None:
            return "?     ", self.ink.unknown
        return ("●     ", self.ink.ok) if value else ("✗     ", self.ink.failed)

    def _covers(self, found: Certificate) -> bool | None:
        from console.diagnosis.certificates import covers

        known = self.board.certificates
        name = known.name if known is not None else ""
        return covers(found, name) if name else None

    def _about(
        self, place: CertificatePlace, known: CertificateSurvey, called: dict[str, str], width: int
    ) -> list[Line]:
        ink, found = self.ink, place.certificate
        lines: list[Line] = []
        if found is None:
            lines += [((f" {row}", ink.unknown),) for row in wrap(place.error, width - 2, 2)]
        else:
            lines += self._certificate(found, called[found.fingerprint], known.at, width)
            stored = place.kind != "served"
            key = f"key file {place.key_path}, mode {place.mode}, {place.owner}" if place.mode else ""
            unused = "no crt in HAProxy's configuration names it" if place.unused else ""
            distrust = f"not trusted: {place.trusted}" if place.trusted else ""
            if known.unjudged and not stored:
                distrust = f"cannot tell whether clients trust it: {known.unjudged}"
            told = " · ".join(part for part in (unused, distrust, key) if part)
            lines += [((f" {row}", ink.text),) for row in wrap(told, width - 2, 2)]
        return [*lines, *self._weeks(known, called), *self._told(known, width)]

    def _certificate(self, found: Certificate, letter: str, now: float, width: int) -> list[Line]:
        ink = self.ink
        whole, left = found.not_after - found.not_before, found.not_after - now
        share = min(max(left / whole, 0.0), 1.0) if whole > 0 else 0.0
        style = ink.failed if left <= 0 else ink.degraded if now > found.due else ink.ok
        full = round(share * BAR)
        days = f"{left / 86400:.0f} days left of {whole / 86400:.0f}" if left > 0 else "expired"
        until = time.strftime("%Y-%m-%d", time.gmtime(found.not_after))
        kind = ", ".join(part for part in (*found.names, found.key) if part)
        return [
            (
                (f" {letter} ", self._colour(letter)), ("█" * full, style), ("░" * (BAR - full), ink.faint),
                (f" {days}, until {until}", ink.text),
            ),
            ((clip(f"   {kind}, issued by {found.issuer or 'not known'}", width), ink.text),),
            ((clip(f"   serial {found.serial}", width), ink.muted),),
            ((clip(f"   SHA-256 {found.fingerprint}", width), ink.muted),),
        ]  # fmt: skip

    def _weeks(self, known: CertificateSurvey, called: dict[str, str]) -> list[Line]:
        """Twelve weeks from now: the letter of each certificate in the week in which it ends.

        A number is the days that renewals live from that week on."""
        from console.diagnosis.certificates import lifetimes

        ink = self.ink
        cells: list[str] = ["·"] * WEEKS
        ends: list[tuple[float, str]] = []
        for one in {place.certificate for place in known.places if place.certificate is not None}:
            ends.append((one.not_after, called[one.fingerprint][0]))
            ends += [(at, str(days)) for at, days in lifetimes(one, known.at)]
        for at, mark in dict.fromkeys(ends):
            week = int((at - known.at) // WEEK)
            if 0 <= week < WEEKS:
                cells[week] = mark if cells[week] == "·" else "+"
        pieces: list[Piece] = [("   12 weeks  ", ink.muted)]
        pieces += [(f"{cell:<3}", ink.faint if cell == "·" else ink.bright) for cell in cells]
        if known.renewal is not None:
            pieces.append((f"certbot tries {clock(known.renewal, known.at)}", ink.muted))
        return [tuple(pieces)]

    def _told(self, known: CertificateSurvey, width: int) -> list[Line]:
        """The TLSA records there are; how many findings, with the first; and what could not be seen."""
        from console.diagnosis.tlsa import told

        ink = self.ink
        lines: list[Line] = []
        for each in known.tlsa:
            if each.records or each.error:
                rows = wrap(f"TLSA {each.name}: {told(each, known.places)}", width - 2, 2)
                lines += [((f" {row}", ink.text if each.records else ink.unknown),) for row in rows]
        if known.findings:
            first, more = known.findings[0], len(known.findings) - 1
            words = f"{first.id} {first.summary}" + (f" (and {more} more: cowhand certificates)" if more else "")
            lines += [((f" {row}", ink.broken),) for row in wrap(words, width - 2, 3)]
            lines += [((f" {row}", ink.muted),) for row in wrap(f"remedy: {first.remedy}", width - 2, 3)]
        if known.unseen:
            more = len(known.unseen) - 1
            words = f"not seen: {known.unseen[0]}" + (f" (and {more} more)" if more else "")
            lines += [((f" {row}", ink.unknown),) for row in wrap(words, width - 2, 2)]
        return lines

    # what happens

    def shown(self) -> None:
        """Come to the front, and look again."""
        self.cowhand.engine.look_certificates()
        self.redraw()

    def changed(self, change: Change) -> None:
        """Show what the engine said of the certificates."""
        if change.certificates:
            self.redraw()

    def do(self, id: str) -> None:
        """Move, or look again."""
        page = max(self.size.height - 12, 1)
        moves = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "first": -100_000, "last": 100_000}
        if id in moves:
            self.cursor = min(max(self.cursor + moves[id], 0), max(len(self.places()) - 1, 0))
        elif id == "check":
            self.cowhand.engine.look_certificates()
        self.redraw()

    def filter(self, text: str) -> None:
        """Keep the places that have `text` in kind, host, path, address or name."""
        self.wanted, self.cursor, self.top = text.lower(), 0, 0
        self.redraw()

    def text(self) -> str:
        """The chosen place and its certificate, as plain lines."""
        places = self.places()
        if not places:
            return ""
        place = places[min(self.cursor, len(places) - 1)]
        found = place.certificate
        rows = [f"{place.host}:{place.where}" if place.kind != "served" else place.where, place.error]
        rows += ["no crt in HAProxy's configuration names it"] if place.unused else []
        if found is not None:
            rows += [f"serial {found.serial}", f"SHA-256 {found.fingerprint}", f"public key {found.public_key}"]
        return "".join(f"{row}\n" for row in rows if row)


SCREEN = Certificates
