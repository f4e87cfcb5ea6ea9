"""Configuring guests: runs the playbooks of the top folder with ansible-runner."""
