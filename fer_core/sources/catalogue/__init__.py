"""Descriptors of data sets, the registry of layouts, class names, official counts, options of
`clean`.
"""
