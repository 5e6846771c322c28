"""A private Asterisk from Debian's packages."""
