"""OpenNebula in a test suite: the embedded cloud as pytest fixtures.

A plugin that pytest loads by its entry point; importing it starts and imports nothing
heavy.
"""
