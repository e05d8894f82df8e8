// A heartbeat in Node.js: watchdog run -- node examples/heartbeat.mjs
import { renameSync, writeFileSync } from "node:fs";
const path = process.env.WATCHDOG_HEARTBEAT;
for (;;) {
  await new Promise((done) => setTimeout(done, 1000 * (process.env.TURN ?? 10))); // your work
  writeFileSync(path + ".tmp", JSON.stringify({ pid: process.pid }));
  renameSync(path + ".tmp", path); // after the work, never from a timer
}
