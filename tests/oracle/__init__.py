"""Comparisons with the programs whose files cowhand reads, over folders that the project does not hold."""
