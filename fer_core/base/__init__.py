"""Errors, logs, labels, parameters, settings, paths, files, headers, machine: plumbing that changes
no result.
"""
