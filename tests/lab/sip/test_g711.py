"""G.711 mu-law against the figures of the recommendation."""

from array import array

from agi_bridge.lab.sip import MULAW_SILENCE, mulaw_decode, mulaw_encode


def test_the_ends_of_the_scale_are_those_of_the_recommendation() -> None:
    assert mulaw_decode(b"\x00\x80\xff\x7f").tolist() == [-32124, 32124, 0, 0]


def test_every_code_survives_decoding_and_encoding() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # 0x7F is minus zero
    assert mulaw_encode(mulaw_decode(codes)) == codes


def test_a_sample_comes_back_as_its_neighbour() -> None:
    samples = array("h", range(-32768, 32767, 7))
    for sample, back in zip(samples, mulaw_decode(mulaw_encode(samples)), strict=True):
        assert abs(sample - back) <= max(8, abs(sample) // 16)


def test_silence_is_zero() -> None:
    assert mulaw_encode(array("h", [0])) == bytes((MULAW_SILENCE,))
