// An SMSC made with the npm package `smpp`. What it sees it writes to standard output, one JSON object a line; what it
// is to do it reads from standard input in the same way, and it ends when that ends.
'use strict';

const readline = require('node:readline');
const smpp = require('smpp');

const ACCOUNTS = { chappe: 's3cret' };
const BINDS = ['bind_transceiver', 'bind_transmitter', 'bind_receiver'];
const CONCATENATION = 0;
const sessions = [];
let lastId = 1000000;

function tell(event, facts) {
  process.stdout.write(JSON.stringify({ event, ...facts }) + '\n');
}

function textOf(part) {
  const message = part && part.message !== undefined ? part.message : part;
  return Buffer.isBuffer(message) ? message.toString('latin1') : message || '';
}

function factsOf(pdu) {
  const facts = {};
  for (const [name, value] of Object.entries(pdu)) {
    if (['number', 'string'].includes(typeof value)) facts[name] = value;
    if (value instanceof Date) facts[name] = value.toISOString();
    if (Buffer.isBuffer(value)) facts[name] = { hex: value.toString('hex') };
  }
  facts.text = textOf(pdu.short_message) || textOf(pdu.message_payload);
  const header = (pdu.short_message && pdu.short_message.udh) || [];
  const concatenation = header.find((element) => element[0] === CONCATENATION);
  if (concatenation) facts.concatenation = [...concatenation.slice(2)];
  return facts;
}

// Whoever receives: receipts and texts go to a transceiver or a receiver, never to a transmitter.
function receiver() {
  const found = sessions.find((one) => one.kind === 'bind_transceiver' || one.kind === 'bind_receiver');
  if (!found) throw new Error('nobody is bound to receive');
  return found;
}

function deliver(fields) {
  const { session } = receiver();
  session.deliver_sm(fields, (answer) => {
    tell('deliver_sm_resp', { command_status: answer.command_status, message_id: answer.message_id });
  });
}

function receiptOf(pdu, id, word, err) {
  const dates = 'submit date:2701050930 done date:2701050931';
  return {
    source_addr_ton: pdu.dest_addr_ton,
    source_addr_npi: pdu.dest_addr_npi,
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
    short_message: `id:${id} sub:001 dlvrd:001 ${dates} stat:${word} err:${err} text:${textOf(pdu.short_message).slice(0, 20)}`,
    receipted_message_id: id,
    message_state: word === 'DELIVRD' ? smpp.MESSAGE_STATE.DELIVERED : smpp.MESSAGE_STATE.UNDELIVERABLE,
  };
}

// Numbers ending in 9 are refused, those ending in 8 are not reached.
function answer(session, pdu) {
  if (pdu.destination_addr.endsWith('9')) {
    session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    return;
  }
  lastId += 1;
  const id = String(lastId);
  session.send(pdu.response({ message_id: id }));
  if (pdu.registered_delivery & 1) {
    deliver(pdu.destination_addr.endsWith('8') ? receiptOf(pdu, id, 'UNDELIV', '011') : receiptOf(pdu, id, 'DELIVRD', '000'));
  }
}

const server = smpp.createServer((session) => {
  const one = { session, kind: null };
  sessions.push(one);
  for (const kind of BINDS) {
    session.on(kind, (pdu) => {
      const isKnown = ACCOUNTS[pdu.system_id] === pdu.password;
      tell(kind, { ...factsOf(pdu), is_accepted: isKnown });
      if (isKnown) {
        one.kind = kind;
        session.send(pdu.response({ system_id: 'other-smsc', sc_interface_version: 0x34 }));
      } else {
        session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }), () => session.close());
      }
    });
  }
  session.on('submit_sm', (pdu) => {
    tell('submit_sm', { ...factsOf(pdu), kind: one.kind });
    answer(session, pdu);
  });
  session.on('enquire_link', (pdu) => {
    tell('enquire_link', {});
    session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    tell('unbind', { kind: one.kind });
    session.send(pdu.response(), () => session.close());
  });
  session.on('generic_nack', (pdu) => tell('generic_nack', { command_status: pdu.command_status }));
  session.on('error', (error) => tell('error', { text: String(error) }));
  session.on('close', () => {
    sessions.splice(sessions.indexOf(one), 1);
    tell('close', { kind: one.kind });
  });
});

const ORDERS = {
  // A text from a phone; `pieces` are its segments, in the order in which they are to go out.
  inbound({ from, to, pieces, data_coding, reference, total }) {
    for (const [index, text] of pieces) {
      const udh = total > 1 ? Buffer.from([5, 0, 3, reference, total, index]) : undefined;
      const short_message = udh ? { udh, message: text } : text;
      deliver({ source_addr: from, source_addr_ton: 1, source_addr_npi: 1, destination_addr: to, data_coding, short_message });
    }
  },
  enquire_link() {
    receiver().session.enquire_link((answer) => tell('enquire_link_resp', { command_status: answer.command_status }));
  },
  unbind() {
    const { session } = receiver();
    session.unbind((answer) => {
      tell('unbind_resp', { command_status: answer.command_status });
      session.close();
    });
  },
  // A command that SMPP does not have, with a sequence_number of its own.
  unknown() {
    receiver().session.socket.write(Buffer.from('00000010' + '0000beef' + '00000000' + '00000063', 'hex'));
  },
};

server.on('error', (error) => tell('error', { text: String(error) }));
server.listen(0, '127.0.0.1', () => tell('listening', { port: server.address().port }));

const orders = readline.createInterface({ input: process.stdin });
orders.on('line', (line) => {
  const order = JSON.parse(line);
  ORDERS[order.do](order);
});
orders.on('close', () => process.exit(0));
