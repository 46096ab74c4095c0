"""Pure decisions: what falls due today, whom we may tell and when, and whether tonight is plausible."""
