"""What leaving data sets out says of the student on others than it learned from."""
