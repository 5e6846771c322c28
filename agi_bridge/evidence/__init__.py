"""What is proved later: verification and export of the record; no call imports it."""
