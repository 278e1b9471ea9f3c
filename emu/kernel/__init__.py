"""The kernel proper: kprobes, text patching, stop_machine, RCU, traps; names as in Linux."""
