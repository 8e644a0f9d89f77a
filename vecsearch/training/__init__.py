"""Corpora and judgments -> trained encoders."""
