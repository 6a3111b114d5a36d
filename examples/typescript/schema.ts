// Made from the service's /openapi.json by python -m tests.examples.openapi_types; do not edit.

/** POST /predict: One arbitrage to judge: a route of swaps that ends in the token it starts with. Mostly two legs of one pair: buy the base on one venue, sell it on another. Up to four, over several pairs. */
export type PredictRequest = {
  /** yours, for /outcome and safe repeats; made up without it */
  request_id?: string | null;
  /** when it was seen, UTC ms; now without it */
  ts_ms?: number | null;
  /** BASE/QUOTE, of the first leg */
  pair: string;
  /** in the order of the swaps: each takes the token that the one before it gives, the last gives what the first took */
  legs: Array<{
    /** as in the ticks, e.g. uniswap_v3_5bps */
    venue: string;
    /** what the swap does to the base token */
    side: "buy" | "sell";
    /** BASE/QUOTE; the opportunity's pair without it */
    pair?: string | null;
    /** fee of this venue, basis points */
    fee_bps?: number | null;
    /** spot price now, quote per base */
    price?: number | null;
    /** pool reserve (v3: virtual reserve), base token */
    reserve_base?: number | null;
    /** pool reserve (v3: virtual reserve), quote token */
    reserve_quote?: number | null;
    /** depth as the venue states it, quote */
    liquidity?: number | null;
  }>;
  /** put in, in the token that the first leg takes; the best for the depth without it */
  amount_in?: number | null;
  /** gas price you would pay; that of the last tick without it */
  gas_price_gwei?: number | null;
  /** price of the gas token in the token that the first leg takes; from the setting or the pools without it */
  native_price_quote?: number | null;
};

/** POST /predict_many: Several opportunities, judged on the same market state. */
export type PredictManyRequest = {
  opportunities: Array<{
    /** yours, for /outcome and safe repeats; made up without it */
    request_id?: string | null;
    /** when it was seen, UTC ms; now without it */
    ts_ms?: number | null;
    /** BASE/QUOTE, of the first leg */
    pair: string;
    /** in the order of the swaps: each takes the token that the one before it gives, the last gives what the first took */
    legs: Array<{
      /** as in the ticks, e.g. uniswap_v3_5bps */
      venue: string;
      /** what the swap does to the base token */
      side: "buy" | "sell";
      /** BASE/QUOTE; the opportunity's pair without it */
      pair?: string | null;
      /** fee of this venue, basis points */
      fee_bps?: number | null;
      /** spot price now, quote per base */
      price?: number | null;
      /** pool reserve (v3: virtual reserve), base token */
      reserve_base?: number | null;
      /** pool reserve (v3: virtual reserve), quote token */
      reserve_quote?: number | null;
      /** depth as the venue states it, quote */
      liquidity?: number | null;
    }>;
    /** put in, in the token that the first leg takes; the best for the depth without it */
    amount_in?: number | null;
    /** gas price you would pay; that of the last tick without it */
    gas_price_gwei?: number | null;
    /** price of the gas token in the token that the first leg takes; from the setting or the pools without it */
    native_price_quote?: number | null;
  }>;
};

/** POST /observe: Ticks, in the order in which they became known. */
export type ObserveRequest = {
  ticks: Array<{
    /** when it happened, UTC ms */
    ts_ms: number;
    venue: string;
    /** BASE/QUOTE */
    pair: string;
    /** quote per base */
    price: number;
    /** when you knew it, UTC ms; now without it */
    ts_known_ms?: number | null;
    chain_id?: number | null;
    /** pool address */
    pool?: string | null;
    fee_bps?: number | null;
    /** traded since the previous tick, quote */
    volume?: number | null;
    /** depth as the venue states it, quote */
    liquidity?: number | null;
    gas_price_gwei?: number | null;
    reserve_base?: number | null;
    reserve_quote?: number | null;
    block_number?: number | null;
    log_index?: number;
  }>;
  /** that of the last answer: refused with 409 if the service was started anew since, and lacks what went before */
  instance?: string | null;
};

/** POST /outcome: What became of an opportunity that was predicted. */
export type OutcomeRequest = {
  /** the one of the prediction */
  request_id: string;
  /** failed never landed; reverted landed, did nothing and paid gas */
  result: "success" | "failed" | "reverted";
  /** when you decided, UTC ms; that of the prediction without it */
  ts_ms?: number | null;
  chain_id?: number | null;
  route?: string | null;
  /** net of everything paid, in profit_token */
  profit?: number | null;
  profit_token?: string | null;
  /** gas units */
  gas_used?: number | null;
  gas_price_gwei?: number | null;
  /** decision to result, ms */
  latency_ms?: number | null;
};

/** POST /stats: Nothing to say: an empty body or {}. */
export type StatsRequest = Record<string, never>;

/** POST /health: Nothing to say: an empty body or {}. */
export type HealthRequest = Record<string, never>;

/** POST /models: Nothing to say: an empty body or {}. */
export type ModelsRequest = Record<string, never>;

/** POST /clear_cache: Nothing to say: an empty body or {}. */
export type ClearCacheRequest = Record<string, never>;

