"""What servers put around the document: it is left aside where the document is still one."""

from __future__ import annotations

import pytest

from agi_bridge.hook.twiml import Dial, Say, read_response
from agi_bridge.hook.xml_document import NotTwiml

ANSWER = "<Response><Dial>+14155550199</Dial></Response>"
DECLARED = f"<?xml version='1.0' encoding='utf-8'?>\n{ANSWER}"
SCRIPT = "<script>if (a < b && c) { d('</p>'); }</script>"

AROUND = {
    "a warning of PHP": (
        "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/var/www/ivr.php</b> on line "
        f"<b>3</b><br />\n{DECLARED}"
    ),
    "a warning of PHP as text": (
        f'\nWarning: Undefined array key "x" & more in /var/www/ivr.php on line 3\n{DECLARED}'
    ),
    "a table of xdebug": (
        "<br />\n<font size='1'><table class='xdebug-error' dir=ltr><tr><th align=left>Notice:"
        f"<td>1<tr><td>{{main}}( )</td></tr></table></font>\n{ANSWER}"
    ),
    "byte order marks of included files": f"\ufeff\ufeff{DECLARED}",
    "a script before it": f"{SCRIPT}{ANSWER}",
    "a comment before the declaration": f"<!-- <b> served by 3 -->{DECLARED}",
    "a script behind it": f"{ANSWER}\n{SCRIPT}",
    "a picture behind it": f"{ANSWER}<img src=x.gif width=1>",
    "a comment that is none in XML": f"{ANSWER}<!-- a -- b -->",
    "a fatal error behind it": f"{ANSWER}<br />\n<b>Fatal error</b>:  Allowed memory & size",
    "text behind it": f"{ANSWER}0",
    "both": f"<br>Notice: a<b>b</b>{DECLARED}<!-- 12 ms --><script src=//a?b&c></script>",
}


@pytest.mark.parametrize("name", AROUND)
def test_a_document_is_read_whatever_stands_around_it(name: str) -> None:
    assert read_response(AROUND[name])[0] == (Dial(("+14155550199",)),)


def test_a_document_with_something_around_it_is_repaired_like_any_other() -> None:
    text = "Notice: a<br><Response><Say language=”en”>Tom & Jerry</Say></Response><hr>"
    assert read_response(text)[0] == (Say("Tom & Jerry", "en"),)


@pytest.mark.parametrize("behind", ["x", "<script>a<b</script>"])
def test_an_empty_document_is_read_too(behind: str) -> None:
    assert read_response(f"<Response/>{behind}") == ((), ())


@pytest.mark.parametrize(
    "text",
    [
        f"<p>Example:</p><pre>{ANSWER}</pre>",
        f"<html><body>{ANSWER}",
        f"<html><body><br>{ANSWER}</body></html>",
        f"<!-- {ANSWER} --><p>",
        f"x<!-- {ANSWER}",
        f"<script>var a = '{ANSWER}';</script><br>",
        f"<textarea>{ANSWER}</textarea><br>",
        f"<?php echo '{ANSWER}'",
        f"x<![CDATA[{ANSWER}]]>",
        f"x</b>{ANSWER}",
        f"x<!DOCTYPE Response [<!ENTITY a 'b'>]>{ANSWER}",
        f"{ANSWER}{ANSWER}",
        f"{ANSWER}<Response/>",
        f"<Response/>{ANSWER}",
        f"x {ANSWER} or {ANSWER}",
        "x <Response><Dial>+14155550199</Dial>",
        "x <Response>",
        "x <Responses/>",
    ],
)
def test_a_document_that_is_part_of_something_else_or_not_alone_is_not_read(text: str) -> None:
    with pytest.raises(NotTwiml) as refused:
        read_response(text)
    assert refused.value.reason in {"not_xml", "not_response"}


def test_what_is_around_a_document_brings_no_entity_into_it() -> None:
    text = "<!DOCTYPE a [<!ENTITY n '+19005550123'>]><Response><Dial>&n;</Dial></Response>"
    for before in ("", "x"):
        with pytest.raises(NotTwiml):
            read_response(before + text)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text",
    [
        "<Response " * 6000,
        "<b>" * 20_000 + ANSWER,
        "<!--" * 16_000 + ANSWER,
        "<script" * 9000 + ANSWER,
        "<?" * 30_000 + ANSWER,
        "x<Response>" + "</Response" * 6000,
        "<" * 60_000 + "Response " * 600,
        "x<Response>" + "</Response" + " " * 60_000,
    ],
)
def test_looking_for_the_document_takes_no_longer_than_reading(text: str) -> None:
    with pytest.raises(NotTwiml):
        read_response(text)
