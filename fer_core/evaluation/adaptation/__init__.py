"""Whether an adapted student may take the place of the one that it began as."""
