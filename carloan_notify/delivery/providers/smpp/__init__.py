"""SMPP 3.4, for lenders with a direct link to an SMSC."""
