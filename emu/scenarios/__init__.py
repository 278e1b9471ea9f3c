"""The scenarios that ship, and `Lab`, the world that a scenario sets up."""
