"""The report and the data sheet."""
