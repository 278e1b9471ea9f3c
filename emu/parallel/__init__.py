"""Processes, pools and clusters, and one way to end them."""
