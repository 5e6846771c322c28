"""Consents made in one line, for tests."""

from __future__ import annotations

from agi_bridge.consent import CallFacts, ConsentRecord, DisclosureHeard, NumberEntered

NUMBER = "+14155550123"
FACTS = CallFacts(
    line_id="shop",
    did="+14155550111",
    brand="Example Store",
    legal_name="Example Store Inc.",
    purpose="info",
    call_uid="pbx-1700000000.1",
    channel="PJSIP",
    software="agi-bridge 0.1.0",
    config_sha256="0" * 64,
    caller_id="+15145550100",
)
HEARD = DisclosureHeard(
    text="You agree to receive texts.",
    language="en",
    audio_sha256="1" * 64,
    samples=8000,
    endpos=8000,
)
CUT = DisclosureHeard(
    text=HEARD.text, language="en", audio_sha256=HEARD.audio_sha256, samples=8000, endpos=7999
)
ENTERED = NumberEntered(
    e164=NUMBER,
    digits="4155550123",
    number_type="FIXED_LINE_OR_MOBILE",
    region="US",
    library="phonenumbers 9",
    tries=1,
    ani_match="different",
)


def confirmed() -> ConsentRecord:
    """A consent of which nothing is stored yet."""
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    record.entered(ENTERED)
    record.key("confirm", 31_000, "1")
    record.confirmed("number_then_1")
    return record
