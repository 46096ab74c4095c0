"""Thin commands, one file per noun: parse, call the pipeline, print, exit code."""
