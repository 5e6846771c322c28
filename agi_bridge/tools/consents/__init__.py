"""`agi-bridge consents …`: what a business does with its record of consent.

A module per command; each gives an `output.Answer`.
"""
