"""Metrics, their intervals, and the evaluation of one network."""
