"""The screens: what the operator sees and presses; they ask the engine, and decide nothing."""

from screens.lean import spare_the_palette

spare_the_palette()
