"""The softphone: the PBX's side of a call, played in the terminal."""
