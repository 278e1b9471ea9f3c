"""CPUs of Unicorn, with the quirks of its version fenced in."""
