/**
 * A paper-trading bot: two venues drift apart and together, it observes, asks, "executes" what is EXECUTE, and tells what became
 * of it. `npm start -- http://127.0.0.1:3000 20`: the service's address, and how many rounds.
 */

import { randomUUID } from "node:crypto";

import { ArbmlClient, type Opportunity, type Tick } from "./arbml.js";

const PAIR = "WETH/USDC";
const VENUES = ["uniswap_v3_5bps", "sushiswap"] as const;
const DEPTH_USDC = 10_000_000;

function tick(venue: string, price: number, tsMs: number): Tick {
  const reserves = { reserve_quote: DEPTH_USDC, reserve_base: DEPTH_USDC / price };
  return { ts_ms: tsMs, venue, pair: PAIR, price, fee_bps: 5, gas_price_gwei: 1, volume: 1000, ...reserves };
}

async function main(url: string, rounds: number): Promise<void> {
  const client = new ArbmlClient({ url });
  const health = await client.health();
  console.log(health === null ? `${url} does not answer; the bot goes on without it` : `service: ${health.status}`);
  let price = 2000;
  for (let round = 0; round < rounds; round += 1) {
    const now = Date.now();
    price *= Math.exp((Math.random() - 0.5) * 4e-4);
    const dear = price * (1 + Math.random() * 0.006);
    await client.observe([tick(VENUES[0], price, now), tick(VENUES[1], dear, now)]);

    const id = randomUUID();
    const opportunity: Opportunity = {
      request_id: id, ts_ms: now, pair: PAIR,
      legs: [{ venue: VENUES[0], side: "buy" }, { venue: VENUES[1], side: "sell" }],
    };
    const told = await client.predict(opportunity);
    const worth = `p=${told.success_probability.toFixed(2)}, expected ${told.expected_profit.toFixed(2)} ${told.profit_token}`;
    console.log(`${told.recommendation.padEnd(7)} ${worth}: ${told.reasons[0]}`);

    if (told.recommendation === "EXECUTE") {
      const won = Math.random() < told.success_probability;
      const paid = told.opportunity;
      await client.outcome({
        request_id: id, result: won ? "success" : "reverted", profit: paid === null ? null : won ? paid.net_profit : -paid.revert_cost,
        profit_token: told.profit_token,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const left = await client.close();
  console.log(JSON.stringify({ ...client.counts, outcomesLeft: left.length }));
}

const [url = "http://127.0.0.1:3000", rounds = "20"] = process.argv.slice(2);
await main(url, Number(rounds));
