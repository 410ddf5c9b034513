"""The picker: the operator's own sites. Nothing is asked of any before one is opened."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from console.site import SiteListed
from screens.text import Line, clip, fit, follow
from screens.view import View
from screens.widgets.pane import Pane


class Sites(View):
    """A list of sites; enter opens the one under the cursor."""

    NAME: ClassVar[str] = "sites"

    def __init__(self) -> None:
        super().__init__(id="sites")
        self.cursor = self.top = 0

    def compose(self) -> ComposeResult:
        """Lay out the one pane."""
        yield Pane(self._rows, id="sites-list")

    def sites(self) -> list[SiteListed]:
        """The sites that pass the filter."""
        return [site for site in self.cowhand.sites() if self.wanted in f"{site.name} {site.words}".lower()]

    def chosen(self) -> SiteListed | None:
        """The site under the cursor."""
        sites = self.sites()
        return sites[min(self.cursor, len(sites) - 1)] if sites else None

    def _rows(self, width: int, height: int) -> list[Line]:
        ink, sites, chosen = self.ink, self.sites(), self.chosen()
        if chosen is None:
            what = f"no site has “{self.wanted}” in it" if self.wanted else "you have no named sites"
            return [((f" {what}; ", ink.muted), ("cowhand --site NAME init", ink.text), (" makes one", ink.muted))]
        room = max(height - 2, 1)
        self.cursor = min(self.cursor, len(sites) - 1)
        self.top = follow(self.top, self.cursor, len(sites), room)
        rows = [self._row(site, width, at == self.cursor) for at, site in enumerate(sites)][self.top : self.top + room]
        return [*rows, *[()] * (room - len(rows) + 1), ((f" {clip(chosen.path, width - 2)}", ink.muted),)][:height]

    def _row(self, site: SiteListed, width: int, here: bool) -> Line:
        ink = self.ink
        row: Line = (
            ("▸" if here else " ", ink.bright),
            (f"{fit(site.name, 20)} ", ink.bright if here else ink.text),
            (fit(site.words, max(width - 22, 1)), ink.muted if site.usable else ink.broken),
        )
        return tuple((text, ink.chosen(worn)) for text, worn in row) if here else row

    def do(self, id: str) -> None:
        """Move, or open a site."""
        page = max(self.size.height - 3, 1)
        moves = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "first": -1000, "last": 1000}
        if id in moves:
            self.cursor = min(max(self.cursor + moves[id], 0), max(len(self.sites()) - 1, 0))
        elif id == "open" and (chosen := self.chosen()) is not None:
            if chosen.usable:
                self.cowhand.open_site(chosen.path)
            else:
                self.cowhand.say(clip(f"{chosen.name} {chosen.words}", self.size.width - 2))
        self.redraw()

    def filter(self, text: str) -> None:
        """Keep the sites that have `text` in name or words."""
        self.wanted, self.cursor, self.top = text.lower(), 0, 0
        self.redraw()

    def text(self) -> str:
        """The sites as plain lines."""
        return "".join(f"{site.name}  {site.path}  {site.words}\n" for site in self.sites())


SCREEN = Sites