/** How many answers were forgotten. */
export interface ClearCacheAnswer {
  cleared: number;
}

/** What every 4xx and 5xx carries. */
export interface ErrorAnswer {
  error: ErrorDetail;
}

/** One refusal. */
export interface ErrorDetail {
  /** invalid_request, conflict, not_ready, too_large and so on */
  code: string;
  /** path into the request, e.g. "legs[0].price"; empty for the request as a whole */
  field: string;
  message: string;
  /** what to do about it */
  mend: string;
}

/** What works, and what does not. */
export interface HealthAnswer {
  status: "starting" | "ok" | "degraded" | "stopping";
  /** "code: detail"; empty when all is well */
  problems: Array<string>;
  streams: number;
  newest_tick_age_ms: number | null;
  uptime_s: number;
  /** index of this worker; each has a market state of its own */
  worker: number;
  journal: JournalAnswer | null;
  /** training libraries that this process has loaded; must be empty */
  heavy_modules: Array<string>;
  /** where arbml was imported from */
  code_path: string;
}

/** Where predictions are written before they are told, and what the store still lacks. */
export interface JournalAnswer {
  lane: string;
  lag_bytes: number;
  broken_lines: number;
  /** why the store does not take them; empty if it does, or if there is none */
  error: string;
}

/** Percentiles over the window, ms; null before the first prediction. */
export interface LatencyAnswer {
  p50: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
}

/** Who answers one question. */
export interface ModelAnswer {
  /** version in the registry; "baseline" where no model beats it, "none" without either */
  version: string;
  model: string | null;
  trained_to_ms: number | null;
  data_hash: string | null;
  stale: boolean;
}

/** Who answers which question, and what was built. */
export interface ModelsAnswer {
  feature_set_id: string;
  built_ms: number;
  arbml_version: string;
  models: Record<string, ModelAnswer>;
}

/** What became of the ticks. */
export interface ObserveAnswer {
  accepted: number;
  /** older than what was known of their stream; ignored */
  late: number;
  /** rows known of each stream touched, up to what the models look at */
  streams: Record<string, number>;
  /** another one after each start: the service has forgotten what it was shown before; show it again */
  instance: string;
}

/** What became of an outcome. */
export interface OutcomeAnswer {
  request_id: string;
  /** false: kept, but no prediction of this id is known here */
  joined: boolean;
  /** true: the same outcome was recorded before */
  duplicate: boolean;
}

/** One prediction for each opportunity, in the order of the request. */
export interface PredictManyAnswer {
  predictions: Array<PredictionAnswer>;
}

/** The judgement of one opportunity. */
export interface PredictionAnswer {
  request_id: string;
  ts_ms: number;
  pair: string;
  success_probability: number;
  /** p x net_profit - (1 - p) x revert_cost, in profit_token */
  expected_profit: number;
  profit_token: string;
  confidence: number;
  /** QUEUE: look again on the next tick; no authority to send */
  recommendation: "EXECUTE" | "QUEUE" | "SKIP";
  /** "code: detail" */
  reasons: Array<string>;
  price_forecasts: Array<PriceForecastAnswer>;
  volatility_forecast: Array<VolatilityForecastAnswer>;
  patterns: Array<string>;
  variant: "champion" | "challenger" | "baseline";
  model_versions: Record<string, string>;
  feature_set_id: string;
  opportunity: PricedAnswer;
  /** arrival to answer, ms, with the time in the queue */
  latency_ms: number;
  cached: boolean;
}

/** Forecast of one horizon. */
export interface PriceForecastAnswer {
  horizon_s: number;
  /** median */
  log_return: number;
  /** quote per base, median */
  price: number;
  /** lower end of the interval, price */
  lower: number;
  /** upper end of the interval, price */
  upper: number;
  /** probability with which the interval holds, as measured in the evaluation; as promised without one */
  coverage: number;
  source: "model" | "baseline";
}

/** How the opportunity was priced. Money is in profit_token. */
export interface PricedAnswer {
  amount_in: number;
  /** what the spread alone gives, before fees, impact and gas */
  gross_profit: number;
  fee_cost: number;
  slippage_cost: number;
  gas_cost: number;
  net_profit: number;
  /** what a reverted attempt costs */
  revert_cost: number;
  gas_price_gwei: number;
  edge_bps: number;
}

/** Counts since the start; rates and percentiles over the latest `window` predictions, null before the first. */
export interface StatsAnswer {
  uptime_s: number;
  predictions: number;
  window: number;
  /** over the last minute */
  throughput_per_s: number | null;
  latency_ms: LatencyAnswer;
  cache_hit_rate: number | null;
  baseline_rate: number | null;
  /** share of requests that failed by the service's own fault */
  error_rate: number | null;
  recommendations: Record<string, number>;
  variants: Record<string, number>;
  /** predictions by reason code */
  reasons: Record<string, number>;
  /** requests refused, by error code */
  refused: Record<string, number>;
  ticks: Record<string, number>;
  outcomes: Record<string, number>;
}

/** Standard deviation of the log-return over the horizon, not annualised. */
export interface VolatilityForecastAnswer {
  horizon_s: number;
  volatility: number;
  lower: number;
  upper: number;
  source: "model" | "baseline";
}
