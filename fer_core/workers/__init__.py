"""Stages on other machines: orders, workers, and the engines (processes, Ray, Slurm) that start
them.
"""
