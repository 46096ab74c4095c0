"""CSV, Parquet and SQL to canonical frames, and rejected rows with their reasons."""
