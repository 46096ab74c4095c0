"""Templates in a sandbox, segment counting, links and lint."""
