"""OpenTofu's files: text to a lossless tree of blocks, and the machines, networks and volumes that they declare."""

from console.sources.opentofu.files import Tofu, document, folder, link, parse, read

__all__ = ["Tofu", "document", "folder", "link", "parse", "read"]
