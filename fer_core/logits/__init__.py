"""Logits of many rows: the forward pass, and the artifact."""
