"""Fault tests on real processes: see README.md in this folder."""
