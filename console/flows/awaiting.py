"""What a dry run of several flows waits for: nothing is refused for what an earlier flow will have made."""

from __future__ import annotations

from console.flows import NotYetKnown, StepContext

CLONED, GENERATED = "clone", "generate"
"""The steps of install-mailcow after which there is a Mailcow to look at."""


def mailcow(context: StepContext) -> None:
    """Raise `NotYetKnown` in a dry run in which Mailcow would be installed by now."""
    if context.expects(CLONED) or context.expects(GENERATED):
        raise NotYetKnown("Mailcow is installed first")
