"""Logging in to guests with OpenSSH, through the farm's router as jump host."""
