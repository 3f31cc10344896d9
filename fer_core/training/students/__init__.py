"""What only students need: the base of losses, and auxiliary terms (negatives, prototypes,
locality).
"""
