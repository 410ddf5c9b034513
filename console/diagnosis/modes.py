"""The table of suspects: every component in every mode it can be in. A new mode is one row in the modes_*.py of
its place, and one fault in tests/drill/faults.py.

Costs are the minus logarithm of how likely a mode is. A row says what the mode produces (`covers`), which pass clears
it (`forbids`), what must be well for it (`needs`), which fact proves it, and what would tell it from its rivals."""

from __future__ import annotations

from console.diagnosis.mode import Mode
from console.diagnosis.modes_daemons import DAEMONS
from console.diagnosis.modes_haproxy import HAPROXY
from console.diagnosis.modes_home import HOME
from console.diagnosis.modes_outside import OUTSIDE

MODES: tuple[Mode, ...] = (*OUTSIDE, *HAPROXY, *HOME, *DAEMONS)
"""Every row, as an operator's packets go."""
