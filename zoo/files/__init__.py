"""The ground: writing that a reader never sees half-done, and pictures."""
