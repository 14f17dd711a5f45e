// A worker of one kind, in the way of ../py/worker.py: the same flags, the same JSON lines.
"use strict"
const zmq = require("zeromq")

function options() {
  const found = {kind: "", mechanism: "NULL", slots: "1"}
  const words = process.argv.slice(2)
  while (words.length > 0) {
    // A CURVE key may begin with a dash or hold a "=": it comes as --flag=KEY, and only the first "=" counts.
    const [, name, , value] = /^--([a-z-]+)(=(.*))?$/.exec(words.shift())
    found[name] = value === undefined ? words.shift() : value
  }
  return found
}

// libzmq lets no PLAIN client in while there is nobody to ask (RFC 27).
async function authenticate(context) {
  const handler = new zmq.Reply({context, linger: 0})
  await handler.bind("inproc://zeromq.zap.01")
  const serve = async () => {
    for await (const [version, id, , , , mechanism, user, password] of handler) {
      const good = String(mechanism) === "PLAIN" && String(user) === "user" && String(password) === "pass"
      await handler.send([version, id, good ? "200" : "400", good ? "OK" : "wrong name or password", "user", ""])
    }
  }
  serve()
  return handler
}

async function main() {
  const o = options()
  const kinds = {REP: zmq.Reply, ROUTER: zmq.Router, DEALER: zmq.Dealer}
  const security = {
    NULL: {},
    PLAIN: {plainServer: true},
    CURVE: {curveServer: true, curveSecretKey: o["server-secret"]},
  }
  // A pipe that outlives its connection would carry one client's late replies to the next: hence immediate.
  const context = new zmq.Context()
  const handler = o.mechanism === "PLAIN" ? await authenticate(context) : undefined
  const beats = o.heartbeat ? {heartbeatInterval: Number(o.heartbeat), heartbeatTimeout: 20 * o.heartbeat} : {}
  const socket = new kinds[o.kind]({context, linger: 0, immediate: Boolean(o.connect), ...security[o.mechanism], ...beats})
  if (o.bind) {
    await socket.bind(o.bind)
  } else {
    for (let i = 0; i < Number(o.slots); i++) socket.connect(o.connect)
  }
  console.log(JSON.stringify({event: "ready", endpoint: o.bind ? socket.lastEndpoint : o.connect}))

  let messages = 0
  const identities = new Set()
  process.stdin.on("end", () => {
    socket.close()
    if (handler) handler.close()
    console.log(JSON.stringify({event: "done", messages, identities: [...identities].sort()}))
  })
  process.stdin.resume()
  for await (const frames of socket) {
    if (o.kind === "ROUTER") identities.add(frames[0].toString("latin1"))
    await socket.send(frames)
    messages++
  }
}

main()
