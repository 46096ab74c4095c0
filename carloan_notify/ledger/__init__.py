"""Tables, outbox, audit chain, encryption."""
