"""The rules: one transaction per public method; authorisation happens here."""
