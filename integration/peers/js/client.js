// A client of one kind, in the way of ../py/client.py: the same flags, the same messages, the same JSON line.
"use strict"
const crypto = require("crypto")
const zmq = require("zeromq")

function options() {
  const found = {kind: "", to: "", mechanism: "NULL", connect: "", identity: "", requests: "10", "at-once": "1", size: "1000"}
  const words = process.argv.slice(2)
  while (words.length > 0) {
    // A CURVE key may begin with a dash or hold a "=": it comes as --flag=KEY, and only the first "=" counts.
    const [, name, , value] = /^--([a-z-]+)(=(.*))?$/.exec(words.shift())
    found[name] = value === undefined ? words.shift() : value
  }
  return found
}

function blob(number, size) {
  const block = crypto.createHash("sha256").update(String(number)).digest()
  return Buffer.alloc(size, block)
}

async function main() {
  const o = options()
  const kinds = {REQ: zmq.Request, DEALER: zmq.Dealer}
  const security = {
    NULL: {},
    PLAIN: {plainUsername: "user", plainPassword: "pass"},
    CURVE: {curveServerKey: o["server-public"], curvePublicKey: o["client-public"], curveSecretKey: o["client-secret"]},
  }
  const beats = o.heartbeat ? {heartbeatInterval: Number(o.heartbeat), heartbeatTimeout: 20 * o.heartbeat} : {}
  const socket = new kinds[o.kind]({
    linger: 0, receiveTimeout: 30000, sendTimeout: 30000, routingId: o.identity, ...security[o.mechanism], ...beats,
  })
  socket.connect(o.connect)

  const envelope = o.kind === "DEALER" && o.to === "REP" ? [Buffer.alloc(0)] : []
  const atOnce = o.kind === "REQ" ? 1 : Number(o["at-once"])
  const requests = Number(o.requests)
  const digest = crypto.createHash("sha256")
  let received = 0
  let wrong = 0
  for (let start = 0; start < requests; start += atOnce) {
    const batch = []
    for (let number = start; number < Math.min(start + atOnce, requests); number++) {
      const frames = [...envelope, Buffer.from(o.identity), Buffer.from(String(number))]
      if (number === start) frames.push(Buffer.alloc(0), blob(number, Number(o.size)))
      await socket.send(frames)
      batch.push(frames)
    }
    for (const frames of batch) {
      const reply = await socket.receive()
      received++
      if (reply.length !== frames.length || reply.some((frame, i) => !frame.equals(frames[i]))) wrong++
      for (const frame of reply) digest.update(`${frame.length}:`).update(frame)
    }
  }
  socket.close()
  console.log(JSON.stringify({event: "done", received, wrong, digest: digest.digest("hex")}))
  process.exitCode = wrong ? 1 : 0
}

main()
