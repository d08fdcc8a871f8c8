"""Accuracy (gates CI) and speed (reported) benchmarks; see README.md beside this file."""
