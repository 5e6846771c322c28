"""Keys, sealed personal data, signed checkpoints and the sinks they are sent to."""
