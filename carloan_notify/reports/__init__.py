"""Terminal, HTML and metrics views of a night."""
