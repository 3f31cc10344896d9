"""Methods and models against each other: differences, tests, verdicts, gates."""
