"""Records AGI sessions of a real Asterisk, call by call.

    python -m tests.support.record_agi ASTERISK VERSION [CASE ...]

ASTERISK is the program, VERSION the folder of the recordings to write, e.g. 16.28.0. `agi_scripts`
says what is done in each case. The names of this machine's folders and of the trunk become those of
the other recordings.
"""

import asyncio
import json
import sys
import tempfile
import wave
from pathlib import Path

from agi_bridge.agi import HangupNotice, StreamParser
from agi_bridge.lab.asterisk.server import Asterisk
from agi_bridge.lab.sip.call import Call
from agi_bridge.lab.sip.message import SipMessage
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from tests.support.agi_scripts import (
    CLOSES,
    FAR_HANGS_UP,
    HANGS_UP,
    HEARD,
    KEYED,
    PAUSE,
    SCRIPTS,
    TEXTS,
    Step,
    steps,
)
from tests.support.recorded import FOLDER
from tests.support.speech_server import SpeechServer

_SOUNDS = {"tone2": 2.0, "tone20": 20.0, "prompt-en": 5.0, "fmt-u": 2.0}
_FAR = {
    "dial_busy": Behaviour.BUSY,
    "dial_congestion": Behaviour.CONGESTION,
    "dial_declined": Behaviour.DECLINE,
    "dial_not_found": Behaviour.NOT_FOUND,
    "dial_no_answer": Behaviour.RING,
    "set_autohangup_ringing": Behaviour.RING,
    "dial_caller_hangs_up_ringing": Behaviour.RING,
    "dial_caller_cancels_unanswered": Behaviour.RING,
}

_DIALPLAN = """
[from-softphone](+)
exten => plain,1,AGI(${RECORDER})
 same => n(after),Hangup()
exten => enhanced,1,EAGI(${RELAY},${RECORDER})
exten => exithup,1,Set(AGIEXITONHANGUP=yes)
 same => n,AGI(${RECORDER})
exten => exithup_sigyes,1,Set(AGIEXITONHANGUP=yes)
 same => n,Set(AGISIGHUP=yes)
 same => n,AGI(${RECORDER})
exten => sighupno,1,Set(AGISIGHUP=no)
 same => n,AGI(${RECORDER})
exten => vars,1,Set(NL=${URIDECODE(first%0Asecond%0D%0Athird)})
 same => n,Set(FAKE=${URIDECODE(x%0A200%20result=1%20(forged))})
 same => n,AGI(${RECORDER})
[sub]
exten => ok,1,Set(GOSUB_SAW=${ARG1})
 same => n,Return(said ${ARG1})
 same => n(label),Return(labelled)
exten => away,1,Goto(from-softphone,plain,1)
exten => hang,1,Hangup()
"""

_RELAY = f"""#!{sys.executable}
import os, signal, socket, sys, threading
signal.signal(signal.SIGHUP, signal.SIG_IGN)
host, _, port = sys.argv[1].split("/")[2].partition(":")
link = socket.create_connection((host, int(port)))
def pump(source, sink):
    while data := source():
        sink(data)
    os._exit(0)
for source, sink in (
    (lambda: os.read(0, 65536), link.sendall),
    (lambda: os.read(3, 65536), len),
):
    threading.Thread(target=pump, args=(source, sink), daemon=True).start()
pump(lambda: link.recv(65536), lambda data: os.write(1, data))
"""

_MODULES = (
    "app_playtones app_controlplayback res_pjsip_messaging res_http_websocket res_aeap "
    "res_speech_aeap pbx_builtins func_callerid "
    # What Debian's package has, for the names that RECORD FILE takes
    "format_g719 format_g723 format_g726 format_g729 format_gsm format_h263 format_h264 "
    "format_ilbc format_ogg_speex format_ogg_vorbis format_pcm format_siren7 format_siren14 "
    "format_sln format_vox format_wav format_wav_gsm codec_gsm codec_g722 codec_resample "
    "codec_adpcm codec_alaw codec_ulaw codec_g726 codec_ilbc codec_speex codec_a_mu"
)


