"""The assembly: where the rooms are put together.

The only room that names concrete adapters and that reads the environment to know which
site, which cloud and whose credentials. Imports what it assembles when it is asked to,
so that importing the assembly costs nothing.
"""
