"""Compose files: text to services and published ports, as docker compose merges and expands them."""

from console.sources.compose.files import Compose, merge, read

__all__ = ["Compose", "merge", "read"]
