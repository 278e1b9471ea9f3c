"""What Linux of a release says to a kprobe at a place: rules, sites, listings, sweeps."""
