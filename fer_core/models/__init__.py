"""Networks, their initial weights, and the devices they run on."""
