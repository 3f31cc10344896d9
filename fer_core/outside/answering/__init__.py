"""The answers of a teacher from elsewhere, as the logits that other stages read."""
