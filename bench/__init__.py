"""Measurements of the product, each beside what the machine itself takes."""
