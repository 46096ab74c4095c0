"""What comes back after a message has left: receipts and replies."""
