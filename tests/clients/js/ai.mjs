// Vercel's AI SDK with its providers for OpenAI and Azure.
import * as check from "./steps.mjs";
import { city, step } from "./steps.mjs";
import assert from "node:assert/strict";
import { createAzure } from "@ai-sdk/azure";
import { createOpenAI } from "@ai-sdk/openai";
import {
  embed, embedMany, generateObject, generateText, isStepCount, Output, stepCountIs, streamObject, streamText, tool, ToolLoopAgent,
} from "ai";
import { z } from "zod";

const openai = createOpenAI({ baseURL: `${check.ADDRESS}/v1`, apiKey: check.KEY });
const azure = createAzure({ baseURL: `${check.ADDRESS}/openai/v1`, apiKey: check.KEY });
const dated = createAzure({
  baseURL: `${check.ADDRESS}/openai`, apiKey: check.KEY, apiVersion: check.API_VERSION, useDeploymentBasedUrls: true,
});

// `options` is the key of providerOptions. `where` tells two addresses of one backend apart.
const COMBINATIONS = [
  { backend: "openai", api: "chat", where: "", options: "openai", model: (name) => openai.chat(name) },
  { backend: "openai", api: "responses", where: "", options: "openai", model: (name) => openai(name) },
  { backend: "azure", api: "chat", where: "", options: "openai", model: (name) => azure.chat(name) },
  { backend: "azure", api: "chat", where: ", dated address", options: "openai", model: (name) => dated.chat(name) },
  { backend: "azure", api: "responses", where: "", options: "azure", model: (name) => azure(name) },
];
const EMBEDDINGS = [
  { backend: "openai", where: "", options: "openai", model: openai.embedding(check.MODELS.openai.emb) },
  { backend: "azure", where: "", options: "openai", model: azure.embedding(check.MODELS.azure.emb) },
  { backend: "azure", where: ", dated address", options: "openai", model: dated.embedding(check.MODELS.azure.emb) },
];

// Two tools, so that the right one has to be chosen; the calls are kept.
function weatherTools() {
  const calls = [];
  const tools = {
    get_time: tool({ description: "Tell the time", inputSchema: z.object({ zone: z.string() }), execute: async () => "12:00" }),
    get_weather: tool({
      description: "Get the weather in a city",
      inputSchema: z.object({ city: z.string().describe("a city"), unit: z.enum(["celsius", "fahrenheit"]).optional() }),
      execute: async (input) => {
        calls.push(input);
        return { temperature: 7, sky: "rain" };
      },
    }),
  };
  return { tools, calls };
}

function checkAnswer(result, finish = "stop") {
  check.checkText(result.text);
  assert.equal(result.finishReason, finish);
  check.checkCount(result.usage.inputTokens, "inputTokens");
  check.checkCount(result.usage.outputTokens, "outputTokens");
  check.checkText(result.finalStep.response.id);
  check.checkText(result.finalStep.response.modelId);
}

function checkLoop(result, calls) {
  const [call] = result.steps[0].toolCalls;
  check.checkWeatherCall(call?.toolName, call?.input);
  assert.equal(call.invalid, undefined, "the SDK found the call invalid");
  assert.equal(result.steps[0].finishReason, "tool-calls");
  assert.equal(calls.length, 1, `the tool ran ${calls.length} times`);
  assert.equal(result.steps.length, 2);
  checkAnswer(result);
}

// streamText reports errors to `onError` and ends its streams as if nothing had happened.
async function readStream(settings, read) {
  const errors = [];
  const result = streamText({ ...settings, onError: ({ error }) => errors.push(error) });
  const items = [];
  for await (const item of read(result)) items.push(item);
  if (errors.length > 0) throw errors[0];
  return { result, items };
}

async function resolved(result) {
  const names = ["text", "finishReason", "usage", "steps", "finalStep"];
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await result[name]])));
}

