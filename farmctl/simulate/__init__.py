"""Replays of workloads: what a policy would have cost on a site's own accounting."""
