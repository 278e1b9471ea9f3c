"""CPUs, memory, ELF images and trap frames."""
