"""A FastAGI service that obtains, keeps and uses a caller's consent to a text message."""

__version__ = "0.1.0"
