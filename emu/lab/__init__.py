"""Worlds that scenarios set up, and what is asked of them: cells, compare, decide, probe-all."""
