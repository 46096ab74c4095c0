"""Receipts: what the network says after a message has left."""
