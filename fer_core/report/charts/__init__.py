"""Vega-Lite charts, drawn without a network."""
