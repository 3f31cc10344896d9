"""What is stated of a teacher from elsewhere. Light: no network is loaded."""
