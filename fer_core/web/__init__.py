"""The page that runs the exported network in a browser."""
