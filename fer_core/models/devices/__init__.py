"""Device, compiling, and several processes."""
