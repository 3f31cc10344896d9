"""Fine-tuning the deployed student on webcam sessions, near to where it was."""
