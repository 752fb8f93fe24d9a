// A real Baileys client for the system tests: one account, driven by JSON lines.
//
//   node client.mjs --url ws://127.0.0.1:PORT/ws/chat --root-key HEX --push-name NAME --creds FOLDER
//
// Each line on stdin is a command `{"seq":1,"cmd":"connect", …}`; each line on stdout is its answer
// `{"seq":1,"ok":true, …}` or `{"seq":1,"ok":false,"error":"…"}`, or an event `{"event":"…", …}`. The log of Baileys
// itself goes to stderr. The credentials live in FOLDER: the same folder is the same device, also in another process.
//
// Baileys checks the server's certificate chain against a root key that it carries. The tests replace that key with
// wa-sim's own, so that the check is run and not switched off.

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import makeWASocket, {
  DisconnectReason,
  WA_CERT_DETAILS,
  makeCacheableSignalKeyStore,
  useMultiFileAuthState,
} from 'baileys';
import pino from 'pino';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    'root-key': { type: 'string' },
    'push-name': { type: 'string' },
    creds: { type: 'string' },
    'log-level': { type: 'string', default: 'warn' },
  },
});
for (const name of ['url', 'root-key', 'push-name', 'creds']) {
  if (!options[name]) throw new Error(`--${name} is missing`);
}
WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(options['root-key'], 'hex');

const logger = pino({ level: options['log-level'] }, pino.destination(2));
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const textOf = (message) => message?.conversation ?? message?.extendedTextMessage?.text;

/** The connection and what came over it. */
let sock = null;
let wanted = false;
const messages = [];

async function connect() {
  const { state, saveCreds } = await useMultiFileAuthState(options.creds);
  const mine = makeWASocket({
    auth: { creds: state.creds, keys: makeCacheableSignalKeyStore(state.keys, logger) },
    waWebSocketUrl: options.url,
    pushName: options['push-name'],
    syncFullHistory: false,
    // Nothing but the simulator may be asked for anything.
    generateHighQualityLinkPreview: false,
    getMessage: async ({ id }) => messages.find((message) => message.id === id && message.fromMe)?.content,
    logger,
  });
  sock = mine;
  mine.ev.on('creds.update', saveCreds);
  mine.ev.on('connection.update', ({ connection, qr, lastDisconnect }) => {
    if (qr) tell({ event: 'qr', qr });
    if (connection === 'open') open(mine, state).catch(fail);
    if (connection === 'close') {
      const code = lastDisconnect?.error?.output?.statusCode;
      tell({ event: 'closed', code, reason: lastDisconnect?.error?.message });
      // Baileys leaves the reconnect to its user; 515 is the one that follows a pairing.
      const final = [DisconnectReason.loggedOut, DisconnectReason.connectionReplaced, DisconnectReason.badSession];
      if (!wanted || sock !== mine || final.includes(code)) return;
      setTimeout(() => wanted && sock === mine && connect().catch(fail), code === DisconnectReason.restartRequired ? 0 : 500);
    }
  });
  mine.ev.on('messages.upsert', ({ messages: batch, type }) => {
    for (const { key, message, pushName, messageStubType, messageStubParameters } of batch) {
      const text = textOf(message);
      const kept = {
        id: key.id,
        chat: key.remoteJid,
        chatAlt: key.remoteJidAlt,
        fromMe: key.fromMe ?? false,
        pushName,
        text,
        stub: messageStubType ? messageStubParameters : undefined,
      };
      messages.push({ ...kept, key, content: message });
      tell({ event: 'message', type, message: kept });
    }
  });
  mine.ev.on('messages.update', (updates) => {
    for (const { key, update } of updates) {
      const text = textOf(update.message);
      tell({ event: 'update', id: key.id, status: update.status, text });
    }
  });
  mine.ev.on('message-receipt.update', (updates) => {
    for (const { key, receipt } of updates) tell({ event: 'receipt', id: key.id, receipt });
  });
  mine.ev.on('presence.update', ({ id, presences }) => tell({ event: 'presence', chat: id, presences }));
}

/** Goes online: only then are Baileys' delivery receipts those of a device in use. It wants a name for that. */
async function open(mine, { creds }) {
  creds.me.name ??= options['push-name'];
  await mine.sendPresenceUpdate('available');
  tell({ event: 'open', jid: mine.user?.id, lid: mine.user?.lid });
}

/** Closes the connection and keeps the credentials. */
async function disconnect() {
  wanted = false;
  await sock?.end(undefined);
  sock = null;
}

function connected() {
  if (!sock) throw new Error('not connected: send {"cmd":"connect"} first');
  return sock;
}

const commands = {
  /** Connects: with stored credentials it logs in, without it asks for a QR code. */
  async connect() {
    wanted = true;
    await connect();
  },
  disconnect,
  /** Asks for a code to type into the phone with this number. */
  async pairingCode({ phoneNumber }) {
    return { code: await connected().requestPairingCode(phoneNumber) };
  },
  /** Sends a text; the answer has its id. */
  async send({ to, text }) {
    const sent = await connected().sendMessage(to, { text });
    return { id: sent.key.id };
  },
  /** Says that messages were seen, as opening the chat on a phone does. */
  async read({ ids }) {
    const keys = messages.filter((message) => ids.includes(message.id) && !message.fromMe).map(({ key }) => key);
    if (keys.length === 0) throw new Error(`no such message: ${ids}`);
    await connected().readMessages(keys);
  },
  async presence({ type, to }) {
    await connected().sendPresenceUpdate(type, to);
  },
  async subscribePresence({ to }) {
    await connected().presenceSubscribe(to);
  },
  /** Every message seen so far, in the order in which Baileys gave them. */
  async messages() {
    return { messages: messages.map(({ key: _key, content: _content, ...kept }) => kept) };
  },
  async exit() {
    await disconnect();
    setImmediate(() => process.exit(0));
  },
};

function fail(error) {
  tell({ event: 'error', error: String(error?.stack ?? error) });
}
process.on('unhandledRejection', fail);

const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  let seq;
  try {
    const { cmd, ...rest } = JSON.parse(line);
    seq = rest.seq;
    const command = commands[cmd];
    if (!command) throw new Error(`unknown command ${cmd}`);
    tell({ seq, ok: true, ...(await command(rest)) });
  } catch (error) {
    tell({ seq, ok: false, error: String(error?.message ?? error) });
  }
});
// The test is over, or was killed: nobody is left to talk to.
lines.on('close', () => process.exit(0));
