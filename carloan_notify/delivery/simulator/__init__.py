"""A provider on this machine with seeded faults, to rehearse an evening end to end."""
