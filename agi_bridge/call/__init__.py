"""The story of a call: line, consent, record, submission, plan, route.

Whatever breaks, the caller reaches the line's default destination, or the dialplan is told to take
over.
"""
