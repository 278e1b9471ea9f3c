"""Proof by trial that a probe changes nothing: instructions run in place and again under a probe, and compared.

See `bench` for how one is run, `search` for how they are tried by the thousand.
"""
