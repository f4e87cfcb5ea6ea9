"""The acceptance probe: whether a farm is what it was declared to be, by trying."""