for (const { backend, api, where, options, model: create } of COMBINATIONS) {
  const isResponses = api === "responses";
  const chat = { model: create(check.MODELS[backend].chat), maxRetries: 0 };
  const reasoner = { model: create(check.MODELS[backend].reasoner), maxRetries: 0 };
  const on = (name, run) => step(backend, api, name + where, run);
  const withOptions = (settings, own) => ({ ...settings, providerOptions: { [options]: own } });

  on("plain text", async () => {
    checkAnswer(await generateText({ ...chat, prompt: "Say hello." }));
  });

  on("usual settings", async () => {
    const own = isResponses ? {} : { seed: 7, stopSequences: ["\n\n\n\n"], presencePenalty: 0.1 };
    checkAnswer(await generateText({ ...chat, ...own, temperature: 0.3, topP: 0.9, maxOutputTokens: 400, prompt: "Say hello." }));
  });

  on("stream", async () => {
    const { result, items } = await readStream({ ...chat, prompt: "Tell a story." }, (result) => result.textStream);
    const answer = await resolved(result);
    check.checkChunks(items, answer.text);
    checkAnswer(answer);
  });

  on("stream of parts", async () => {
    const { items } = await readStream({ ...chat, prompt: "Tell a story." }, (result) => result.stream);
    const types = items.map((part) => part.type);
    for (const type of ["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"]) {
      assert.ok(types.includes(type), `no part ${type} in ${[...new Set(types)]}`);
    }
  });

  on("tool loop", async () => {
    const { tools, calls } = weatherTools();
    const result = await generateText({ ...chat, tools, stopWhen: stepCountIs(3), prompt: check.CALL_WEATHER });
    checkLoop(result, calls);
  });

  on("tool loop, stream", async () => {
    const { tools, calls } = weatherTools();
    const settings = { ...chat, tools, stopWhen: isStepCount(3), prompt: check.CALL_WEATHER };
    const { result, items } = await readStream(settings, (result) => result.stream);
    checkLoop(await resolved(result), calls);
    const types = items.map((part) => part.type);
    for (const type of ["tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"]) {
      assert.ok(types.includes(type), `no part ${type} in ${[...new Set(types)]}`);
    }
  });

  on("tool loop, ToolLoopAgent", async () => {
    const { tools, calls } = weatherTools();
    const agent = new ToolLoopAgent({ ...chat, tools, instructions: "You know the weather." });
    checkLoop(await agent.generate({ prompt: check.CALL_WEATHER }), calls);
  });

  for (const toolChoice of ["required", { type: "tool", toolName: "get_weather" }]) {
    on(`tool choice ${toolChoice.type ?? toolChoice}`, async () => {
      const { tools, calls } = weatherTools();
      const result = await generateText({ ...chat, tools: { get_weather: tools.get_weather }, toolChoice, prompt: "Hello." });
      check.checkWeatherCall(result.toolCalls[0]?.toolName, result.toolCalls[0]?.input);
      assert.equal(calls.length, 1);
    });
  }

  on("tool choice none", async () => {
    checkAnswer(await generateText({ ...chat, tools: weatherTools().tools, toolChoice: "none", prompt: check.CALL_WEATHER }));
  });

  on("structured output, Output.object", async () => {
    const result = await generateText({ ...chat, output: Output.object({ schema: city }), prompt: "Describe Oslo." });
    check.checkCity(result.output);
  });

  on("structured output, Output.object, stream", async () => {
    const settings = { ...chat, output: Output.object({ schema: city }), prompt: "Describe Oslo." };
    const { result, items } = await readStream(settings, (result) => result.partialOutputStream);
    const output = await result.output;
    check.checkCity(output);
    assert.ok(items.length > 1, `the stream had ${items.length} object(s)`);
    assert.deepEqual(items.at(-1), output);
  });

  on("structured output, Output.array", async () => {
    const result = await generateText({ ...chat, output: Output.array({ element: city }), prompt: "Describe two cities." });
    assert.ok(result.output.length > 0, "the array is empty");
    result.output.forEach(check.checkCity);
  });

  on("structured output, Output.choice", async () => {
    const result = await generateText({ ...chat, output: Output.choice({ options: ["rain", "sun"] }), prompt: "Rain or sun?" });
    assert.ok(["rain", "sun"].includes(result.output), `the choice is ${result.output}`);
  });

  on("structured output, Output.json", async () => {
    const result = await generateText({ ...chat, output: Output.json(), prompt: "Describe Oslo as JSON." });
    assert.equal(typeof result.output, "object");
  });

  on("structured output after a tool loop", async () => {
    const { tools, calls } = weatherTools();
    const output = Output.object({ schema: city });
    const result = await generateText({ ...chat, tools, output, stopWhen: stepCountIs(3), prompt: check.CALL_WEATHER });
    assert.equal(calls.length, 1, `the tool ran ${calls.length} times`);
    check.checkCity(result.output);
  });

  on("structured output, generateObject", async () => {
    const result = await generateObject({ ...chat, schema: city, schemaName: "city", prompt: "Describe Oslo." });
    check.checkCity(result.object);
    check.checkCount(result.usage.outputTokens, "outputTokens");
  });

  on("structured output, streamObject", async () => {
    const errors = [];
    const result = streamObject({ ...chat, schema: city, prompt: "Describe Oslo.", onError: ({ error }) => errors.push(error) });
    const parts = [];
    for await (const part of result.partialObjectStream) parts.push(part);
    if (errors.length > 0) throw errors[0];
    assert.ok(parts.length > 1, `the stream had ${parts.length} object(s)`);
    check.checkCity(await result.object);
  });

  on("second turn", async () => {
    const messages = [{ role: "user", content: "Say hello." }];
    const first = await generateText({ ...chat, messages });
    messages.push(...first.responseMessages, { role: "user", content: "And now goodbye." });
    checkAnswer(await generateText({ ...chat, messages }));
  });

  on("second turn, plain strings", async () => {
    const messages = [
      { role: "user", content: "Say hello." },
      { role: "assistant", content: "Hello!" },
      { role: "user", content: "And now goodbye." },
    ];
    checkAnswer(await generateText({ ...chat, messages }));
  });

  on("second turn after a tool loop", async () => {
    const { tools, calls } = weatherTools();
    const messages = [{ role: "user", content: check.CALL_WEATHER }];
    const settings = { ...chat, tools, stopWhen: stepCountIs(3) };
    const first = await generateText({ ...settings, messages });
    checkLoop(first, calls);
    messages.push(...first.responseMessages, { role: "user", content: "Thank you." });
    checkAnswer(await generateText({ ...settings, messages }));
  });

  on("image, file part", async () => {
    const content = [{ type: "text", text: "Which colour?" }, { type: "file", mediaType: "image/png", data: check.PNG }];
    checkAnswer(await generateText({ ...chat, messages: [{ role: "user", content }] }));
  });

  on("image, image part", async () => {
    const image = Buffer.from(check.PNG, "base64");
    const content = [{ type: "text", text: "Which colour?" }, { type: "image", image }];
    checkAnswer(await generateText({ ...chat, messages: [{ role: "user", content }] }));
  });

  on("several text parts", async () => {
    const content = [{ type: "text", text: "Say hello." }, { type: "text", text: "Then say goodbye." }];
    checkAnswer(await generateText({ ...chat, messages: [{ role: "user", content }] }));
  });

  on("tool loop, prompt in two parts", async () => {
    const { tools, calls } = weatherTools();
    const content = [{ type: "text", text: "It is autumn." }, { type: "text", text: check.CALL_WEATHER }];
    const messages = [{ role: "user", content }];
    checkLoop(await generateText({ ...chat, tools, stopWhen: stepCountIs(3), messages }), calls);
  });

  on("system message", async () => {
    checkAnswer(await generateText({ ...chat, instructions: "You are a poet.", prompt: "Say hello." }));
  });

  on("system message among the messages", async () => {
    const messages = [{ role: "system", content: "You are a poet." }, { role: "user", content: "Say hello." }];
    checkAnswer(await generateText({ ...chat, messages, allowSystemInMessages: true }));
  });

  // The provider knows a reasoning model by its name; a deployment's name says nothing, so it must be told.
  const forced = backend === "azure" ? { forceReasoning: true } : {};
  const effort = { ...forced, reasoningEffort: "low" };

  on("reasoner: plain text", async () => {
    const result = await generateText({ ...reasoner, prompt: "Say hello." });
    checkAnswer(result);
  });

  on("reasoner: maxOutputTokens and system message", async () => {
    const settings = withOptions(reasoner, forced);
    checkAnswer(await generateText({ ...settings, maxOutputTokens: 2000, instructions: "You are a poet.", prompt: "Say hello." }));
  });

  on("reasoner: stream", async () => {
    const { result, items } = await readStream({ ...reasoner, prompt: "Tell a story." }, (result) => result.textStream);
    const answer = await resolved(result);
    check.checkChunks(items, answer.text);
    checkAnswer(answer);
  });

  on("reasoner: effort", async () => {
    checkAnswer(await generateText({ ...withOptions(reasoner, effort), prompt: "Say hello." }));
  });

  on("reasoner: reasoning tokens counted", async () => {
    const result = await generateText({ ...withOptions(reasoner, { ...forced, reasoningEffort: "high" }), prompt: "Prove that 97 is prime." });
    check.checkCount(result.usage.outputTokenDetails.reasoningTokens, "reasoningTokens");
  });

  on("reasoner: tool loop", async () => {
    const { tools, calls } = weatherTools();
    checkLoop(await generateText({ ...withOptions(reasoner, forced), tools, stopWhen: stepCountIs(3), prompt: check.CALL_WEATHER }), calls);
  });

  on("reasoner: tool loop, stream", async () => {
    const { tools, calls } = weatherTools();
    const settings = { ...withOptions(reasoner, forced), tools, stopWhen: stepCountIs(3), prompt: check.CALL_WEATHER };
    const { result } = await readStream(settings, (result) => result.stream);
    checkLoop(await resolved(result), calls);
  });

  on("reasoner: structured output", async () => {
    const settings = withOptions(reasoner, forced);
    check.checkCity((await generateText({ ...settings, output: Output.object({ schema: city }), prompt: "Describe Oslo." })).output);
  });

  on("reasoner: second turn", async () => {
    const messages = [{ role: "user", content: "Say hello." }];
    const settings = withOptions(reasoner, forced);
    const first = await generateText({ ...settings, messages });
    messages.push(...first.responseMessages, { role: "user", content: "And now goodbye." });
    checkAnswer(await generateText({ ...settings, messages }));
  });

  if (!isResponses) continue;

  on("second turn, previousResponseId", async () => {
    const first = await generateText({ ...chat, prompt: "Say hello." });
    const previousResponseId = first.finalStep.providerMetadata[options].responseId;
    check.checkText(previousResponseId);
    checkAnswer(await generateText({ ...withOptions(chat, { previousResponseId }), prompt: "And now goodbye." }));
  });

  on("tool result with previousResponseId", async () => {
    const { tools } = weatherTools();
    delete tools.get_weather.execute;
    const first = await generateText({ ...chat, tools, prompt: check.CALL_WEATHER });
    const [{ toolCallId, toolName, input }] = first.toolCalls;
    check.checkWeatherCall(toolName, input);
    const previousResponseId = first.finalStep.providerMetadata[options].responseId;
    const result = { type: "tool-result", toolCallId, toolName, output: { type: "json", value: { temperature: 7 } } };
    const messages = [{ role: "user", content: check.CALL_WEATHER }, ...first.responseMessages, { role: "tool", content: [result] }];
    checkAnswer(await generateText({ ...withOptions(chat, { previousResponseId }), tools, messages }));
  });

  on("second turn, store false", async () => {
    const messages = [{ role: "user", content: "Say hello." }];
    const settings = withOptions(chat, { store: false });
    const first = await generateText({ ...settings, messages });
    messages.push(...first.responseMessages, { role: "user", content: "And now goodbye." });
    checkAnswer(await generateText({ ...settings, messages }));
  });

  on("tool loop, store false", async () => {
    const { tools, calls } = weatherTools();
    const settings = withOptions(chat, { store: false });
    checkLoop(await generateText({ ...settings, tools, stopWhen: stepCountIs(3), prompt: check.CALL_WEATHER }), calls);
  });

  on("reasoner: summary option", async () => {
    const settings = withOptions(reasoner, { ...effort, reasoningSummary: "auto" });
    checkAnswer(await generateText({ ...settings, prompt: "Why is the sky blue?" }));
  });

  on("reasoner: summary's text", async () => {
    const settings = withOptions(reasoner, { ...forced, reasoningEffort: "high", reasoningSummary: "detailed" });
    const result = await generateText({ ...settings, prompt: "Prove that 97 is prime." });
    check.checkText(result.finalStep.reasoningText);
  });

  on("reasoner: summary's text, stream", async () => {
    const settings = withOptions(reasoner, { ...forced, reasoningEffort: "high", reasoningSummary: "detailed" });
    const { result, items } = await readStream({ ...settings, prompt: "Prove that 97 is prime." }, (result) => result.stream);
    const deltas = items.filter((part) => part.type === "reasoning-delta").map((part) => part.text);
    assert.equal(deltas.join(""), (await result.finalStep).reasoningText);
    assert.ok(deltas.length > 1, `the summary had ${deltas.length} chunk(s)`);
  });

  // The provider asks for reasoning.encrypted_content by itself and sends it back.
  on("reasoner: second turn, store false", async () => {
    const messages = [{ role: "user", content: "Prove that 97 is prime." }];
    const settings = withOptions(reasoner, { ...effort, store: false });
    const first = await generateText({ ...settings, messages });
    messages.push(...first.responseMessages, { role: "user", content: "And 91?" });
    const second = await generateText({ ...settings, messages, include: { requestBody: true } });
    checkAnswer(second);
    const sent = second.finalStep.request.body;
    assert.deepEqual(sent.include, ["reasoning.encrypted_content"]);
    const item = sent.input.find(({ type }) => type === "reasoning");
    check.checkText(item?.encrypted_content);
  });

  on("reasoner: tool loop, store false", async () => {
    const { tools, calls } = weatherTools();
    const settings = withOptions(reasoner, { ...effort, store: false });
    checkLoop(await generateText({ ...settings, tools, stopWhen: stepCountIs(3), prompt: check.CALL_WEATHER }), calls);
  });
}

for (const { backend, where, options, model } of EMBEDDINGS) {
  const on = (name, run) => step(backend, "embeddings", name + where, run);

  on("one", async () => {
    const { embedding, usage } = await embed({ model, value: "hello", maxRetries: 0 });
    check.checkVectors([embedding], 1);
    check.checkCount(usage.tokens, "tokens");
  });

  on("batch", async () => {
    const { embeddings } = await embedMany({ model, values: ["sun", "rain", "snow"], maxRetries: 0 });
    check.checkVectors(embeddings, 3);
  });

  on("batch, dimensions", async () => {
    const providerOptions = { [options]: { dimensions: 256 } };
    const { embeddings } = await embedMany({ model, values: ["sun", "rain"], maxRetries: 0, providerOptions });
    check.checkVectors(embeddings, 2, 256);
  });
}

await check.runSteps("ai");
