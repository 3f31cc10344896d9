"""The `fer` command: parses, calls, prints."""
