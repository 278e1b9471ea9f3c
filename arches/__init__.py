"""The architectures. Each folder holds everything about one; adding one is adding a folder."""
