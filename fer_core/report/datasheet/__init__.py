"""The page that shows the data."""
