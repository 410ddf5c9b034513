"""Edits that mend findings in the operator's own files: worked out, shown and written."""
