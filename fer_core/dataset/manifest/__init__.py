"""The manifest as a table, and which rows show one picture."""
