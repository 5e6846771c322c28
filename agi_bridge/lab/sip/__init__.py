"""A SIP telephone (RFC 3261) with RTP sound and RFC 4733 digits."""
