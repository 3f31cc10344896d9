"""Where initial weights come from, and the options of networks."""
