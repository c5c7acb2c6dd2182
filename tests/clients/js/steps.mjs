// Registers steps, runs them one after another and prints one JSON line for each. A script calls
// `step(backend, api, name, run)` for every combination and `runSteps(library)` at its end.
//
// CLIENTS_URL    the server's address without a path
// CLIENTS_TRACE  a file that gets every HTTP exchange, one JSON line each
// An argument runs only the steps whose "backend api name" contains it.
import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { z } from "zod";

export const ADDRESS = process.env.CLIENTS_URL ?? "http://127.0.0.1:15281";
export const KEY = "not-a-secret";
export const API_VERSION = "2025-03-01-preview";

// OpenAI's names and the names of the deployments on Azure.
export const MODELS = {
  openai: { chat: "gpt-4o", reasoner: "gpt-5-mini", emb: "text-embedding-3-small" },
  azure: { chat: "chat", reasoner: "reasoner", emb: "emb" },
};
export const VECTOR_LENGTH = 1536;
export const CALL_WEATHER = "Please get weather in Oslo.";

// What structured outputs are asked for.
export const city = z.object({
  name: z.string().describe("the city's name"),
  population: z.number().int(),
  continent: z.enum(["Europe", "Asia", "Africa"]),
  rivers: z.array(z.string()),
  mayor: z.string().nullable(),
});

// A red square of 16 by 16 pixels.
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mP4z8BAEmIY1TCqYfhqAACQ+f8B8u7oVwAAAABJRU5ErkJggg==";

const LIMIT_MS = 60_000;
const registered = [];
let current = "start";

// No telemetry, whatever the libraries' defaults are.
Object.assign(process.env, {
  OPENAI_AGENTS_DISABLE_TRACING: "1",
  LANGSMITH_TRACING: "false",
  LANGCHAIN_TRACING_V2: "false",
  LANGCHAIN_CALLBACKS_BACKGROUND: "false",
});

// Only the server is asked: any other address fails the step.
const realFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const url = new URL(input instanceof Request ? input.url : String(input));
  assert.equal(url.origin, new URL(ADDRESS).origin, `asked another server: ${url}`);
  const response = await realFetch(input, init);
  if (process.env.CLIENTS_TRACE) {
    const step = current;
    const request = { method: init?.method ?? "GET", path: url.pathname + url.search, body: String(init?.body ?? "") };
    response.clone().text().then(
      (answer) => appendFileSync(process.env.CLIENTS_TRACE, JSON.stringify({ step, ...request, status: response.status, answer }) + "\n"),
      () => {},
    );
  }
  return response;
};

// Stdout is for results. What a library says goes to stderr with the step that made it speak.
for (const level of ["log", "info", "debug", "warn", "error"]) {
  console[level] = (...words) => process.stderr.write(`${level} [${current}] ${words.map(readable).join(" ")}\n`);
}
process.on("unhandledRejection", (error) => console.error("unhandled rejection:", error));

function readable(word) {
  if (typeof word === "string") return word;
  return word instanceof Error ? `${word.name}: ${word.message}` : JSON.stringify(word);
}

export function step(backend, api, name, run) {
  registered.push({ backend, api, name, run });
}

export async function runSteps(library) {
  const about = new URL(`node_modules/${library}/package.json`, import.meta.url);
  const { version } = JSON.parse(readFileSync(about, "utf8"));
  let failures = 0;
  for (const { backend, api, name, run } of registered) {
    current = `${backend} ${api} ${name}`;
    if (process.argv[2] && !current.includes(process.argv[2])) continue;
    const error = await failure(run);
    if (error !== null) failures += 1;
    const result = { library, version, backend, api, step: name, mode: "async", ok: error === null, error };
    process.stdout.write(JSON.stringify(result) + "\n");
  }
  // A library's open sockets must not keep the process alive.
  process.exit(failures > 0 ? 1 : 0);
}

// Null, or the first 300 letters of what went wrong.
async function failure(run) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  });
  try {
    await Promise.race([run(), limit]);
    return null;
  } catch (error) {
    return `${error?.name ?? "Error"}: ${error?.message ?? error}`.replace(/\s+/g, " ").slice(0, 300);
  } finally {
    clearTimeout(timer);
  }
}

// What every library's answers are measured with.

export function checkText(text) {
  assert.equal(typeof text, "string", `the text is ${JSON.stringify(text)}`);
  assert.notEqual(text.trim(), "", "the text is empty");
}

export function checkChunks(chunks, text) {
  checkText(text);
  assert.ok(chunks.length > 1, `the stream had ${chunks.length} chunk(s)`);
  assert.equal(chunks.join(""), text, "the chunks joined are not the text");
}

export function checkCount(count, what) {
  assert.ok(Number.isInteger(count) && count > 0, `${what} is ${JSON.stringify(count)}`);
}

export function checkWeatherCall(name, args) {
  assert.equal(name, "get_weather");
  assert.equal(typeof args, "object", `the arguments are ${JSON.stringify(args)}`);
  checkText(args.city);
}

export function checkCity(city) {
  checkText(city?.name);
  assert.ok(Number.isInteger(city.population), `the population is ${JSON.stringify(city.population)}`);
  assert.ok(["Europe", "Asia", "Africa"].includes(city.continent), `the continent is ${JSON.stringify(city.continent)}`);
  assert.ok(Array.isArray(city.rivers) && city.rivers.every((river) => typeof river === "string"), "no list of rivers");
  assert.ok("mayor" in city, "the nullable field is missing");
}

export function checkVectors(vectors, count, length = VECTOR_LENGTH) {
  assert.equal(vectors.length, count);
  for (const vector of vectors) {
    assert.equal(vector.length, length);
    assert.ok(vector.every(Number.isFinite), "a vector holds something that is not a number");
    assert.ok(vector.some((value) => value !== 0), "a vector is all zeros");
  }
  assert.equal(new Set(vectors.map((vector) => JSON.stringify(vector))).size, count, "two texts have the same vector");
}
