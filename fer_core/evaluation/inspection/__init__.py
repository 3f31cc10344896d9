"""What the ensemble says, looked at and handed out."""
