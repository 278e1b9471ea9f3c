"""trapline: a laboratory for kernel probes."""
