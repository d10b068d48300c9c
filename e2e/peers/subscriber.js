// A subscriber as the 2016 README describes it, for NodeJS. Tells what it receives, a JSON object a line.
//
// Usage: node subscriber.js ENDPOINT TOPIC...
const { Subscriber } = require("zeromq");

async function main(endpoint, topics) {
  const socket = new Subscriber({ receiveHighWaterMark: 0, reconnectInterval: 20 });
  socket.events.on("handshake", () => console.log(JSON.stringify({ event: "connected" })));
  socket.connect(endpoint);
  socket.subscribe(...topics);
  for await (const frames of socket) {
    console.log(JSON.stringify({ frames: frames.map(String), at: Date.now() / 1000 }));
  }
}

main(process.argv[2], process.argv.slice(3));
