"""What cross-validation says of the deployed student's recipe."""
