/**
 * The arbml service for a bot in TypeScript: no call takes longer than its time-out, and none rejects because the service is
 * gone, late or broken. Its answer is a labelled baseline then, which never says EXECUTE; at once while the service is left
 * alone after failures in a row. Ticks and outcomes that could not be sent wait, and go out in order with later calls.
 */

import { randomUUID } from "node:crypto";

import type {
  HealthAnswer, ObserveAnswer, ObserveRequest, OutcomeAnswer, OutcomeRequest, PredictionAnswer, PredictRequest, StatsAnswer,
} from "./schema.js";

export type Tick = ObserveRequest["ticks"][number];
export type Opportunity = PredictRequest;
export type Outcome = OutcomeRequest;
/** What the service says; how it priced the opportunity is missing where it said nothing. */
export type Prediction = Omit<PredictionAnswer, "opportunity"> & { opportunity: PredictionAnswer["opportunity"] | null };

export interface Options {
  url: string;
  /** longest that a call may take, ms */
  timeoutMs?: number;
  /** failures in a row after which the service is left alone, and for how long, ms */
  breakerFailures?: number;
  breakerPauseMs?: number;
  /** most that wait while it is gone; the oldest go */
  tickBuffer?: number;
  outcomeBuffer?: number;
}

/** The service refused: the request is wrong. `observe` and `outcome` never reject with it, `predict` tells it as a reason. */
class Refused extends Error {
  constructor(readonly status: number, readonly field: string, message: string, mend: string) {
    super(`refused: ${field ? field + ": " : ""}${message}${mend ? "; " + mend : ""}`);
  }
}

const JSON_BODY = { "content-type": "application/json" };
const TICKS_AT_ONCE = 500;
const MEMORY_MS = 20 * 60_000; // what the features look back on: shown again to a service that was started anew

export class ArbmlClient {
  readonly counts = { predictions: 0, absent: 0, ticksSent: 0, ticksLost: 0, outcomesSent: 0, outcomesLost: 0 };
  lastProblem = "";
  private readonly options: Required<Options>;
  private ticks: Tick[] = [];
  private shown: Tick[] = [];
  private outcomes: Outcome[] = [];
  private instance: string | null = null;
  private failures = 0;
  private aloneUntilMs = 0;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(options: Options) {
    this.options = { timeoutMs: 250, breakerFailures: 3, breakerPauseMs: 2000, tickBuffer: 50_000, outcomeBuffer: 10_000, ...options };
  }

  /** Sends ticks, in the order in which they became known. */
  async observe(ticks: readonly Tick[]): Promise<void> {
    this.ticks.push(...ticks.map((tick) => ({ ts_known_ms: Math.max(Date.now(), tick.ts_ms), ...tick })));
    this.counts.ticksLost += trim(this.ticks, this.options.tickBuffer);
    const signal = this.deadline();
    await this.inTurn(signal, async () => {
      await this.sendTicks(signal);
      await this.sendOutcomes(signal);
    });
  }

  /** Judges one opportunity; send only what says EXECUTE. */
  async predict(opportunity: Opportunity): Promise<Prediction> {
    const asked = { ts_ms: Date.now(), ...opportunity, request_id: opportunity.request_id ?? randomUUID() };
    const startedMs = performance.now();
    const signal = this.deadline();
    this.counts.predictions += 1;
    try {
      this.letIn();
      if (this.ticks.length > 0) await this.inTurn(signal, () => this.sendTicks(signal));
      this.letIn();
      const behind = this.ticks.length;
      if (behind > 0) throw new Error(`service_late: ${behind} ticks are still to be sent, so that it knows an old market only`);
      return sound(await this.post<PredictionAnswer>("/predict", asked, signal), asked.request_id);
    } catch (error) {
      this.counts.absent += 1;
      return absent(asked, text(error), performance.now() - startedMs);
    }
  }

  /** Tells what became of an opportunity. Sending it twice is all right: the service knows it by its request id. */
  async outcome(outcome: Outcome): Promise<void> {
    this.outcomes.push(outcome);
    this.counts.outcomesLost += trim(this.outcomes, this.options.outcomeBuffer);
    const signal = this.deadline();
    await this.inTurn(signal, () => this.sendOutcomes(signal));
  }

  /** What works and what does not; null if the service does not answer. */
  health(): Promise<HealthAnswer | null> {
    return this.post<HealthAnswer>("/health", {}, this.deadline()).catch(() => null);
  }

  /** The service's figures; null if it does not answer. */
  stats(): Promise<StatsAnswer | null> {
    return this.post<StatsAnswer>("/stats", {}, this.deadline()).catch(() => null);
  }

  /** Sends the outcomes that are left; returns those that could not be sent, for the bot to keep. */
  async close(drainMs = 2000): Promise<readonly Outcome[]> {
    this.aloneUntilMs = 0;
    const signal = AbortSignal.timeout(drainMs);
    await this.inTurn(signal, () => this.sendOutcomes(signal));
    return this.outcomes;
  }

  private letIn(): void {
    const leftMs = this.aloneUntilMs - Date.now();
    if (leftMs > 0) throw new Error(`left_alone: asked again in ${leftMs} ms, since ${this.lastProblem}`);
  }

  private deadline(): AbortSignal {
    return AbortSignal.timeout(this.options.timeoutMs);
  }

