// The flow on ding-dong (npm); the hook by Node's own http module, a connection for each call.
'use strict';

const http = require('http');
const net = require('net');
const Context = require('ding-dong/lib/context');

const given = process.argv.slice(2);
const hook = given.includes('--hook') ? new URL(given[given.indexOf('--hook') + 1]) : null;
const agent = new http.Agent({ keepAlive: given.includes('--keepalive'), maxSockets: Infinity });

function submit(digits) {
  if (hook === null) return Promise.resolve('+14155550199');
  const body = JSON.stringify({ key: 'bench', from: '+1' + digits, to: '+14155550111' });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request(hook, { method: 'POST', headers, agent }, (response) => {
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => { answer += piece; });
      response.on('end', () => resolve(answer.split('<Dial>')[1].split('</Dial>')[0]));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function play(call) {
  await call.onEvent('variables');
  await call.answer();
  await call.streamFile('disclosure', '*');
  const keyed = await call.getData('"enter-number"', 10000, 10);
  await call.sayDigits(keyed.result, '');
  await call.getData('"confirm-number"', 8000, 1);
  await call.setVariable('CONSENT_NUMBER', keyed.result);
  await call.setVariable('CONSENT_RESULT', 'confirmed');
  const number = await submit(keyed.result);
  await call.exec('Dial', `"PJSIP/${number}@trunk,30,gS(7200)"`);
  await call.getVariable('DIALSTATUS');
  await call.end();
}

// Not `agi.start`: it listens on a port that is given, and with Node's small backlog.
const server = net.createServer((socket) => {
  socket.on('error', () => {}); // without it one reset ends the process
  const call = new Context(socket, { logger: () => {} });
  call.on('error', () => {});
  play(call).catch((error) => console.error(error.message));
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.stdout.write(`READY ${server.address().port}\n`);
});
