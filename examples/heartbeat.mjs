// A heartbeat in Node.js: watchdog run -- node examples/heartbeat.mjs
import { renameSync, writeFileSync } from "node:fs";
const { TURN = 10, WATCHDOG_HEARTBEAT: path, WATCHDOG_RUN_ID: runId } = process.env;
for (;;) {
  await new Promise((done) => setTimeout(done, 1000 * TURN)); // your work
  writeFileSync(path + ".tmp", JSON.stringify({ pid: process.pid, runId, lastCycle: new Date().toISOString() }));
  renameSync(path + ".tmp", path); // after the work, never from a timer
}
