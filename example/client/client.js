// Prints the reports of all computers. Needed: npm install; a masternode (chasar demo is one).
import { Subscriber } from "zeromq";

const socket = new Subscriber();
socket.connect("tcp://127.0.0.1:6666");
socket.subscribe("Chasar-Client");
for await (const [topic, message] of socket) {
  const report = JSON.parse(message);
  console.log(JSON.stringify(report.hostname), report.cpu.percent_used, report.memory.percent_used);
}
