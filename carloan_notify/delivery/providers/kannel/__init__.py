"""Kannel, an SMS gateway that a lender runs itself."""
