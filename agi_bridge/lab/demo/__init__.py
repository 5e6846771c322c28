"""The demonstration: one real call through a private Asterisk."""
