"""The teachers' answers for faces without labels."""
