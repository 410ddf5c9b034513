"""Findings mended in the operator's own files: edits worked out, shown, and written."""
