// Session descriptions for a PBX on the same machine, whose sound is bound to its loopback address.
//
// Asterisk offers the addresses of its network interfaces all the same (rtp_add_candidates_to_ice),
// and takes a connection line of 0.0.0.0 for a hold. A browser without the right to the microphone
// hides its addresses behind names that only mDNS resolves, and leaves that line at 0.0.0.0.
import { Web } from "/sip.js/lib/index.js";

const GATHERING_MS = 500; // what takes longer on one machine is of no use

class LoopbackDescriptions extends Web.SessionDescriptionHandler {
  constructor(logger, mediaStreamFactory, configuration, host) {
    super(logger, mediaStreamFactory, configuration);
    this.host = host;
  }

  async getDescription(options, modifiers) {
    const description = await super.getDescription(options, modifiers);
    const body = description.body.replace(/\S+\.local(?= )/g, this.host);
    return { ...description, body: this.connected(body) };
  }

  setDescription(sdp, options, modifiers) {
    const body = sdp.replace(/^(a=candidate:\S+ \d+ udp \d+) \S+/gim, `$1 ${this.host}`);
    return super.setDescription(this.connected(body), options, modifiers);
  }

  connected(sdp) {
    return sdp.replace(/^c=IN IP4 \S+/gm, `c=IN IP4 ${this.host}`);
  }
}

export function loopbackDescriptions(mediaStreamFactory, host) {
  const configuration = {
    iceGatheringTimeout: GATHERING_MS,
    peerConnectionConfiguration: { iceServers: [] }, // the library's default is a public server
  };
  return ({ userAgent }) =>
    new LoopbackDescriptions(userAgent.getLogger("sdp"), mediaStreamFactory, configuration, host);
}
