"""Teachers from elsewhere: networks and tables of logits that were not trained here."""
