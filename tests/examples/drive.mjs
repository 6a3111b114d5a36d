// Calls the client as told: one JSON line in, one out. node drive.mjs <compiled arbml.js> <options>
import { createInterface } from "node:readline";

const [module, options] = process.argv.slice(2);
const { ArbmlClient } = await import(module);
const client = new ArbmlClient(JSON.parse(options));
for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line);
  const startedMs = performance.now();
  const result = await client[call](...args);
  const tookMs = performance.now() - startedMs;
  console.log(JSON.stringify({ result: result ?? null, tookMs, counts: client.counts, lastProblem: client.lastProblem }));
}