class Recorder:
    """Places calls, and writes down what crosses the AGI connection."""

    def __init__(self, asterisk: Asterisk, version: str, sounds: Path) -> None:
        self._asterisk = asterisk
        self._version = version
        self._names = {b"@far": b"@trunk", b"PJSIP/far": b"PJSIP/trunk"}
        self._sounds = str(sounds).encode()
        self._folder = str(sounds.parent).encode()

    async def record(self, case: str, phone: SipPhone, far: SipPhone) -> None:
        """Record one case into its file."""
        dialled, planned = steps(case)
        self._lines: list[str] = []
        self._start = asyncio.get_running_loop().time()
        self._note(f"Asterisk {self._version}, case {case}")
        session: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        far.behaviour, far.ring_seconds = _FAR.get(case, Behaviour.ANSWER), 0.3

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self._session(planned, call, far, reader, writer)
                session.set_result(None)
            except Exception as error:  # noqa: BLE001 - shown by the one who waits
                session.set_exception(error)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await self._asterisk.set_global("RECORDER", f"agi://127.0.0.1:{port}/{case}")
        self._note(f"caller dials {dialled}")
        call = await phone.dial(dialled, caller_id="15145550100")
        try:
            await asyncio.wait_for(session, 90)
        finally:
            server.close()
            await call.hang_up()
        folder = FOLDER / self._version
        folder.mkdir(exist_ok=True)
        (folder / f"{case}.jsonl").write_text("".join(self._lines), "utf-8")

    async def _session(
        self,
        planned: list[Step],
        call: Call,
        far: SipPhone,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        replies: asyncio.Queue[object] = asyncio.Queue()
        reading = asyncio.create_task(self._read(reader, replies))
        await replies.get()  # the environment
        loop = asyncio.get_running_loop()
        wrote = loop.time()
        open_reply = False
        for step in planned:
            if step.does == "write":
                if open_reply and step.waits:
                    await asyncio.wait_for(replies.get(), 60)
                    await asyncio.sleep(step.after)
                else:
                    await asyncio.sleep(wrote + step.after - loop.time())
                self._put("server", step.data)
                writer.write(self._ours(step.data))
                wrote, open_reply = loop.time(), True
            elif step.does == CLOSES:
                break
            else:
                await asyncio.sleep(wrote + step.after - loop.time())
                await self._act(step.does, call, far)
        if open_reply:
            await asyncio.wait_for(replies.get(), 60)
        await asyncio.sleep(2 * PAUSE)  # HANGUP comes up to 40 ms later
        self._note(CLOSES)
        writer.close()
        reading.cancel()
        self._put("pbx", b"", eof=True)

    async def _read(self, reader: asyncio.StreamReader, replies: "asyncio.Queue[object]") -> None:
        parser = StreamParser()
        trying = False
        while data := await reader.read(65536):
            self._put("pbx", self._theirs(data))
            for event in parser.feed(data):
                trying = getattr(event, "code", 0) == 100
                if not trying and not isinstance(event, HangupNotice):
                    replies.put_nowait(event)
        for _ in range(100):
            replies.put_nowait(None)  # nothing more comes

    async def _act(self, note: str, call: Call, far: SipPhone) -> None:
        self._note(note)
        if found := KEYED.match(note):
            held, gap = (float(each or 0.1) for each in found.groups()[1:])
            asyncio.ensure_future(call.press(found[1], duration=held, gap=gap))  # noqa: RUF006 - ends with the call
        elif note == HANGS_UP:
            await call.hang_up()
        elif note == FAR_HANGS_UP:
            await far.calls[-1].hang_up()
        elif note.startswith(TEXTS):
            call._sequence += 1
            message = call._request("MESSAGE", call._target, body=note.split("'")[1])
            headers = tuple(
                (name, "text/plain" if name == "Content-Type" else value)
                for name, value in message.headers
            )
            request = SipMessage(message.start, headers, message.body)
            await call._transport.request(request, call._peer).final

    def _ours(self, data: bytes) -> bytes:
        data = data.replace(b"/prompts", self._sounds)
        for theirs, ours in self._names.items():
            data = data.replace(theirs, ours)
        return data

    def _theirs(self, data: bytes) -> bytes:
        data = data.replace(self._sounds, b"/prompts").replace(self._folder, b"")
        for theirs, ours in self._names.items():
            data = data.replace(ours, theirs)
        return data

    def _note(self, text: str) -> None:
        self._put("note", text.encode())

    def _put(self, who: str, data: bytes, *, eof: bool = False) -> None:
        at = round(asyncio.get_running_loop().time() - self._start, 3)
        text = data.decode("utf-8", "backslashreplace")
        line: dict[str, object] = {"t": at, "dir": who, "data": text}
        self._lines.append(json.dumps(line | ({"eof": True} if eof else {})) + "\n")


def _make_sounds(folder: Path) -> None:
    for name, seconds in _SOUNDS.items():
        with wave.open(str(folder / f"{name}.wav"), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(b"\x00\x08\x00\xf8" * int(seconds * 4000))


def _configure(folder: Path, heard: SpeechServer, deaf: SpeechServer) -> None:
    """Put the recorder's own files beside the shipped ones."""
    etc = folder / "etc"
    etc.mkdir(parents=True)
    (etc / "modules_local.conf").write_text(
        "".join(f"load = {name}.so\n" for name in _MODULES.split())
    )
    (etc / "http.conf").write_text("[general]\nenabled = no\n")
    (etc / "aeap.conf").write_text(
        "".join(
            f"[{name}]\ntype=client\nurl=ws://127.0.0.1:{server.port}\ncodecs=!all,ulaw\n"
            "protocol=speech_to_text\n"
            for name, server in (("heard", heard), ("deaf", deaf))
        )
    )


async def main(binary: str, version: str, cases: list[str]) -> None:
    """Record the cases one after the other."""
    with tempfile.TemporaryDirectory(prefix="agi-rec-") as name:
        sounds = Path(name) / "s"
        sounds.mkdir()
        _make_sounds(sounds)
        async with SpeechServer() as heard, SpeechServer() as deaf:
            heard.hears = HEARD
            _configure(Path(name) / "a", heard, deaf)
            async with (
                Asterisk(
                    Path(binary).resolve(),
                    agi_url="agi://127.0.0.1:9/x",
                    dialplan=_DIALPLAN,
                    directory=Path(name) / "a",
                ) as asterisk,
                SipPhone(user="far", port=asterisk.trunk[1]) as far,
                SipPhone(
                    user="softphone",
                    password=asterisk.accounts["softphone"],
                    server=asterisk.sip,
                ) as phone,
            ):
                recorder = Recorder(asterisk, version, sounds)
                relay = Path(name) / "relay"
                relay.write_text(_RELAY)
                relay.chmod(0o755)
                await asterisk.set_global("RELAY", str(relay))
                for case in cases:
                    try:
                        await recorder.record(case, phone, far)
                        print(case)  # noqa: T201 - progress
                    except TimeoutError:
                        print(case, "did not end")  # noqa: T201 - a script prints its answer


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:] or sorted(SCRIPTS)))