  /** One sender at a time, so that everything arrives in order; whoever's time is over gives up its turn. */
  private async inTurn(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const mine = this.turn.then(() => (signal.aborted ? undefined : work())).catch((error: unknown) => {
      if (!text(error).startsWith("left_alone")) this.lastProblem = text(error); // which says the last problem itself
    });
    this.turn = mine;
    await Promise.race([mine, new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))]);
  }

  private async sendTicks(signal: AbortSignal): Promise<void> {
    while (this.ticks.length > 0) {
      const sent = this.ticks.slice(0, TICKS_AT_ONCE);
      try {
        const body = { ticks: sent, ...(this.instance === null ? {} : { instance: this.instance }) };
        this.instance = (await this.post<ObserveAnswer>("/observe", body, signal)).instance;
      } catch (error) {
        if (!(error instanceof Refused) || error.status === 413) throw error;
        this.lastProblem = error.message;
        if (error.field === "instance") { // started anew: it has forgotten what it was shown
          this.instance = null;
          this.ticks.unshift(...this.shown.splice(0));
        } else { // one that cannot be must not hold up the others
          const place = Number(/^ticks\[(\d+)\]/.exec(error.field)?.[1] ?? 0);
          drop(this.ticks, sent[place] ?? sent[0]);
          this.counts.ticksLost += 1;
        }
        continue;
      }
      this.ticks.splice(0, this.ticks.indexOf(sent[sent.length - 1] as Tick) + 1); // -1: the buffer overflowed meanwhile
      this.counts.ticksSent += sent.length;
      this.shown.push(...sent);
      const oldestMs = (sent.at(-1)?.ts_ms ?? 0) - MEMORY_MS;
      this.shown = this.shown.slice(-this.options.tickBuffer).filter((tick) => tick.ts_ms >= oldestMs);
    }
  }

  private async sendOutcomes(signal: AbortSignal): Promise<void> {
    for (let next = this.outcomes[0]; next !== undefined; next = this.outcomes[0]) {
      try {
        await this.post<OutcomeAnswer>("/outcome", next, signal);
        this.counts.outcomesSent += 1;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.lastProblem = error.message; // 409: another outcome is on record; an outcome is final
        this.counts.outcomesLost += 1;
      }
      drop(this.outcomes, next);
    }
  }

  /** POSTs until the signal; once more after a broken connection: request ids make that safe. */
  private async post<T>(path: string, body: unknown, signal: AbortSignal): Promise<T> {
    this.letIn();
    if (this.aloneUntilMs > 0) this.aloneUntilMs = Date.now() + this.options.breakerPauseMs; // this one tries, the others wait
    try {
      const request = { method: "POST", headers: JSON_BODY, body: JSON.stringify(body), signal, redirect: "error" } as const;
      const response = await fetch(this.options.url + path, request).catch((error: unknown) => {
        if (signal.aborted) throw error;
        return fetch(this.options.url + path, request);
      });
      const answer: unknown = await response.json();
      if (response.status >= 400 && response.status < 500) throw refusal(response.status, answer);
      const usable = response.status === 200 && typeof answer === "object" && answer !== null;
      if (!usable) throw new Error(`service_gone: it answered ${response.status}`);
      this.failures = this.aloneUntilMs = 0;
      return answer as T;
    } catch (error) {
      if (error instanceof Refused) {
        this.failures = this.aloneUntilMs = 0;
        throw error;
      }
      this.failures += 1;
      if (this.failures >= this.options.breakerFailures) this.aloneUntilMs = Date.now() + this.options.breakerPauseMs;
      this.lastProblem = signal.aborted ? "service_late: no answer within the time-out" : text(error);
      throw new Error(this.lastProblem);
    }
  }
}

function refusal(status: number, answer: unknown): Error {
  const error = (answer as { error?: { field?: string; message?: string; mend?: string } } | null)?.error;
  if (error === undefined) return new Error(`misread: it answered ${status}, not in the service's form`);
  return new Refused(status, error.field ?? "", error.message ?? "", error.mend ?? "");
}

/** Believes an answer only if it is one to the question. */
function sound(answer: PredictionAnswer, requestId: string): Prediction {
  const numbers = [answer.success_probability, answer.expected_profit, answer.confidence];
  const known = ["EXECUTE", "QUEUE", "SKIP"].includes(answer.recommendation) && Array.isArray(answer.reasons);
  if (answer.request_id !== requestId || !numbers.every(Number.isFinite) || !known) throw new Error("misread: no such answer is known");
  if (answer.recommendation === "EXECUTE" && (answer.variant === "baseline" || answer.expected_profit <= 0)) {
    throw new Error("misread: EXECUTE of a baseline or of an expected loss");
  }
  return answer;
}

/** The answer that stands where nobody judged. */
function absent(asked: Opportunity & { request_id: string }, reason: string, latencyMs: number): Prediction {
  const [base = "", quote = ""] = asked.pair.split("/");
  return {
    request_id: asked.request_id, ts_ms: asked.ts_ms ?? Date.now(), pair: asked.pair, success_probability: 0, expected_profit: 0,
    profit_token: asked.legs[0]?.side === "sell" ? base : quote, confidence: 0, recommendation: "SKIP", reasons: [reason],
    price_forecasts: [], volatility_forecast: [], patterns: [], variant: "baseline", model_versions: {}, feature_set_id: "",
    opportunity: null, latency_ms: latencyMs, cached: false,
  };
}

function trim(items: unknown[], size: number): number {
  return items.splice(0, Math.max(0, items.length - size)).length;
}

function drop<T>(items: T[], item: T | undefined): void {
  const at = item === undefined ? -1 : items.indexOf(item); // nearly always the first; gone if the buffer overflowed meanwhile
  if (at >= 0) items.splice(at, 1);
}

function text(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : "";
  return /^[a-z_]+: /.test(said) ? said : `service_gone: ${said}${cause}`;
}
