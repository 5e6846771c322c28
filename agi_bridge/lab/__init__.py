"""A private Asterisk, a SIP telephone, the demonstration and the softphone."""
