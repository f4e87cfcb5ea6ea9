"""The command line: what people type, and what they are shown.

Decides nothing: it reads files with `spec`, asks the assembly for a world, calls
`reconcile` and draws what comes back. Data goes to standard output, messages and
progress to standard error. `main` keeps the start quick: a command's module, and all
that it needs, is imported when that command runs.
"""
