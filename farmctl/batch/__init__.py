"""The batch port and its adapters: what work waits, runs, and where."""
